"""One loop for every training step: schedule, precision, checkpoint, resume, events.

Every epoch draws from a generator seeded by (seed, epoch) alone: a run that was killed and
resumed from its last whole epoch ends as it would have ended.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from amae_engine import processes
from amae_engine.atomic_write import atomic_write
from amae_engine.config import TrainingConfig
from amae_engine.errors import TrainingFailed
from amae_engine.events import Event, Level, Notice, Preview
from amae_engine.method.compilation import compiled
from amae_engine.method.compute_device import autocast, random_generator
from amae_engine.method.memory import even_parts, in_parts, ran_out
from amae_engine.pace import TrainingClock

Rate = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Update:
    """One optimizer's part of a step.

    Attributes:
        objective: Maps inputs and draws of b images to their mean loss.
        optimizer: Over all that this loss trains.
        every: Batches from one of its steps to the next.
    """

    objective: Callable[..., Tensor]
    optimizer: torch.optim.Optimizer
    every: int = 1


@dataclass(frozen=True, slots=True)
class Task:
    """What one training step optimises.

    Attributes:
        step: For the reader: "Stage 2 · module A".
        module: "A", "B" or "".
        network: Everything that is trained and kept in the checkpoint.
        count: Training images.
        inputs: Maps the rows (b,) of each batch to what the objective sees first, (b, …) each.
        draw: The random numbers of a batch of B images, each (B, …): all that is random.
        updates: What is done with each batch, in order; the first one's loss is reported.
        at_once: Images that go through together at most; None for a loss that cannot be divided
            (BatchNorm): its batches go through whole, in every process.
        rate: The share of each optimizer's own learning rate after so many epochs; warm-up and
            cosine where there is none.
        stream: Sets this task's random numbers apart from those of others with the same seed.
        prepare: Called before each epoch with its number; tells how far it is.
        validation_loss: The loss on the validation split, or None.
        preview: A picture of what the network does now, or None.
    """

    step: str
    module: str
    network: nn.Module
    count: int
    inputs: Callable[[Sequence[Tensor]], Iterator[tuple[Tensor, ...]]]
    draw: Callable[[int, torch.Generator], tuple[Tensor, ...]]
    updates: tuple[Update, ...]
    at_once: int | None
    rate: Rate | None = None
    stream: tuple[int, ...] = ()
    prepare: Callable[[int], Iterator[tuple[int, int]]] | None = None
    validation_loss: Callable[[], float] | None = None
    preview: Callable[[], Preview] | None = None


def learning_rate_at(epoch: float, config: TrainingConfig) -> float:
    """Linear warm-up, then half a cosine to zero; `epoch` counts finished epochs, fractions too."""
    if epoch < config.warmup_epochs:
        return config.learning_rate * epoch / config.warmup_epochs
    rest = max(config.epochs - config.warmup_epochs, 1e-9)
    return (
        config.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - config.warmup_epochs) / rest))
    )


def make_optimizer(
    network: nn.Module, config: TrainingConfig, betas: tuple[float, float] = (0.9, 0.95)
) -> torch.optim.AdamW:
    """AdamW without weight decay on norms and biases ([30]'s recipe)."""
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, fused=True)


