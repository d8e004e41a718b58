"""Readers' regions and notes: each reader's own, undone and redone, chained, found by filters."""

import random

import pytest
from sqlalchemy import update

from amae_engine.catalog import regions, studies, undo
from amae_engine.catalog.chain import verify_chains
from amae_engine.catalog.reading_tables import RegionAct
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.errors import BadInput
from amae_engine.evaluation.regions import Outline, Shape, box_outline

BOX = box_outline(0.1, 0.2, 0.3, 0.4)


def drawn(image_id: int, **more: object) -> NewRegion:
    return NewRegion(image_id, BOX, RegionState.DRAWN, **more)  # type: ignore[arg-type]


def test_draw_edit_judge_remove_undo_redo(small_project):
    with small_project.session() as session:
        (one,) = regions.add(session, [drawn(1)], "AB")
        regions.change(session, one, "AB", outline=BOX.moved(0.2, 0))
        regions.change(session, one, "AB", note="effusion?")
        regions.remove(session, one, "AB")
        assert regions.of_images(session, [1]) == []
        assert undo.undo(session, "AB").image_ids == (1,)
        (back,) = regions.of_images(session, [1])
        assert (back.note, back.outline) == ("effusion?", BOX.moved(0.2, 0))
        undo.undo(session, "AB")
        undo.undo(session, "AB")
        (first,) = regions.of_images(session, [1])
        assert (first.note, first.outline) == ("", BOX)
        undo.undo(session, "AB")
        assert regions.of_images(session) == []
        assert undo.undo(session, "AB").image_ids == ()
        for _ in range(4):
            undo.redo(session, "AB")
        assert regions.of_images(session) == []
        assert undo.redo(session, "AB").image_ids == ()
        undo.undo(session, "AB")
        assert [row.note for row in regions.of_images(session)] == ["effusion?"]
        assert verify_chains(session).problems == ()


def test_one_act_on_many_regions_is_undone_at_once(small_project):
    with small_project.session() as session:
        regions.add(session, [drawn(n) for n in (1, 2, 3)], "AB", "import")
        assert len(regions.of_images(session)) == 3
        assert undo.undo(session, "AB").image_ids == (1, 2, 3)
        assert regions.of_images(session) == []


def test_each_readers_own(small_project):
    with small_project.session() as session:
        (mine,) = regions.add(session, [drawn(1)], "AB")
        regions.add(session, [drawn(1)], "CD")
        for act in (
            lambda: regions.remove(session, mine, "CD"),
            lambda: regions.change(session, mine, "CD", note="x"),
        ):
            with pytest.raises(BadInput, match="is AB's"):
                act()
        undo.undo(session, "CD")
        assert [row.reader for row in regions.of_images(session)] == ["AB"]
        with pytest.raises(BadInput, match="no region 99"):
            regions.remove(session, 99, "AB")
        with pytest.raises(BadInput, match="needs a reader"):
            regions.add(session, [drawn(1)], " ")


def test_notes_on_images_and_filters(small_project):
    def names(text: str) -> list[int]:
        with small_project.session() as session:
            return studies.page_of_ids(session, text).tolist()

    with small_project.session() as session:
        regions.note_image(session, 5, "  apical cap?  ", "AB")
        regions.note_image(session, 5, "seen by CD", "CD")
        regions.note_image(session, 6, "", "AB")
        (agreed,) = regions.add(session, [NewRegion(7, BOX, RegionState.AGREED, "100% sure")], "AB")
    assert names("note:any") == [5, 7]
    assert names("note:apical") == [5]
    assert names("note:100%") == [7]
    assert names("note:0_") == []  # no wildcard
    assert names("region:agreed") == names("region:any") == [7]
    assert names("region:drawn") == []
    with small_project.session() as session:
        regions.change(session, agreed, "AB", state=RegionState.REJECTED)
        regions.note_image(session, 5, "", "AB")
    assert (names("region:agreed"), names("region:rejected")) == ([], [7])
    assert names("note:apical") == []
    with small_project.session() as session:
        undo.undo(session, "AB")
    assert names("note:apical") == [5]
    with pytest.raises(BadInput, match="region must be any, drawn"):
        names("region:large")


def test_what_cannot_be_drawn_is_refused(small_project):
    for points in (((0.1, 0.1), (0.2, 0.2)), ((0.1, 0.1),) * 500):
        with pytest.raises(BadInput, match="polygon has 3 to"):
            Outline(Shape.POLYGON, points)
    with pytest.raises(BadInput, match="no number"):
        Outline(Shape.ELLIPSE, ((0.1, float("nan")), (0.2, 0.2)))
    with small_project.session() as session, pytest.raises(BadInput, match=r"up to 2,000"):
        regions.note_image(session, 1, "x" * 3000, "AB")


def test_an_act_changed_outside_is_found(small_project):
    with small_project.session() as session:
        regions.add(session, [drawn(1)], "AB")
    with small_project.session() as session:
        session.execute(update(RegionAct).values(note="slipped in"))
    with small_project.session() as session:
        (problem,) = verify_chains(session).problems
    assert "act on a region" in problem
    assert "AB" in problem


def test_random_acts_against_a_plain_model(small_project):
    """300 acts of two readers, undone and redone at random, against lists of states."""
    rng = random.Random(19)
    past: dict[str, list[dict[int, str]]] = {"AB": [{}], "CD": [{}]}
    ahead: dict[str, list[dict[int, str]]] = {"AB": [], "CD": []}
    with small_project.session() as session:
        for number in range(300):
            reader = rng.choice(["AB", "CD"])
            stands = past[reader][-1]
            act = rng.choice(["add", "note", "remove", "undo", "undo", "redo"])
            if act == "undo":
                undo.undo(session, reader)
                if len(past[reader]) > 1:
                    ahead[reader].append(past[reader].pop())
            elif act == "redo":
                undo.redo(session, reader)
                if ahead[reader]:
                    past[reader].append(ahead[reader].pop())
            elif act == "add" or not stands:
                (new,) = regions.add(session, [drawn(1 + number % 9)], reader)
                past[reader].append({**stands, new: ""})
                ahead[reader].clear()
            else:
                chosen = rng.choice(sorted(stands))
                if act == "note":
                    regions.change(session, chosen, reader, note=f"n{number}")
                    past[reader].append({**stands, chosen: f"n{number}"})
                else:
                    regions.remove(session, chosen, reader)
                    past[reader].append({k: v for k, v in stands.items() if k != chosen})
                ahead[reader].clear()
            found = {row.region: row.note for row in regions.of_images(session)}
            assert found == past["AB"][-1] | past["CD"][-1]
