"""Throttled progress of a training step, with seconds an image and an honest time left."""

from __future__ import annotations

import time
from collections.abc import Iterator

from amae_engine.events import EpochEnd, Event, Progress

_SECONDS_BETWEEN_EVENTS = 0.1
_SECONDS_BETWEEN_PREVIEWS = 2.0


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
