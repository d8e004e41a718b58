"""A peer's training as tasks of the one loop: phases of epochs, one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from amae_engine.config import Compile, Precision, TrainingConfig
from amae_engine.events import Event
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.training_loop import Rate, Task, Update, train
from amae_engine.peers.contract import Peer, seeds

Draw = Callable[[int, torch.Generator], tuple[Tensor, ...]]


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
        network: What it trains.
        images: What it learns from; an objective gets batches (B, S, S) uint8 of them first.
        updates: What is done with each batch.
        rate: The share of each learning rate at a finished share of the phase, 0…1.
        draw: The objectives' last arguments.
        also: Batches of something else of the same rows, the objectives' second argument.
        prepare: Called before each epoch with its number.
    """

    name: str
    network: nn.Module
    images: StoredImages
    updates: tuple[Update, ...]
    rate: Rate = constant
    draw: Draw = seeds
    also: Callable[[Sequence[Tensor]], Iterator[Tensor]] | None = None
    prepare: Callable[[int], None] | None = None

    def inputs(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """What the objectives get of each batch of rows (B,), before the draws."""
        if self.also is None:
            return ((batch,) for batch in self.images.batches(rows))
        return zip(self.images.batches(rows), self.also(rows), strict=True)


def fit_phases(
    peer: Peer,
    phases: Sequence[Phase],
    run_id: int,
    checkpoint: Path,
    precision: Precision | None = None,
) -> Generator[Event, None, None]:
    """Run the phases one after another, each from its own checkpoint where there is one.

    Args:
        peer: Whose they are.
        phases: In their order.
        run_id: Put into the events.
        checkpoint: Each phase adds its number to the name.
        precision: In place of the settings'.

    Raises:
        TrainingFailed: A loss is not a number or memory ran out; the last whole epoch is kept.
    """
    config = peer.config
    training = TrainingConfig(
        epochs=config.epochs,
        warmup_epochs=0,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=config.seed,
        precision=precision or config.precision,
        compile=Compile.OFF,
    )
    for number, each in enumerate(phases):
        own = checkpoint.with_stem(f"{checkpoint.stem}_{number}")
        yield from train(_task(peer, each, number), training, run_id, own)


def _task(peer: Peer, each: Phase, number: int) -> Task:
    label, epochs = peer.config.method.facts.label, peer.config.epochs

    def prepared(epoch: int) -> Iterator[tuple[int, int]]:
        if each.prepare is not None:
            each.prepare(epoch)
        return iter(())

    return Task(
        f"{label} · {each.name}" if each.name else label,
        each.name,
        each.network,
        len(each.images),
        inputs=each.inputs,
        draw=each.draw,
        updates=each.updates,
        at_once=None,  # BatchNorm, or a loss over pairs of images
        rate=lambda done: each.rate(done / epochs),
        stream=(number,),
        prepare=prepared,
    )
