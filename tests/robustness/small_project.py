"""A project of a few demo images and a tiny network: everything is quick, nothing is faked."""

from __future__ import annotations

from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from amae_engine.catalog import decisions, image_tables
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import ModelConfig, ScoreConfig, Stage1Config, Stage2Config, TrainingConfig
from amae_engine.drive import drive
from amae_engine.images.csv_table import CsvColumns, from_csv
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.child_process import run_in_child
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project
from amae_engine.resources import required_resource

COUNTS = {"normal": 20, "unlabeled": 12, "test": 8}
TINY = ModelConfig(
    image_size=64,
    encoder_width=48,
    encoder_depth=2,
    encoder_heads=3,
    decoder_width=32,
    decoder_depth=1,
    decoder_heads=2,
)
_SHORT = TrainingConfig(epochs=6, warmup_epochs=1, batch_size=8)


def some_files() -> list[SourceFile]:
    """Demo images of each role, of the test role both truths."""
    every = from_csv(required_resource("demo/manifest.csv"), CsvColumns())
    chosen: list[SourceFile] = []
    for role, count in COUNTS.items():
        images = [file for file in every if file.role == role]
        step = max(1, len(images) // count)  # spread, so that both truths are among them
        chosen += images[::step][:count]
    return chosen


def write_tiny_weights(path: Path) -> None:
    """Random weights of a tiny network."""
    import torch

    from amae_engine.models.checkpoint import save_weights
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

    torch.manual_seed(0)
    save_weights(MaskedAutoencoder(TINY), path, {})


def settings_of(step: str, weights: Path) -> dict[str, Any]:
    """Settings of a training step on the tiny network."""
    if step == "stage1":
        return Stage1Config(weights=str(weights), training=_SHORT).to_dict()
    if step == "stage2":
        # few images: all get a pseudo-label
        labels = Stage2Config().pseudo_labels.replace(keep_percent=100).to_dict()
        return Stage2Config().replace(training=_SHORT.to_dict(), pseudo_labels=labels).to_dict()
    return ScoreConfig(batch_size=2).to_dict()


def decide_half(folder: Path, reader: str) -> None:
    """A reader finds half of the unlabeled images abnormal, so that module B has some."""
    with closing(Project.open(folder)) as project, project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        labels = [Label.ABNORMAL if number % 2 else Label.NORMAL for number in range(len(ids))]
        decisions.decide(session, ids, labels, reader)


def make_scored_project(place: Path, reader: str, catalog_url: str = "") -> Path:
    """A project with both stages and scores, each step in a process of its own; its folder.

    Args:
        place: A folder for it and its weights.
        reader: Who decides half of the unlabeled images.
        catalog_url: Where its catalog is; "" for a file in the folder.
    """
    place.mkdir(exist_ok=True)
    folder, weights = place / "project", place / "tiny.safetensors"
    with closing(Project.create(folder, "Self-test", catalog_url)) as project:
        drive(import_images(project, some_files(), "demo", "demo"))
    maker = get_context("spawn").Process(target=write_tiny_weights, args=(weights,))
    maker.start()
    maker.join()
    for step in ("stage1", "stage2", "score"):
        if step == "stage2":
            decide_half(folder, reader)
        drive(run_in_child(folder, step, settings_of(step, weights)))
    return folder
