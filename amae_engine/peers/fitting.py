"""The training loop that peers share: phases of epochs, checkpoints, events.

Every epoch draws from a generator seeded by (seed, phase, epoch) alone: a run that was killed and
resumed from its last whole epoch ends as it would have ended.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from amae_engine.errors import TrainingFailed
from amae_engine.events import EpochEnd, Event, Progress
from amae_engine.method.compute_device import random_generator
from amae_engine.method.memory import ran_out
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.training_loop import shuffled_batches
from amae_engine.peers.contract import Peer

_SECONDS_BETWEEN_EVENTS = 0.1


def constant(_done: float) -> float:
    """The learning rate stays."""
    return 1.0


def cosine(done: float) -> float:
    """Half a cosine from 1 to 0; `done` is the finished share of the phase."""
    return 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a peer's training: `config.epochs` epochs over some images.

    Attributes:
        name: For the reader; "" where there is only one phase.
        stored: What it learns from.
        step: Learns from images (B, S, S) uint8, their rows (B,) and a generator; returns the loss.
        optimizers: Kept in the checkpoint; their learning rates follow `rate`.
        rate: The share of each learning rate at a finished share of the phase, 0…1.
        prepare: Called before each epoch with its number, in training mode.
    """

    name: str
    stored: StoredImages
    step: Callable[[Tensor, Tensor, torch.Generator], Tensor]
    optimizers: tuple[torch.optim.Optimizer, ...]
    rate: Callable[[float], float] = constant
    prepare: Callable[[int], None] | None = None


def fit_phases(
    peer: Peer, phases: Sequence[Phase], run_id: int, checkpoint: Path
) -> Generator[Event, None, None]:
    """Run the phases one after the other, from the checkpoint where there is one.

    Raises:
        TrainingFailed: A loss is not a number or memory ran out; the last whole epoch is kept.
    """
    done_phases, done_epochs = _restore(checkpoint, peer, phases)
    epochs = peer.config.epochs
    for number, phase in enumerate(phases):
        if number < done_phases:
            continue
        first = done_epochs if number == done_phases else 0
        clock = _Clock(peer, phase, first)
        for epoch in range(first, epochs):
            peer.train()
            if phase.prepare is not None:
                phase.prepare(epoch)
            loss = yield from _epoch(peer, phase, number, epoch, clock)
            _save(checkpoint, peer, phase, number, epoch + 1)
            yield clock.epoch_end(run_id, epoch, loss)


def _epoch(
    peer: Peer, phase: Phase, number: int, epoch: int, clock: _Clock
) -> Generator[Event, None, float]:
    """One epoch; returns its mean loss."""
    config = peer.config
    random = random_generator(phase.stored.device, config.seed, number, epoch)
    batches = shuffled_batches(len(phase.stored), config.batch_size, random)
    losses: list[Tensor] = []
    for stored, rows in zip(phase.stored.batches(batches), batches, strict=True):
        share = phase.rate((epoch + len(losses) / len(batches)) / config.epochs)
        for optimizer in phase.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * share
        try:
            losses.append(phase.step(stored, rows, random))
        except RuntimeError as error:
            if not ran_out(error):
                raise
            raise TrainingFailed(
                f"{clock.step_name}: memory ran out with {len(stored)} images at once; lower "
                f"batch_size ({config.batch_size}) or image_size ({config.image_size})."
            ) from error
        if clock.is_due():
            _require_numbers(losses, clock.step_name, epoch, len(batches))
            yield clock.progress(epoch + len(losses) / len(batches))
    _require_numbers(losses, clock.step_name, epoch, len(batches))
    sizes = torch.tensor([len(rows) for rows in batches], dtype=torch.float32)
    return float((torch.stack(losses).float().cpu() * sizes).sum() / sizes.sum())


def _require_numbers(losses: list[Tensor], step: str, epoch: int, batches: int) -> None:
    wrong = (~torch.stack(losses).isfinite()).nonzero()
    if len(wrong):
        raise TrainingFailed(
            f"{step}: the loss is not a number in epoch {epoch + 1}, batch {int(wrong[0]) + 1} of "
            f"{batches}. The last good epoch ({epoch}) is kept; lower learning_rate and start a "
            f"new run."
        )


class _Clock:
    """Throttled progress with a rate and the time left in a phase."""

    def __init__(self, peer: Peer, phase: Phase, first: int) -> None:
        self._peer, self._phase, self._first = peer, phase, first
        name = f" · {phase.name}" if phase.name else ""
        self.step_name = f"{peer.config.method.facts.label}{name}"
        self._began = time.monotonic()
        self._last = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_EVENTS:
            return False
        self._last = now
        return True

    def progress(self, epochs: float) -> Progress:
        count = len(self._phase.stored)
        total = count * self._peer.config.epochs
        return Progress(self.step_name, round(epochs * count), total, *self._pace(epochs))

    def epoch_end(self, run_id: int, epoch: int, loss: float) -> EpochEnd:
        rate, left = self._pace(epoch + 1)
        groups = self._phase.optimizers[0].param_groups
        return EpochEnd(
            run_id=run_id,
            step=self.step_name,
            module=self._phase.name,
            epoch=epoch + 1,
            epochs=self._peer.config.epochs,
            train_loss=loss,
            validation_loss=None,
            learning_rate=groups[0]["lr"],
            images_per_second=rate,
            seconds_left=left,
        )

    def _pace(self, epochs: float) -> tuple[float, float]:
        fresh = max(epochs - self._first, 1e-9)
        spent = max(time.monotonic() - self._began, 1e-6)
        left = spent / fresh * (self._peer.config.epochs - epochs)
        return fresh * len(self._phase.stored) / spent, left


def _save(path: Path, peer: Peer, phase: Phase, number: int, epoch: int) -> None:
    beside = path.with_suffix(".part")
    content = {
        "network": peer.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in phase.optimizers],
        "phase": number,
        "epoch": epoch,
    }
    with beside.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _restore(path: Path, peer: Peer, phases: Sequence[Phase]) -> tuple[int, int]:
    """Load the last whole epoch; returns the phase it belongs to and its epochs done."""
    for phase in phases:
        for optimizer in phase.optimizers:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
    if not path.is_file():
        return 0, 0
    device = next(peer.parameters()).device
    content = torch.load(path, map_location=device, weights_only=True)
    peer.load_state_dict(content["network"])
    number = int(content["phase"])
    for optimizer, state in zip(phases[number].optimizers, content["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    return number, int(content["epoch"])
