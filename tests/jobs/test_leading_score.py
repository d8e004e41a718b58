"""The leading score: chosen on normal and unlabeled images, with its reason; never on test."""

import json
from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish

from amae_engine.catalog import decisions, image_tables, runs, scores, studies
from amae_engine.catalog.decisions import RANDOM, Offer
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.cli import main
from amae_engine.config import (
    ModuleBLearns,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.errors import BadSetting
from amae_engine.jobs.evaluation.leading_score import LeadingScore, leading_score
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
    NORMAL,
    PSEUDO_ABNORMAL,
    PSEUDO_NORMAL,
)
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.stage2_modules import plan_modules
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs
from amae_engine.runs.record import run_facts

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)


def _rate(project: Project, kind: ScoreKind, normal: float, unlabeled: float) -> None:
    """Give a score of stage 1 another separation of N and U."""
    with project.session() as session:
        for split, place in ((Split.NORMAL, normal), (Split.UNLABELED, unlabeled)):
            ids = image_tables.images_in(session, split).ids
            scores.save(session, 1, kind, ids, place + np.linspace(0, 1, len(ids)))


def test_the_score_that_separates_n_and_u_best_leads_and_says_why(whole_path: Project, capsys):
    _rate(whole_path, ScoreKind.UNLABELED_PROBE, 0.0, 0.5)
    _rate(whole_path, ScoreKind.MAHALANOBIS, 0.0, 5.0)
    found = leading_score(whole_path, 3)
    assert found.kind is ScoreKind.MAHALANOBIS
    assert "AUC 1.00" in found.reason
    assert "10 unlabeled images from 20 normal ones" in found.reason
    assert "Normal against unlabeled 0." in found.reason
    assert "No test image was looked at" in found.reason
    _rate(whole_path, ScoreKind.MAHALANOBIS, 0.0, 0.0)
    assert leading_score(whole_path, 3).kind is ScoreKind.UNLABELED_PROBE
    assert main(["evaluate", "--project", str(whole_path.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["leading"] == "unlabeled_probe"
    assert told["leading_because"].startswith("it tells 10 unlabeled images")
    assert "discrepancy" in told["scores"]  # the paper's stand beside it


_CANDIDATES = (ScoreKind.MAHALANOBIS, ScoreKind.UNLABELED_PROBE, ScoreKind.STAGE1_PROBABILITY)


def _sampled(project: Project, offer: Offer) -> LeadingScore:
    """What leads after readers called ten images that the probe alone tells apart."""
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids
        normal = image_tables.images_in(session, Split.NORMAL).ids
        called, noise = np.repeat((0.0, 1.0), 5), np.array([1.0, 1, 0, 1, 1, 0, 0, 0, 0, 0])
        for kind in _CANDIDATES:
            values = called if kind is ScoreKind.UNLABELED_PROBE else noise
            scores.save(session, 1, kind, ids, values + np.linspace(0, 0.1, 10))
            # the density alone tells all of U from N, and leads without readers
            place = -9.0 if kind is ScoreKind.MAHALANOBIS else 0.0
            scores.save(session, 1, kind, normal, place + np.linspace(0, 1.1, len(normal)))
        decisions.decide(session, ids[:5].tolist(), Label.NORMAL, "BB", offer=offer)
        decisions.decide(session, ids[5:].tolist(), Label.ABNORMAL, "BB", offer=offer)
    return leading_score(project, 3, fewest=5)


def test_readers_decisions_on_a_fair_sample_choose_where_a_paired_test_says_so(whole_path: Project):
    found = _sampled(whole_path, Offer(RANDOM))
    assert found.kind is ScoreKind.UNLABELED_PROBE
    assert found.reason.startswith(
        "on 5 abnormal and 5 normal unlabeled images by readers' decisions in random order it is "
        "better than"
    )
    assert "paired p = " in found.reason
    assert "No test image was looked at" in found.reason
    assert leading_score(whole_path, 3).kind is ScoreKind.MAHALANOBIS  # ten of each are needed


@pytest.mark.parametrize("offer", [Offer("nearest a cut first"), Offer(RANDOM, truth_shown=True)])
def test_decisions_that_are_no_fair_sample_change_nothing(whole_path: Project, offer: Offer):
    found = _sampled(whole_path, offer)
    assert found.kind is ScoreKind.MAHALANOBIS
    assert "readers" not in found.reason


def test_random_decisions_change_no_headline(whole_path: Project):
    """What a reader presses at random is no ground for another score, however often they do."""
    before = leading_score(whole_path, 3, fewest=3)
    draw, led = np.random.default_rng(0), []
    for _ in range(25):
        with whole_path.session() as session:
            ids = image_tables.images_in(session, Split.UNLABELED).ids
            labels = [Label.NORMAL if x else Label.ABNORMAL for x in draw.permutation(10) < 5]
            decisions.decide(session, ids.tolist(), labels, "BB", offer=Offer(RANDOM))
        led.append(leading_score(whole_path, 3, fewest=3).kind)
    assert sum(kind is not before.kind for kind in led) <= 3  # 5 % of the time, by chance


def test_truth_of_test_images_does_not_move_the_choice(whole_path: Project):
    before = leading_score(whole_path, 3)
    with whole_path.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.set_truth(session, ids, None, "BB")
    assert leading_score(whole_path, 3) == before


def test_without_unlabeled_images_the_density_is_leading(project: Project, tiny_weights: Path):
    finish(import_images(project, demo_files(20, 4, 6), "demo"))
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids, Label.ABNORMAL, "BB")
    finish(train_stage2(project, Stage2Config(training=SHORT)))
    finish(score_images(project, ScoreConfig()))
    found = leading_score(project, 3)
    assert found.kind is ScoreKind.MAHALANOBIS
    assert "too few unlabeled images" in found.reason


def _seen(normal: int, pseudo: int, abnormal: int) -> RunInputs:
    ids = np.arange(normal + pseudo + abnormal)
    parts = np.split(ids, (normal, normal + pseudo))
    names = (NORMAL, PSEUDO_NORMAL, PSEUDO_ABNORMAL)
    return RunInputs({n: InputImages(p, p, p, n) for n, p in zip(names, parts, strict=True)})


def test_where_unlabeled_images_are_like_normal_ones_the_density_is_leading(whole_path: Project):
    for kind in (ScoreKind.UNLABELED_PROBE, ScoreKind.MAHALANOBIS, ScoreKind.STAGE1_PROBABILITY):
        _rate(whole_path, kind, 0.0, 0.0)
    found = leading_score(whole_path, 3)
    assert found.kind is ScoreKind.MAHALANOBIS
    assert "no score tells the 10 unlabeled images from the 20 normal ones" in found.reason
    assert "may all be normal" in found.reason


def test_few_normal_images_are_reported(whole_path: Project):
    notes = run_facts(whole_path, 1)["notes"]
    assert any("20 normal images are few" in note for note in notes)


def test_module_b_can_learn_the_normal_too(whole_path: Project):
    seen = _seen(60, 30, 10)
    paper = plan_modules(Stage2Config(), seen)
    assert paper["A"][0].ids.tolist() == list(range(90))
    assert paper["B"][0].ids.tolist() == list(range(90, 100))
    assert paper["A"][1] == paper["B"][1] == 150
    both = Stage2Config(module_b_learns="with_normals")
    assert len(plan_modules(both, seen)["B"][0].ids) == 100
    half, epochs = plan_modules(both.replace(abnormal_share=0.5), seen)["B"]
    assert (half.ids >= 90).mean() == pytest.approx(0.5)
    assert epochs == 75  # its epochs are twice as long: as many steps as module A
    with pytest.raises(BadSetting, match=r"abnormal_share must lie in \[0, 1\)"):
        Stage2Config(abnormal_share=1.0)
    config = Stage2Config(training=SHORT, module_b_learns=ModuleBLearns.WITH_NORMALS)
    run, _ = finish(train_stage2(whole_path, config))
    with whole_path.session() as session:
        assert runs.newest(session, RunKind.STAGE2).id == run
    assert "both modules know the normal" in run_facts(whole_path, run)["notes"][0]
