"""A second round: U ranked anew by probe and stage 2, trained on where validation images say so."""

from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish

from amae_engine.catalog import decisions, image_tables, scores, validation_images
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.config import (
    PseudoLabelConfig,
    PseudoLabelSource,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.errors import BadSetting, NotReady
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.pseudo_labels import rounds
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import current_pseudo_labels
from amae_engine.jobs.pseudo_labels.rounds import Verdict, judge_scores, more_rounds
from amae_engine.jobs.pseudo_labels.source_quality import source_qualities
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.runs.inputs import read_inputs
from amae_engine.runs.record import newest_finished

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
BY_PROBE = PseudoLabelConfig(source=PseudoLabelSource.UNLABELED)
BY_ROUNDS = PseudoLabelConfig(source=PseudoLabelSource.ROUNDS)


@pytest.fixture
def trained(project: Project, tiny_weights: Path) -> Project:
    """Both stages on 40 + 30 + 50 real images."""
    finish(import_images(project, demo_files(40, 30, 50), "demo"))
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    finish(train_stage2(project, Stage2Config(training=SHORT, pseudo_labels=BY_PROBE)))
    return project


def _rate(project: Project) -> int:
    config = ScoreConfig(splits=("test", "unlabeled"), rerank=True)
    run, _ = finish(scores_of(project, config))
    return run


def scores_of(project: Project, config: ScoreConfig):
    from amae_engine.jobs.scoring.score_images import score_images

    return score_images(project, config)


def test_the_new_order_is_the_mean_of_both_ranks_and_keeps_the_probes_ratings(trained: Project):
    run = _rate(trained)
    with trained.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids
        ranked, ratio = (
            scores.of_images(session, run, kind, ids)
            for kind in (ScoreKind.RERANKED, ScoreKind.LIKELIHOOD_RATIO)
        )
    view = current_pseudo_labels(trained, BY_ROUNDS)
    assert view.log_odds == pytest.approx(ranked)
    # an image that is lower by both is lower in the end; the ratings spread as the probe's do
    lowest, highest = ranked.argmin(), ranked.argmax()
    assert ratio[lowest] < ratio[highest]
    assert len(np.unique(ranked)) > 15


def test_without_a_ranking_the_source_says_how_to_get_one(trained: Project):
    with pytest.raises(NotReady, match="start a second round"):
        current_pseudo_labels(trained, BY_ROUNDS)


def test_readers_decisions_fit_the_probe_again(trained: Project):
    first = _rate(trained)
    view = current_pseudo_labels(trained, BY_PROBE)
    normal = view.image_ids[np.argsort(view.log_odds)[-12:]].tolist()  # it thought them abnormal
    with trained.session() as session:
        decisions.decide(session, normal, [Label.NORMAL] * len(normal), "AB")
    second = _rate(trained)
    with trained.session() as session:
        before, after = (
            scores.of_images(session, run, ScoreKind.RERANKED, view.image_ids)
            for run in (first, second)
        )
    assert not np.allclose(before, after)
    assert len(read_inputs(trained.run_folder(second)).decisions) == 12


def test_no_round_follows_without_validation_images(trained: Project):
    found, events = finish(more_rounds(trained, 2))
    assert len(found.stage2_runs) == 1
    assert "there are 0 normal and 0 abnormal validation images" in found.verdicts[0]
    assert any("No further round" in getattr(event, "message", "") for event in events)


def _set_apart(project: Project) -> None:
    with project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        validation_images.set_validation(session, table.ids[:40].tolist(), True, "AB")


def test_a_round_follows_where_validation_images_want_it(trained: Project, monkeypatch):
    _set_apart(trained)
    real = rounds.judge_scores(
        trained, _rate(trained), ScoreKind.RERANKED, _rate(trained), ScoreKind.GREY_STATISTICS
    )
    assert "validation images" in real.why
    monkeypatch.setattr(rounds, "judge_scores", lambda *_: Verdict(True, "better."))
    found, _ = finish(more_rounds(trained, 1))
    assert len(found.stage2_runs) == 2
    assert found.best == found.stage2_runs[1]
    newest = newest_finished(trained, RunKind.STAGE2, 0, "")
    assert newest.config["pseudo_labels"]["source"] == "rounds"


def test_a_worse_ranking_ends_it(trained: Project):
    _set_apart(trained)
    run = _rate(trained)
    with trained.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        table = table.chosen(table.is_validation & (table.truth >= 0))
        random = np.random.default_rng(0).random(len(table.ids))
        scores.save(session, run, ScoreKind.PEER, table.ids, table.truth + 0.1 * random)
        scores.save(session, run, ScoreKind.PEER_INTRA, table.ids, random)
    assert judge_scores(trained, run, ScoreKind.PEER, run, ScoreKind.PEER_INTRA).is_better
    worse = judge_scores(trained, run, ScoreKind.PEER_INTRA, run, ScoreKind.PEER)
    assert not worse.is_better
    assert "paired p = 0.00" in worse.why


def test_rounds_must_be_one_or_more(trained: Project):
    with pytest.raises(BadSetting, match="rounds must be at least 1"):
        finish(more_rounds(trained, 0))


def test_sources_are_judged_on_what_readers_checked(trained: Project):
    _rate(trained)
    found = {each.source: each for each in source_qualities(trained, BY_PROBE)}
    assert "readers have checked no image" in found[PseudoLabelSource.UNLABELED].missing
    view = current_pseudo_labels(trained, BY_PROBE)
    order = np.argsort(view.log_odds)
    called = [(order[:6], Label.NORMAL), (order[-6:], Label.ABNORMAL)]
    with trained.session() as session:
        for places, label in called:
            ids = view.image_ids[places].tolist()
            decisions.decide(session, ids, [label] * len(ids), "AB")
    found = {each.source: each for each in source_qualities(trained, BY_PROBE)}
    probe = found[PseudoLabelSource.UNLABELED]
    assert (probe.images, probe.auc.value, probe.found) == (12, 1.0, 0.5)
    assert (probe.normal.value, probe.abnormal.value) == (1.0, 1.0)
    said = view.probability[np.concatenate((order[:6], order[-6:]))]
    assert probe.brier == pytest.approx(((said - np.repeat((0, 1), 6)) ** 2).mean())
    assert not probe.fair
    assert set(found) == set(PseudoLabelSource)
