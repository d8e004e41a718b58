"""What a training step needs in memory, counted."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from amae_engine.config import TrainingConfig
from amae_engine.method.compute_device import autocast, random_generator
from amae_engine.method.memory import saved_bytes, state_bytes
from amae_engine.method.reconstruction import MaskedObjective
from amae_engine.models.masked_autoencoder import MaskedAutoencoder


@dataclass(frozen=True, slots=True)
class Memory:
    """What one step needs: the training state once, and so much for each image."""

    state: int
    per_image: int


def training_memory(network: MaskedAutoencoder, masks: int, mask_ratio: float) -> Memory:
    """Count what a masked training step of `network` needs, from one and three images."""
    device = next(network.parameters()).device
    objective = MaskedObjective(network, 0.5, mask_ratio)
    random = random_generator(device, 0)

    def kept(images: int) -> int:
        size = network.config.image_size
        stored = torch.zeros(images, size, size, dtype=torch.uint8, device=device)
        draws = objective.draw(images, masks, size, random)
        with autocast(device, TrainingConfig().precision):
            return saved_bytes(network, lambda: objective(stored, *draws))

    one, three = kept(1), kept(3)
    per_image = (three - one) // 2
    return Memory(state_bytes(network) + one - per_image, per_image)
