"""Stage 2: one masked autoencoder adapts to normal images, another to abnormal ones (Eq. 3)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from amae_engine.config import Stage2Config
from amae_engine.events import Event, Preview
from amae_engine.method.compute_device import random_generator
from amae_engine.method.memory import images_at_once
from amae_engine.method.reconstruction import MaskedObjective, preview
from amae_engine.method.stored_images import FIRST, StoredImages, split_rows
from amae_engine.method.training_loop import Task, Update, make_optimizer, train
from amae_engine.models.masked_autoencoder import MaskedAutoencoder


@dataclass(frozen=True, slots=True)
class Module:
    """One module's training.

    Attributes:
        name: "A" or "B".
        config: L, mask ratio and schedule.
        run_id: Put into the events.
        checkpoint: The last whole epoch.
    """

    name: str
    config: Stage2Config
    run_id: int
    checkpoint: Path

    @property
    def step(self) -> str:
        """For the reader."""
        return f"Stage 2 · module {self.name}"


def adapt_module(
    network: MaskedAutoencoder,
    stored: StoredImages,
    module: Module,
    unseen: StoredImages | None = None,
) -> Generator[Event, None, None]:
    """Train f and g of one module in place, from the starting weights in `network`.

    Args:
        network: A fresh copy of (f0, g0), on the device that `stored` are on.
        stored: N ∪ Un for module "A", Ua for module "B".
        module: Which one, and how.
        unseen: Images for the validation curve.
    """
    config = module.config
    objective = MaskedObjective(network, config.smallest_crop, config.mask_ratio)
    yield from adapt(
        network,
        stored,
        module,
        objective,
        lambda images, random: objective.draw(images, config.masks_per_image, stored.side, random),
        lambda: preview(network, stored.take(FIRST), config.mask_ratio, module.step, module.name),
        unseen,
    )


def adapt(
    network: MaskedAutoencoder,
    stored: StoredImages,
    module: Module,
    objective: nn.Module,
    draw: Callable[[int, torch.Generator], tuple[Tensor, ...]],
    make_preview: Callable[[], Preview] | None = None,
    unseen: StoredImages | None = None,
) -> Generator[Event, None, None]:
    """Train one module by Eq. 3's loss, over whatever `objective` masks.

    Args:
        network: f and g, trained in place.
        stored: What they learn from.
        module: Which one, and how.
        objective: Maps a batch and its draws to the loss.
        draw: All that is random in a batch.
        make_preview: A picture of what the network does now.
        unseen: What the network is not trained on: after each epoch its loss on them is reported, by
            the same draws each time.
    """
    training = module.config.training

    def loss_of_unseen(images: StoredImages) -> float:
        random = random_generator(images.device, training.seed)
        losses = [
            objective(batch, *draw(len(batch), random)).double() * len(batch)
            for batch in images.batches(split_rows(len(images), training.batch_size))
        ]
        return float(torch.stack(losses).sum()) / len(images)

    task = Task(
        module.step,
        module.name,
        network,
        len(stored),
        inputs=lambda rows: ((batch,) for batch in stored.batches(rows)),
        draw=draw,
        updates=(Update(objective, make_optimizer(network, training)),),
        at_once=images_at_once(network.config, module.config.masks_per_image, stored.device),
        validation_loss=None if unseen is None else lambda: loss_of_unseen(unseen),
        preview=make_preview,
    )
    yield from train(task, training, module.run_id, module.checkpoint)
