"""How quick work is, and how long it will take: of a training step, and of a preparation."""

from __future__ import annotations

import time
from collections.abc import Iterator

from amae_engine.events import EpochEnd, Event, Progress

_SECONDS_BETWEEN_EVENTS = 0.1
_SECONDS_BETWEEN_PREVIEWS = 2.0
_TRIAL_SECONDS = 2.0


class TrainingClock:
    """Times one training step.

    Args:
        step: For the reader.
        module: "A", "B" or "".
        count: Images of an epoch.
        epochs: In all.
        first: Epochs that were done before.
    """

    def __init__(self, step: str, module: str, count: int, epochs: int, first: int) -> None:
        self._step, self._module = step, module
        self._count, self._epochs, self._first = count, epochs, first
        self._began = time.monotonic()
        self._last_event = self._last_preview = 0.0
        self._images = 0

    def step(self, epoch: int, step: int, steps: int, images: int) -> Iterator[Event]:
        """A batch is done."""
        self._images += images
        yield from self._throttled(epoch, (step + 1) / steps)

    def preparing(self, epoch: int, done: int, total: int) -> Iterator[Event]:
        """An epoch's preparation is so far."""
        yield from self._throttled(epoch, 0.0 if total == 0 else 0.9 * done / total)

    def epoch_end(
        self, run_id: int, epoch: int, train_loss: float, validation: float | None, rate: float
    ) -> EpochEnd:
        """An epoch is done; `rate` is the learning rate that it ended with."""
        return EpochEnd(
            run_id=run_id,
            step=self._step,
            module=self._module,
            epoch=epoch + 1,
            epochs=self._epochs,
            train_loss=train_loss,
            validation_loss=validation,
            learning_rate=rate,
            images_per_second=self._images / self._seconds(),
            seconds_left=self._seconds_left(epoch + 1),
        )

    def preview_is_due(self, epoch: int) -> bool:
        """Whether a new preview should be shown after this epoch."""
        now = time.monotonic()
        last = epoch + 1 == self._epochs
        if not last and now - self._last_preview < _SECONDS_BETWEEN_PREVIEWS:
            return False
        self._last_preview = now
        return True

    def _throttled(self, epoch: int, part: float) -> Iterator[Event]:
        now = time.monotonic()
        if now - self._last_event < _SECONDS_BETWEEN_EVENTS:
            return
        self._last_event = now
        done = round((epoch + min(part, 1.0)) * self._count)
        left = self._seconds_left(epoch + part)
        each = self._seconds() / self._images if self._images else None
        yield Progress(self._step, done, self._count * self._epochs, each, left)

    def _seconds(self) -> float:
        return max(time.monotonic() - self._began, 1e-6)

    def _seconds_left(self, epochs_done: float) -> float | None:
        fresh = epochs_done - self._first
        if fresh <= 0.02:
            return None
        return self._seconds() / fresh * (self._epochs - epochs_done)


class EtaEstimator:
    """Times work that is counted in units, and says what is left of it and of what follows.

    Args:
        total: Units in all.
        following_units: Units of the same kind that a later step has.
        following_seconds: What follows next to those.
    """

    def __init__(
        self, total: float, following_units: float = 0.0, following_seconds: float = 0.0
    ) -> None:
        self._total, self._following_units = total, following_units
        self._following_seconds = following_seconds
        self._began = time.monotonic()
        self._done = 0.0

    def seconds_left(self, done: float) -> float | None:
        """Of this and what follows, `done` units in; None while the trial lasts."""
        self._done = done
        spent = time.monotonic() - self._began
        if done <= 0 or spent < _TRIAL_SECONDS:
            return None
        rest = self._total - done + self._following_units
        return spent / done * rest + self._following_seconds

    @property
    def following(self) -> float | None:
        """Seconds of what follows, at the pace so far; None where none was measured."""
        spent = time.monotonic() - self._began
        if self._done <= 0:
            return None
        return spent / self._done * self._following_units + self._following_seconds
