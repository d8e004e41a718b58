"""Normal against unlabeled through the jobs: scores, pseudo-labels, maps; and where it is missing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import TINY, demo_files, finish

from amae_engine.catalog import image_tables, scores
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import (
    Precision,
    PseudoLabelConfig,
    PseudoLabelSource,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.errors import NotReady, ProjectError
from amae_engine.events import Notice
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.planning.defaults import choose_label_settings, label_settings
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import current_pseudo_labels
from amae_engine.jobs.scoring.make_maps import FrozenPart
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps
from amae_engine.runs.record import newest_finished
from amae_engine.runs.token_files import KeptTokens

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
BY_PROBE = PseudoLabelConfig(source=PseudoLabelSource.UNLABELED)


def test_the_probe_labels_and_maps_images(small_project: Project, tiny_weights: Path):
    _, events = finish(
        train_stage1(small_project, Stage1Config(weights=str(tiny_weights), training=SHORT))
    )
    assert any(
        isinstance(e, Notice) and "unlabeled images are unlike the 20 normal" in e.message
        for e in events
    )
    view = current_pseudo_labels(small_project, BY_PROBE)
    with small_project.session() as session:
        values = scores.of_images(session, view.run_id, ScoreKind.UNLABELED_PROBE, view.image_ids)
    assert (np.diff(view.probability[np.argsort(values)]) >= 0).all()
    finish(train_stage2(small_project, Stage2Config(training=SHORT, pseudo_labels=BY_PROBE)))
    finish(score_images(small_project, ScoreConfig()))
    run = newest_finished(small_project, RunKind.SCORE, 0, "").id
    with small_project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        score = scores.of_images(session, run, ScoreKind.UNLABELED_PROBE, table.ids)
    # the score is the mean over the image and its mirror image, the tokens are of the image alone
    kept = KeptTokens(small_project.run_folder(view.run_id))
    frozen = FrozenPart.of_run(small_project, view.run_id, Precision.AUTO, torch.device("cpu"))
    shares = kept.read(kept.places(table.ids)).astype(np.float32) @ frozen.probe.direction
    assert np.corrcoef(shares.mean(axis=1), score)[0, 1] > 0.9
    # and the map in the file is what the probe makes of the image's tokens
    stored = torch.from_numpy(small_project.pixels.read(table.store_rows))
    drawn = frozen.probe.of(frozen.tokens(stored), TINY.image_size).numpy()
    for image_id, expected in zip(table.ids.tolist(), drawn, strict=True):
        found = load_image_maps(small_project, run, image_id).of_score(ScoreKind.UNLABELED_PROBE)
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3 * float(drawn.max()))


def test_too_few_unlabeled_images_are_reported(project: Project, tiny_weights: Path):
    finish(import_images(project, demo_files(20, 4, 4), "demo"))
    config = Stage1Config(weights=str(tiny_weights), training=SHORT)
    _, events = finish(train_stage1(project, config))
    assert any(
        isinstance(e, Notice) and "needs at least 10 unlabeled images; there are 4" in e.message
        for e in events
    )
    with pytest.raises(NotReady, match="has no score 'Normal against unlabeled'.*rated by another"):
        current_pseudo_labels(project, BY_PROBE)
    assert len(current_pseudo_labels(project, PseudoLabelConfig()).labels) == 4


def test_a_project_keeps_its_choice(project: Project):
    chosen = PseudoLabelConfig(source=PseudoLabelSource.DENSITY, keep_percent=30)
    choose_label_settings(project, chosen)
    assert label_settings(Project.open(project.folder)) == chosen
    (project.folder / "pseudo_labels.json").write_text("{half")
    with pytest.raises(ProjectError, match="damaged; delete it"):
        label_settings(project)
