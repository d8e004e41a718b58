"""Images that came after training: rated by what the run keeps, to the bit as alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import demo_files, finish

from amae_engine.catalog import image_tables, scores, studies
from amae_engine.catalog.tables import Split
from amae_engine.config import (
    MatchingMethod,
    Reconstructs,
    ScoreConfig,
    ScoreKind,
    ScoreStep,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.events import Level, Notice
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.scoring.stage1_detector import Stage1Detector
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)


def _import_later(project: Project, count: int) -> list[int]:
    """Ids of new test images."""
    with project.session() as session:
        before = set(image_tables.images_in(session, Split.TEST).ids.tolist())
    finish(import_images(project, demo_files(0, 0, 10 + count), "later"))
    with project.session() as session:
        return sorted(set(image_tables.images_in(session, Split.TEST).ids.tolist()) - before)


def _values(project: Project, run: int, ids: list[int]) -> dict[ScoreKind, np.ndarray]:
    with project.session() as session:
        wanted = np.array(ids)
        return {
            kind: scores.of_images(session, run, kind, wanted)
            for kind in scores.kinds(session, run)
        }


def _alone(
    project: Project, image: int, monkeypatch: pytest.MonkeyPatch, config: ScoreConfig
) -> int:
    """A run that scores one image and no other."""
    whole = image_tables.images_in

    def only(session, split):
        table = whole(session, split)
        return table.chosen(table.ids == image)

    with monkeypatch.context() as patched:
        patched.setattr(image_tables, "images_in", only)
        return finish(score_images(project, config))[0]


@pytest.mark.parametrize("kind", ["pixels", "tokens", "without stage 2"])
def test_a_later_image_gets_every_score_to_the_bit_as_alone(
    whole_path: Project, kind: str, monkeypatch: pytest.MonkeyPatch
):
    config = ScoreConfig(without_stage2=kind == "without stage 2")
    if kind == "tokens":
        tokens = Stage2Config(reconstructs=Reconstructs.TOKENS, training=SHORT)
        finish(train_stage2(whole_path, tokens))
    later = _import_later(whole_path, 3)
    assert len(later) == 3
    run, events = finish(score_images(whole_path, config))
    assert not [e for e in events if isinstance(e, Notice) and e.level is Level.WARNING]
    found = _values(whole_path, run, later)
    assert set(ScoreKind.of_step(ScoreStep.STAGE1)) <= set(found)
    assert not any(np.isnan(values).any() for values in found.values())
    for place, image in enumerate(later):
        single = _alone(whole_path, image, monkeypatch, config)
        own = _values(whole_path, single, [image])
        assert own.keys() == found.keys()
        for score, values in own.items():
            assert values[0] == found[score][place], score
        for name, values in load_image_maps(whole_path, run, image).maps.items():
            again = load_image_maps(whole_path, single, image).maps[name]
            np.testing.assert_array_equal(values, again, err_msg=name)
    assert evaluate_run(whole_path, run).leading is not None


def test_images_that_stage_1_rated_keep_their_scores(whole_path: Project):
    with whole_path.session() as session:
        first = image_tables.images_in(session, Split.TEST).ids.tolist()
    before = _values(whole_path, 3, first)
    _import_later(whole_path, 2)
    run, _ = finish(score_images(whole_path, ScoreConfig()))
    for kind, values in _values(whole_path, run, first).items():
        np.testing.assert_array_equal(values, before[kind], err_msg=kind)


def test_what_rates_later_images_agrees_with_what_stage_1_said(whole_path: Project):
    with whole_path.session() as session:
        table = image_tables.images_in(session, Split.TEST)
    detector = Stage1Detector.of_run(whole_path, 1, torch.device("cpu"))
    stored = torch.from_numpy(whole_path.pixels.read(table.store_rows))
    again, _ = detector.rate(stored, None, 4)
    before = _values(whole_path, 1, table.ids.tolist())
    for kind, values in again.items():
        spread = before[kind].std()
        np.testing.assert_allclose(values, before[kind], atol=2e-2 * spread, err_msg=kind)


def test_rated_images_of_a_second_round_take_later_ones_in(whole_path: Project):
    later = _import_later(whole_path, 2)
    config = ScoreConfig(splits=("unlabeled", "test"), rerank=True)
    run, _ = finish(score_images(whole_path, config))
    assert not np.isnan(_values(whole_path, run, later)[ScoreKind.RERANKED]).any()


def test_a_later_image_is_compared_within_the_stratum_of_its_source(
    project: Project, tiny_weights: Path
):
    files = demo_files(36, 36, 12)
    for source, part in (("east", files[0::2]), ("west", files[1::2])):
        finish(import_images(project, part, source))
    config = Stage1Config(
        weights=str(tiny_weights), training=SHORT, shortcuts=MatchingMethod.WITHIN,
        match_by=("source",),
    )  # fmt: skip
    finish(train_stage1(project, config))
    more = demo_files(0, 0, 14)
    finish(import_images(project, more[:-1], "east"))
    finish(import_images(project, more, "north"))
    alone = ScoreConfig(without_stage2=True)
    run, events = finish(score_images(project, alone))
    said = [e.message for e in events if isinstance(e, Notice) and e.level is Level.WARNING]
    assert len(said) == 1
    assert "1 have none (their source is unknown, or was rare)" in said[0]
    with project.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids
        rows = studies.rows(session, ids.tolist())
        values = scores.of_images(session, run, ScoreKind.UNLABELED_PROBE, ids)
    assert not np.isnan(values).any()
    detector = Stage1Detector.of_run(project, 1, torch.device("cpu"))
    assert detector.strata_of(project, ids).tolist() == [
        detector.strata.numbers.get(row.source, -1) for row in rows
    ]
    assert sorted(set(detector.strata_of(project, ids).tolist())) == [-1, 0, 1]
    # what is taken off is that of the stratum
    of_none, _ = detector.rate(
        torch.from_numpy(project.pixels.read(np.array([0]))), np.array([-1]), 1
    )
    of_east, _ = detector.rate(
        torch.from_numpy(project.pixels.read(np.array([0]))), np.array([0]), 1
    )
    off = detector.probe.stratum_offset
    assert of_none[ScoreKind.UNLABELED_PROBE] - of_east[ScoreKind.UNLABELED_PROBE] == pytest.approx(
        off[0] - off[-1], rel=1e-4
    )
