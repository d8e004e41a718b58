"""One loop for every training step: schedule, precision, checkpoint, resume, events.

Every epoch draws from a generator seeded by (seed, epoch) alone: a run that was killed and
resumed from its last whole epoch ends as it would have ended.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from amae_engine.config import TrainingConfig
from amae_engine.errors import TrainingFailed
from amae_engine.events import EpochEnd, Event, Level, Notice, Preview, Progress
from amae_engine.method import processes
from amae_engine.method.compilation import compiled
from amae_engine.method.compute_device import autocast, random_generator
from amae_engine.method.memory import even_parts, in_parts

_SECONDS_BETWEEN_EVENTS = 0.1
_SECONDS_BETWEEN_PREVIEWS = 2.0


@dataclass(frozen=True, slots=True)
class Task:
    """What one training step optimises.

    Attributes:
        step: For the reader: "Stage 2 · module A".
        module: "A", "B" or "".
        network: Everything that is trained and kept in the checkpoint.
        count: Training images.
        inputs: Maps the rows (b,) of each batch to what the objective sees first (b, …).
        draw: The random numbers of a batch of B images, each (B, …): all that is random.
        objective: Maps inputs and draws of b images to their mean loss.
        at_once: Images that go through together at most; None for a loss that cannot be divided
            (BatchNorm): its batches go through whole, in every process.
        prepare: Called before each epoch with its number; tells how far it is.
        validation_loss: The loss on held-out images, or None.
        preview: A picture of what the network does now, or None.
        betas: AdamW's.
    """

    step: str
    module: str
    network: nn.Module
    count: int
    inputs: Callable[[Sequence[Tensor]], Iterator[Tensor]]
    draw: Callable[[int, torch.Generator], tuple[Tensor, ...]]
    objective: Callable[..., Tensor]
    at_once: int | None
    prepare: Callable[[int], Iterator[tuple[int, int]]] | None = None
    validation_loss: Callable[[], float] | None = None
    preview: Callable[[], Preview] | None = None
    betas: tuple[float, float] = (0.9, 0.95)


def learning_rate_at(epoch: float, config: TrainingConfig) -> float:
    """Linear warm-up, then half a cosine to zero; `epoch` counts finished epochs, fractions too."""
    if epoch < config.warmup_epochs:
        return config.learning_rate * epoch / config.warmup_epochs
    rest = max(config.epochs - config.warmup_epochs, 1e-9)
    return (
        config.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - config.warmup_epochs) / rest))
    )


def make_optimizer(
    network: nn.Module, config: TrainingConfig, betas: tuple[float, float]
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
        TrainingFailed: The loss is not finite; the last whole epoch stays on disk.
    """
    device = next(task.network.parameters()).device
    optimizer = make_optimizer(task.network, config, task.betas)
    first = _restore(checkpoint, task.network, optimizer, device)
    steps = _Steps(task, config, device)
    clock = _Clock(task, config, first)
    for epoch in range(first, config.epochs):
        random = random_generator(device, config.seed, epoch)
        if task.prepare is not None:
            for done, total in task.prepare(epoch):
                yield from clock.preparing(epoch, done, total)
        task.network.train()
        loss_sum = torch.zeros((), device=device)
        batches = shuffled_batches(task.count, config.batch_size, random)
        mine = [rows[steps.share(len(rows))] for rows in batches]
        for step, inputs in enumerate(task.inputs(mine)):
            rate = learning_rate_at(epoch + step / len(batches), config)
            for group in optimizer.param_groups:
                group["lr"] = rate
            size = len(batches[step])
            loss_sum += steps.gradients(inputs, size, random) * size
            optimizer.step()
            yield from steps.notices()
            yield from clock.step(epoch, step, len(batches), size)
        train_loss = steps.over_all(loss_sum).item() / sum(len(rows) for rows in batches)
        if not math.isfinite(train_loss):
            raise TrainingFailed(
                f"{task.step}: the loss is not a number in epoch {epoch + 1}. The last good epoch "
                f"({epoch}) is kept; lower the learning rate ({config.learning_rate:g}) and resume."
            )
        if processes.leads():
            _save(checkpoint, task.network, optimizer, epoch + 1)
        validation = _validate(task, device, config)
        yield clock.epoch_end(run_id, epoch, train_loss, validation)
        if task.preview is not None and clock.preview_is_due(epoch):
            yield task.preview()


