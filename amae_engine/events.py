"""What a job says while it runs. Every event is frozen and can cross a process boundary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, StrEnum, auto

import numpy as np


class Level(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"


class Changed(Flag):
    """Which kinds of rows an act changed; a page refreshes if it shows one of them."""

    NONE = 0
    IMAGES = auto()
    DECISIONS = auto()
    RUNS = auto()
    SCORES = auto()
    SETTINGS = auto()
    REGIONS = auto()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is; at most ten a second.

    Attributes:
        step: What runs, for the reader: "Stage 2 · module A".
        done: Units finished (images or steps).
        total: Units in all, 0 when unknown.
        seconds_each: Of one unit, by the units so far; None when unknown.
        seconds_left: An estimate for the whole job, or None when there is none yet.
    """

    step: str
    done: int
    total: int
    seconds_each: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """One epoch is finished, and its checkpoint is on disk.

    Attributes:
        run_id: The run that the epoch belongs to.
        module: "A" or "B" in stage 2, else "".
        epoch: 1 for the first.
        validation_loss: None where the step has no validation images.
    """

    run_id: int
    step: str
    module: str
    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float | None
    learning_rate: float
    images_per_second: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a module makes of one image now.

    Attributes:
        epoch: Epochs that it was trained for; 0: the starting weights.
        image: (H, W) float32 in [0, 1].
        masked: The same with removed patches at NaN.
        reconstruction: (H, W) float32 in [0, 1]; visible patches copied from `image`.
    """

    step: str
    module: str
    image: np.ndarray
    masked: np.ndarray
    reconstruction: np.ndarray
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has its row and its folder; what follows belongs to it."""

    run_id: int
    step: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the reader; the job goes on."""

    message: str
    level: Level = Level.INFO


@dataclass(frozen=True, slots=True)
class Changes:
    """The catalog now differs in these kinds of rows."""

    changed: Changed


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing new yet: whoever drives the job may close it now."""


@dataclass(frozen=True, slots=True)
class JobBegan:
    """The queue's worker begins with a job; what follows is of it, until `JobEnded`."""

    job: int
    title: str


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job of the queue has ended, or is left for later.

    Attributes:
        result: What it returned.
        message: "" where it is done, "cancelled", "paused", or why it failed.
    """

    job: int
    title: str
    result: object
    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A job's last event when it crosses a process: what the generator returned."""

    result: object


Event = (
    Progress
    | EpochEnd
    | Preview
    | RunStarted
    | Notice
    | Changes
    | Alive
    | JobBegan
    | JobEnded
    | Finished
)


def pace(event: Progress, before: str = "") -> str:
    """How quick a step is, behind `before`: "12 images/s" or "3.4 s an image"; "" when unknown."""
    each = event.seconds_each
    if not each:
        return ""
    return f"{before}{1 / each:.0f} images/s" if each < 1 else f"{before}{each:.1f} s an image"


def clock(seconds: float) -> str:
    """Seconds as the reader sees them: "02:03" or "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
