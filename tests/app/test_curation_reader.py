"""The state of the Pseudo-labels workspace, read again and again."""

import numpy as np

from amae_app.pseudo_labels import curation_state
from amae_app.pseudo_labels.curation_state import CurationReader
from amae_engine.catalog import decisions, image_tables, runs, scores, studies, undo
from amae_engine.catalog.decisions import Offer
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.config import PseudoLabelConfig, ScoreKind
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import current_pseudo_labels
from amae_engine.project import Project

PROXY = PseudoLabelConfig()


def _agrees(reader: CurationReader, project: Project, config: PseudoLabelConfig) -> None:
    """What it reads is what a reading from the start gives."""
    state, fresh = reader.read(config), current_pseudo_labels(project, config)
    assert state.view.image_ids.tolist() == fresh.image_ids.tolist()
    assert state.view.labels.tolist() == fresh.labels.tolist()
    assert state.view.by_reader.tolist() == fresh.by_reader.tolist()
    np.testing.assert_array_equal(state.view.log_odds, fresh.log_odds)
    assert state.view.normal.ids.tolist() == fresh.normal.ids.tolist()
    assert state.view.truth.tolist() == fresh.truth.tolist()


def test_it_always_shows_what_a_reading_from_the_start_shows(rated_project: Project):
    project, reader = rated_project, CurationReader(rated_project)
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        normal = image_tables.images_in(session, Split.NORMAL).ids.tolist()
    _agrees(reader, project, PROXY)
    acts = (
        lambda s: decisions.decide(s, ids[:3], Label.ABNORMAL, "BB"),
        lambda s: decisions.decide(s, ids[2:5], Label.EXCLUDE, "BB"),
        lambda s: undo.undo(s, "BB"),
        lambda s: studies.set_truth(s, ids[:2], 1, "BB"),
        lambda s: studies.remove(s, ids[:1], "BB"),
        lambda s: studies.restore(s, ids[:1], "BB"),
        lambda s: studies.change_split(s, ids[4:6], Split.TEST, "BB"),
        lambda s: studies.remove(s, normal[:1], "BB"),
    )
    for act in acts:
        with project.session() as session:
            act(session)
        _agrees(reader, project, PROXY)
        _agrees(reader, project, PROXY.replace(keep_percent=20))


def test_a_newer_stage1_is_read(rated_project: Project):
    project, reader = rated_project, CurationReader(rated_project)
    _agrees(reader, project, PROXY)
    with project.session() as session:
        first = runs.newest(session, RunKind.STAGE1)
        ids, values = scores.load(session, first.id, ScoreKind.STAGE1_PROBABILITY)
        newer = runs.start(session, RunKind.STAGE1, first.config, None, 1)
        scores.save(session, newer, ScoreKind.STAGE1_PROBABILITY, ids, 1 - values)
        runs.finish(session, newer)
    _agrees(reader, project, PROXY)
    assert reader.read(PROXY).view.run_id == newer


def test_a_decision_does_not_read_the_ratings_again(rated_project: Project, monkeypatch):
    reader = CurationReader(rated_project)
    before = reader.read(PROXY)
    monkeypatch.setattr(
        curation_state, "read_ratings", lambda *_: (_ for _ in ()).throw(AssertionError)
    )
    with rated_project.session() as session:
        image = int(before.view.image_ids[0])
        decisions.decide(session, [image], Label.EXCLUDE, "BB", offer=Offer("random"))
    after = reader.read(PROXY)
    assert after.view.by_reader.tolist() == [True] + [False] * (len(after.view.labels) - 1)
    assert after.is_fair.tolist() == after.view.by_reader.tolist()
    assert after.history[0].after is Label.EXCLUDE
