"""What the next run needs in memory and on disk, counted before it is started; loads no torch."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from amae_engine.catalog import studies
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import Split
from amae_engine.config import (
    JsonConfig,
    ModelConfig,
    Reconstructs,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    require_preset,
)
from amae_engine.events import clock
from amae_engine.jobs.planning.estimates import estimate
from amae_engine.jobs.training.starting_weights import encoder_path, weights_path
from amae_engine.project import Project
from amae_engine.runs.map_files import sample_bytes
from amae_engine.runs.run_files import read_header

# Measured on 1,999 images: at most 1.76 GB and 1.18 GB resident in stage 1 with the presets
# foundation and compact, 1.07 GB in stage 2, 1.17 GB while scoring
_PROGRAM_BYTES = 1_000_000_000  # PyTorch, timm and scikit-learn
_AT_WORK = 5  # times the widest tensor of a batch of 64 that goes through an encoder
VIEWS = {Split.NORMAL: 4, Split.UNLABELED: 4, Split.TEST: 2}  # whole, mirrored, two random ones
_STATE_BYTES = 12  # of a parameter in a checkpoint: its weight and AdamW's two moments
_TOKEN_PARAMETERS, _TOKEN_NUMBERS, _TOKEN_SIDE = 830_000, 64, 8  # of `token_network`
_PIXEL_MAPS, _TOKEN_MAPS = 6, 4  # of a scored image, float16
_SAMPLED_MAPS = 4  # all but the means
_HEADROOM = 1 << 28  # bytes that stay free on the disk


@dataclass(frozen=True, slots=True)
class ResourceEstimate:
    """What a step needs and what is free, in bytes.

    Attributes:
        step: For the reader.
        seconds: That finished runs like it took; None where there is none.
    """

    step: str
    memory: int
    free_memory: int
    disk: int
    free_disk: int
    seconds: float | None

    @property
    def are_met(self) -> bool:
        """Whether there is enough of both."""
        return self.memory <= self.free_memory and self.disk + _HEADROOM <= self.free_disk

    @property
    def text(self) -> str:
        """A sentence for the reader."""
        took = "" if self.seconds is None else f"; a run like it took {clock(self.seconds)}"
        return (
            f"{self.step} needs about {_size(self.memory)} of memory ({_size(self.free_memory)} "
            f"free) and {_size(self.disk)} of disk ({_size(self.free_disk)} free){took}"
        )


def estimate_stage1_resources(project: Project, config: Stage1Config) -> ResourceEstimate:
    """Of stage 1: images, features and tokens.

    Raises:
        BadWeights: Its weights or its encoder are missing.
    """
    images, encoder = _counts(project), _encoder(project, config)
    start = _Network.of(weights_path(project, config.weights))
    one_split = max(images.values()) * project.pixels.side**2
    features = 4 * encoder.features * sum(n * VIEWS[split] for split, n in images.items())
    tokens = 2 * encoder.grid**2 * encoder.width * sum(images.values())
    stored = 4 * encoder.features * sum(images.values())
    weights = 4 * (encoder.parameters + start.parameters)
    batch = _AT_WORK * 4 * 64 * encoder.grid**2 * 4 * encoder.width
    memory = weights + one_split + features + batch
    return _needs(project, "stage1", config, memory, tokens + stored + 4 * start.parameters)


def estimate_stage2_resources(
    project: Project, config: Stage2Config, stage1: Stage1Config
) -> ResourceEstimate:
    """Of stage 2: its images and both modules' training.

    Raises:
        BadWeights: Stage 1's weights are missing.
    """
    images = _counts(project)
    kept = config.pseudo_labels.most_kept_percent / 100
    trained = images[Split.NORMAL] + round(kept * images[Split.UNLABELED])
    if config.reconstructs is Reconstructs.TOKENS:
        grid = _encoder(project, stage1).grid
        one, parameters = 2 * _TOKEN_NUMBERS * grid**2, _TOKEN_PARAMETERS
    else:
        start = _Network.of(weights_path(project, stage1.weights))
        one, parameters = project.pixels.side**2, start.parameters
    memory = 2 * trained * one + 16 * parameters  # B may see each image twice
    return _needs(project, "stage2", config, memory, (2 * 4 + _STATE_BYTES) * parameters)


def estimate_scoring_resources(
    project: Project, config: ScoreConfig, stage1: Stage1Config, stage2: Stage2Config
) -> ResourceEstimate:
    """Of scoring: its images, their maps where they are kept, and until its end samples of these.

    Raises:
        BadWeights: Stage 1's weights are missing.
    """
    images, encoder = _counts(project), _encoder(project, stage1)
    scored = sum(images[Split(split)] for split in config.splits)
    over_tokens = config.without_stage2 or stage2.reconstructs is Reconstructs.TOKENS
    side = encoder.grid * _TOKEN_SIDE if over_tokens else encoder.image_size
    of_modules = _TOKEN_MAPS if over_tokens else _PIXEL_MAPS
    maps = 2 * side**2 * (1 if config.without_stage2 else of_modules)
    memory = 4 * encoder.parameters + scored * project.pixels.side**2
    samples = _SAMPLED_MAPS * sample_bytes(scored * side**2)
    return _needs(project, "score", config, memory, config.keep_maps * scored * maps + samples)


def _needs(
    project: Project, job: str, config: JsonConfig, memory: int, disk: int
) -> ResourceEstimate:
    step = {"stage1": "Stage 1", "stage2": "Stage 2", "score": "Scoring"}[job]
    known = estimate(project, [NewJob(step, job, config.to_dict())])
    return ResourceEstimate(
        step,
        _PROGRAM_BYTES + memory,
        int(psutil.virtual_memory().available),
        disk,
        shutil.disk_usage(project.folder).free,
        None if known.unknown else known.seconds,
    )


def _counts(project: Project) -> Mapping[Split, int]:
    with project.session() as session:
        return {split: count.images for split, count in studies.split_counts(session).items()}


@dataclass(frozen=True, slots=True)
class _Network:
    """An encoder by its weights file: patches on a side, numbers of a kept token and a feature."""

    image_size: int
    grid: int
    width: int
    features: int
    parameters: int

    @classmethod
    def of(cls, path: Path) -> _Network:
        """Of a file of ours; a published checkpoint is taken for the paper's network."""
        if path.suffix != ".safetensors":
            model = require_preset("paper")
            return cls._of_model(model, path.stat().st_size // 4)
        with path.open("rb") as file:
            header = read_header(file)
        facts = header.pop("__metadata__", {})
        parameters = sum(math.prod(each["shape"]) for each in header.values())
        if "numbers" in facts:  # a convolutional network of timm's
            size, numbers = int(facts["image_size"]), int(facts["numbers"])
            return cls(size, size // 16, numbers, numbers, parameters)
        if "image_size" in facts:  # one of timm's: three of its blocks make a feature
            width, _, patch, _ = next(
                each["shape"] for name, each in header.items() if name.endswith("embed.proj.weight")
            )
            size = int(facts["image_size"])
            return cls(size, size // patch, width, 3 * width, parameters)
        model = (
            ModelConfig.from_dict(json.loads(facts["model"]))
            if "model" in facts
            else require_preset("paper")
        )
        return cls._of_model(model, parameters)

    @classmethod
    def _of_model(cls, model: ModelConfig, parameters: int) -> _Network:
        width, grid = model.encoder_width, model.image_size // model.patch_size
        return cls(model.image_size, grid, width, width, parameters)


def _encoder(project: Project, config: Stage1Config) -> _Network:
    path = encoder_path(project, config.encoder)
    return _Network.of(path or weights_path(project, config.weights))


def _size(count: int) -> str:
    return f"{max(count / 1e6, 1):.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