def train(
    task: Task, config: TrainingConfig, run_id: int, checkpoint: Path
) -> Generator[Event, None, None]:
    """Run `task` for `config.epochs` epochs, from its checkpoint where there is one.

    Args:
        task: What is trained.
        config: Schedule, batch size, seed and precision.
        run_id: Put into the events.
        checkpoint: Written after each epoch; holds the last whole epoch at any time.

    Raises:
        TrainingFailed: A loss is not a number, or the memory does not hold a batch that cannot be
            divided; the last whole epoch stays on disk.
    """
    device = next(task.network.parameters()).device
    schedule = _Schedule(task, config)
    first = _restore(checkpoint, task, device)
    steps = _Steps(task, config, device)
    clock = TrainingClock(task.step, task.module, task.count, config.epochs, first)
    if task.preview is not None and first == 0:
        yield task.preview()
    for epoch in range(first, config.epochs):
        random = random_generator(device, config.seed, *task.stream, epoch)
        if task.prepare is not None:
            for done, total in task.prepare(epoch):
                yield from clock.preparing(epoch, done, total)
        task.network.train()
        losses: list[Tensor] = []
        batches = shuffled_batches(task.count, config.batch_size, random)
        mine = [rows[steps.share(len(rows))] for rows in batches]
        for step, inputs in enumerate(task.inputs(mine)):
            schedule.set(epoch + step / len(batches))
            number = epoch * len(batches) + step
            losses.append(steps.take(inputs, len(batches[step]), number, random))
            yield from steps.notices()
            yield from clock.step(epoch, step, len(batches), len(batches[step]))
        sizes = [len(rows) for rows in batches]
        train_loss = _mean_loss(steps.over_all(torch.stack(losses)), sizes, task.step, epoch)
        if processes.is_rank_zero():
            _save(checkpoint, task, epoch + 1)
        rate = schedule.set(epoch + 1)
        yield clock.epoch_end(run_id, epoch, train_loss, _validate(task, device, config), rate)
        if task.preview is not None and clock.preview_is_due(epoch):
            yield dataclasses.replace(task.preview(), epoch=epoch + 1)


class _Schedule:
    """Sets the learning rates of every optimizer."""

    def __init__(self, task: Task, config: TrainingConfig) -> None:
        self._optimizers = [update.optimizer for update in task.updates]
        self._highest = [group["lr"] for group in self._groups()]
        self._rate = task.rate or (
            lambda done: learning_rate_at(done, config) / config.learning_rate
        )

    def set(self, epochs_done: float) -> float:
        """Set the rates; returns the first one."""
        share = self._rate(epochs_done)
        for group, highest in zip(self._groups(), self._highest, strict=True):
            group["lr"] = highest * share
        return float(self._highest[0] * share)

    def _groups(self) -> list[dict[str, Any]]:
        # asked for each time: restoring an optimizer replaces its groups
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]


class _Steps:
    """Updates by batches: this process's share, in as many parts as the memory needs."""

    def __init__(self, task: Task, config: TrainingConfig, device: torch.device) -> None:
        self._task, self._config, self._device = task, config, device
        self._objectives = [compiled(u.objective, config.compile, device) for u in task.updates]
        # a last batch may have one image more than the others
        self._at_once = min(task.at_once or config.batch_size + 1, config.batch_size + 1)
        self._notices: list[Notice] = []

    def share(self, images: int) -> slice:
        """The images of a batch that this process works on."""
        return slice(0, images) if self._task.at_once is None else processes.share(images)

    def take(
        self, inputs: tuple[Tensor, ...], images: int, number: int, random: torch.Generator
    ) -> Tensor:
        """Do every update that is due; returns this process's share of the first one's mean loss.

        Args:
            inputs: This process's share of the batch.
            images: The whole batch's.
            number: Of the batch, over all epochs.
            random: Draws for the whole batch.
        """
        mine = self.share(images)
        draws = [values[mine] for values in self._task.draw(images, random)]
        reported = torch.zeros((), device=self._device)
        for place, update in enumerate(self._task.updates):
            if (number + 1) % update.every:
                continue
            loss = self._gradients(place, (*inputs, *draws), images)
            update.optimizer.step()
            if place == 0:
                reported = loss
        return reported

    def over_all(self, losses: Tensor) -> Tensor:
        """The sum of the processes' shares of the losses."""
        return losses if self._task.at_once is None else processes.all_reduce(losses)

    def notices(self) -> Iterator[Event]:
        """What the reader should know since the last call."""
        while self._notices:
            yield self._notices.pop(0)

    def _gradients(self, place: int, values: tuple[Tensor, ...], images: int) -> Tensor:
        if self._task.at_once is None:
            return self._whole(place, values, images)
        loss, at_once = in_parts(
            lambda size: self._backward(place, values, images, size), self._at_once
        )
        if at_once < self._at_once:
            self._at_once = at_once
            self._objectives = [update.objective for update in self._task.updates]
            self._notices.append(_memory_notice(self._task.step, at_once, images))
        processes.all_reduce_gradients(_parameters(self._task.updates[place].optimizer))
        return loss

    def _whole(self, place: int, values: tuple[Tensor, ...], images: int) -> Tensor:
        try:
            return self._backward(place, values, images, images)
        except RuntimeError as error:
            if not ran_out(error):
                raise
            raise TrainingFailed(
                f"{self._task.step}: memory ran out with {images} images at once, and BatchNorm "
                f"does not let a batch be divided; lower batch_size ({self._config.batch_size}) or "
                f"image_size."
            ) from error

    def _backward(
        self, place: int, values: tuple[Tensor, ...], images: int, at_once: int
    ) -> Tensor:
        self._task.updates[place].optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._device)
        for part in even_parts(len(values[0]), at_once):
            with autocast(self._device, self._config.precision):
                loss = self._objectives[place](*(each[part] for each in values))
            loss = loss * (len(values[0][part]) / images)
            loss.backward()
            total += loss.detach()
        return total


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _memory_notice(step: str, at_once: int, images: int) -> Notice:
    return Notice(
        f"{step}: memory ran out; going on with {at_once} images at a time. Their gradients are "
        f"added up, so the batch stays {images} and the result the same.",
        Level.WARNING,
    )