class _Steps:
    """Gradients of batches: this process's share, in as many parts as the memory needs."""

    def __init__(self, task: Task, config: TrainingConfig, device: torch.device) -> None:
        self._task, self._config, self._device = task, config, device
        self._objective = compiled(task.objective, config.compile, device)
        # a last batch may have one image more than the others
        self._at_once = min(task.at_once or config.batch_size + 1, config.batch_size + 1)
        self._notices: list[Notice] = []

    def share(self, images: int) -> slice:
        """The images of a batch that this process works on."""
        return slice(0, images) if self._task.at_once is None else processes.share(images)

    def gradients(self, inputs: Tensor, images: int, random: torch.Generator) -> Tensor:
        """Set the gradients of the whole batch; returns this process's share of its mean loss."""
        mine = self.share(images)
        draws = [values[mine] for values in self._task.draw(images, random)]
        if self._task.at_once is None:
            return self._backward(inputs, draws, images, images)
        loss, at_once = in_parts(
            lambda size: self._backward(inputs, draws, images, size), self._at_once
        )
        if at_once < self._at_once:
            self._at_once = at_once
            self._objective = self._task.objective
            self._notices.append(_memory_notice(self._task.step, at_once, images))
        processes.add_up_gradients(self._task.network)
        return loss

    def over_all(self, loss: Tensor) -> Tensor:
        """The sum of the shares of the loss."""
        return loss if self._task.at_once is None else processes.add_up(loss)

    def notices(self) -> Iterator[Event]:
        """What the reader should know since the last call."""
        while self._notices:
            yield self._notices.pop(0)

    def _backward(self, inputs: Tensor, draws: list[Tensor], images: int, at_once: int) -> Tensor:
        self._task.network.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._device)
        for part in even_parts(len(inputs), at_once):
            with autocast(self._device, self._config.precision):
                loss = self._objective(inputs[part], *(values[part] for values in draws))
            loss = loss * (len(inputs[part]) / images)
            loss.backward()
            total += loss.detach()
        return total


def _memory_notice(step: str, at_once: int, images: int) -> Notice:
    return Notice(
        f"{step}: memory ran out; going on with {at_once} images at a time. Their gradients are "
        f"added up, so the batch stays {images} and the result the same.",
        Level.WARNING,
    )


class _Clock:
    """Throttled progress events with a rate and an honest time left."""

    def __init__(self, task: Task, config: TrainingConfig, first_epoch: int) -> None:
        self._task, self._config, self._first = task, config, first_epoch
        self._began = time.monotonic()
        self._last_event = self._last_preview = 0.0
        self._images = 0

    def step(self, epoch: int, step: int, steps: int, images: int) -> Iterator[Event]:
        self._images += images
        yield from self._throttled(epoch, (step + 1) / steps)

    def preparing(self, epoch: int, done: int, total: int) -> Iterator[Event]:
        yield from self._throttled(epoch, 0.0 if total == 0 else 0.9 * done / total)

    def _throttled(self, epoch: int, part: float) -> Iterator[Event]:
        now = time.monotonic()
        if now - self._last_event < _SECONDS_BETWEEN_EVENTS:
            return
        self._last_event = now
        count = self._task.count
        done = round((epoch + min(part, 1.0)) * count)
        left = self._seconds_left(epoch + part)
        yield Progress(self._task.step, done, count * self._config.epochs, self._rate(), left)

    def _rate(self) -> float:
        return self._images / max(time.monotonic() - self._began, 1e-6)

    def _seconds_left(self, epochs_done: float) -> float | None:
        fresh = epochs_done - self._first
        if fresh <= 0.02:
            return None
        spent = time.monotonic() - self._began
        return spent / fresh * (self._config.epochs - epochs_done)

    def epoch_end(
        self, run_id: int, epoch: int, train_loss: float, validation: float | None
    ) -> EpochEnd:
        return EpochEnd(
            run_id=run_id,
            step=self._task.step,
            module=self._task.module,
            epoch=epoch + 1,
            epochs=self._config.epochs,
            train_loss=train_loss,
            validation_loss=validation,
            learning_rate=learning_rate_at(epoch + 1, self._config),
            images_per_second=self._rate(),
            seconds_left=self._seconds_left(epoch + 1),
        )

    def preview_is_due(self, epoch: int) -> bool:
        now = time.monotonic()
        last = epoch + 1 == self._config.epochs
        if not last and now - self._last_preview < _SECONDS_BETWEEN_PREVIEWS:
            return False
        self._last_preview = now
        return True


def shuffled_batches(count: int, size: int, random: torch.Generator) -> list[Tensor]:
    """A fresh order of all rows in batches; a last batch of one joins the one before it."""
    order = torch.randperm(count, generator=random, device=random.device)
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _validate(task: Task, device: torch.device, config: TrainingConfig) -> float | None:
    if task.validation_loss is None:
        return None
    task.network.eval()
    with torch.no_grad(), autocast(device, config.precision):
        return task.validation_loss()


def _save(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    beside = path.with_suffix(".part")
    content = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
    with beside.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _restore(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> int:
    """Load the last whole epoch; returns how many epochs are done (0 without a checkpoint)."""
    if not path.is_file():
        return 0
    content = torch.load(path, map_location=device, weights_only=True)
    network.load_state_dict(content["network"])
    optimizer.load_state_dict(content["optimizer"])
    return int(content["epoch"])
