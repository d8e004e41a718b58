"""Stage 2: one masked autoencoder adapts to normal films, another to abnormal ones (Eq. 3)."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor

from amae_engine.config import Stage2Config
from amae_engine.events import Event
from amae_engine.method.masking import random_masks
from amae_engine.method.reconstruction import augmented, masked_loss, preview
from amae_engine.method.training_loop import Task, train
from amae_engine.models.masked_autoencoder import MaskedAutoencoder


def adapt_module(
    network: MaskedAutoencoder,
    films: Tensor,
    module: str,
    config: Stage2Config,
    run_id: int,
    checkpoint: Path,
) -> Generator[Event, None, None]:
    """Train f and g of one module in place, from the starting weights in `network`.

    Args:
        network: A fresh copy of (f0, g0), on the device that `films` are on.
        films: (n, S, S) uint8: N ∪ Un for module "A", Ua for module "B".
        module: "A" or "B".
        config: L, mask ratio and schedule.
        run_id: Put into the events.
        checkpoint: The last whole epoch.
    """
    size, patches = network.config.image_size, network.config.patches
    step = f"Stage 2 · module {module}"
    network.choose_attention(films.device.type)

    def loss(rows: Tensor, random: torch.Generator) -> Tensor:
        images = augmented(films[rows], size, config.smallest_crop, random)
        masks = random_masks(
            len(images), config.masks_per_image, patches, config.mask_ratio, random
        )
        return masked_loss(network, images, masks)

    task = Task(
        step,
        module,
        network,
        len(films),
        loss,
        preview=lambda: preview(network, films[0], config.mask_ratio, step, module),
    )
    yield from train(task, config.training, run_id, checkpoint)