def shuffled_batches(count: int, size: int, random: torch.Generator) -> list[Tensor]:
    """A fresh order of all rows in batches; a last batch of one joins the one before it."""
    order = torch.randperm(count, generator=random, device=random.device)
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _mean_loss(losses: Tensor, sizes: list[int], step: str, epoch: int) -> float:
    """The mean over an epoch's images of the batches' mean losses (n,).

    Raises:
        TrainingFailed: One is not a number.
    """
    wrong = (~losses.isfinite()).nonzero()
    if len(wrong):
        raise TrainingFailed(
            f"{step}: the loss is not a number in epoch {epoch + 1}, batch {int(wrong[0]) + 1} of "
            f"{len(losses)}. The last good epoch ({epoch}) is kept, but resuming it ends the same "
            f"way: start a new run with a lower learning rate (training.learning_rate, or "
            f"learning_rate of a peer)."
        )
    weights = torch.tensor(sizes, dtype=torch.float64)
    return float((losses.double().cpu() * weights).sum() / weights.sum())


def _validate(task: Task, device: torch.device, config: TrainingConfig) -> float | None:
    if task.validation_loss is None:
        return None
    task.network.eval()
    with torch.no_grad(), autocast(device, config.precision):
        return task.validation_loss()


def _save(path: Path, task: Task, epoch: int) -> None:
    content = {
        "network": task.network.state_dict(),
        "optimizers": [update.optimizer.state_dict() for update in task.updates],
        "epoch": epoch,
    }
    with atomic_write(path) as unfinished:
        torch.save(content, unfinished)


def _restore(path: Path, task: Task, device: torch.device) -> int:
    """Load the last whole epoch; returns how many epochs are done (0 without a checkpoint)."""
    if not path.is_file():
        return 0
    content = torch.load(path, map_location=device, weights_only=True)
    task.network.load_state_dict(content["network"])
    for update, state in zip(task.updates, content["optimizers"], strict=True):
        update.optimizer.load_state_dict(state)
        _lay_as_parameters(update.optimizer)
    return int(content["epoch"])


def _lay_as_parameters(optimizer: torch.optim.Optimizer) -> None:
    """A fused step reads memory as it lies: its moments lie as the parameters do (channels last)."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)
