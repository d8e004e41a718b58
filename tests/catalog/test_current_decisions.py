"""What stands, read step by step, is what stands when all decisions are read at once."""

import random

import pytest
from demo_images import demo_files, finish

from amae_engine.catalog import decisions, image_tables, undo
from amae_engine.catalog.current_decisions import CurrentDecisions
from amae_engine.catalog.decisions import Offer
from amae_engine.catalog.tables import Label, LabelDecision, Split
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project

READERS = ("AA", "BB")
OFFERS = (Offer("random"), Offer("random", True), Offer("nearest a cut first"), Offer())


@pytest.fixture
def ids(project: Project) -> list[int]:
    """Twelve unlabeled images."""
    finish(import_images(project, demo_files(2, 12, 2), "demo"))
    with project.session() as session:
        return image_tables.images_in(session, Split.UNLABELED).ids.tolist()


def _fair(session) -> set[int]:
    """Images whose newest decision stands, and was made in random order without their truth."""
    rows = decisions.history(session, limit=10_000)
    newest = {row.image_id: row for row in reversed(rows)}
    return {
        image
        for image, row in newest.items()
        if row.after is not Label.NONE and row.offered == "random" and not row.truth_shown
    }


def _check(project: Project, reader: CurrentDecisions) -> int:
    """Compare with a reading from the start; returns how many decisions stand."""
    with project.session() as session:
        standing = reader.read(session)
        assert standing.decided == decisions.current(session)
        assert set(standing.fair.tolist()) == _fair(session)
    return len(standing.decided)


@pytest.mark.parametrize("seed", range(4))
def test_each_step_gives_what_a_reading_from_the_start_gives(
    project: Project, ids: list[int], seed: int
):
    draw = random.Random(seed)
    kept = CurrentDecisions()
    assert _check(project, kept) == 0
    seen = set()
    for _ in range(40):
        who = draw.choice(READERS)
        with project.session() as session:
            act = draw.choice(("decide", "decide", "decide", "undo", "redo"))
            if act == "decide":
                some = draw.sample(ids, draw.randint(1, 5))
                decisions.decide(
                    session, some, draw.choice(list(Label)), who, offer=draw.choice(OFFERS)
                )
            else:
                getattr(undo, act)(session, who)
        if draw.random() < 0.6:  # several acts may lie between two readings
            seen.add(_check(project, kept))
    assert len(seen) > 3


def test_a_state_that_was_given_out_does_not_change(project: Project, ids: list[int]):
    kept = CurrentDecisions()
    with project.session() as session:
        decisions.decide(session, ids[:2], Label.NORMAL, "AA", offer=Offer("random"))
        earlier = kept.read(session)
        decisions.decide(session, ids[:2], Label.NONE, "AA")
        assert kept.read(session).decided == {}
    assert earlier.decided == dict.fromkeys(ids[:2], Label.NORMAL)
    assert sorted(earlier.fair.tolist()) == ids[:2]


def test_a_catalog_that_was_put_back_is_read_anew(project: Project, ids: list[int]):
    kept = CurrentDecisions()
    with project.session() as session:
        decisions.decide(session, ids[:1], Label.NORMAL, "AA")
        decisions.decide(session, ids[1:2], Label.ABNORMAL, "AA")
        kept.read(session)
        newest = session.get(LabelDecision, 2)
        session.delete(newest)
        session.flush()
        assert kept.read(session).decided == {ids[0]: Label.NORMAL}
