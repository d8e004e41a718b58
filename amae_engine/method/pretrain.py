"""Stage 0: masked pre-training of f and g on a project's own films ([30]'s recipe)."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor

from amae_engine.config import PretrainConfig
from amae_engine.events import Event
from amae_engine.method.masking import random_masks
from amae_engine.method.reconstruction import augmented, masked_loss, preview
from amae_engine.method.training_loop import Task, train
from amae_engine.models.masked_autoencoder import MaskedAutoencoder

_RATE_BATCH = 256  # the recipe's learning rate is given for this batch size
STEP = "Starting weights"


def pretrain(
    network: MaskedAutoencoder,
    films: Tensor,
    config: PretrainConfig,
    run_id: int,
    checkpoint: Path,
) -> Generator[Event, None, None]:
    """Train `network` in place to reconstruct removed patches.

    Args:
        network: On the device that `films` are on.
        films: (n, S, S) uint8.
        config: Recipe.
        run_id: Put into the events.
        checkpoint: The last whole epoch.
    """
    size, patches = network.config.image_size, network.config.patches
    training = config.training.replace(
        learning_rate=config.training.learning_rate * config.training.batch_size / _RATE_BATCH
    )
    network.choose_attention(films.device.type)

    def loss(rows: Tensor, random: torch.Generator) -> Tensor:
        images = augmented(films[rows], size, config.smallest_crop, random)
        masks = random_masks(len(images), 1, patches, config.mask_ratio, random)
        return masked_loss(network, images, masks)

    task = Task(
        STEP,
        "",
        network,
        len(films),
        loss,
        preview=lambda: preview(network, films[0], 0.75, STEP, ""),
    )
    yield from train(task, training, run_id, checkpoint)
