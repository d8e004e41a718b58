"""The masked reconstruction loss of Eq. 3, and a picture of what a module reconstructs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from amae_engine.events import Preview
from amae_engine.method.image_batches import crop_and_resize, random_boxes, to_grey, whole_boxes
from amae_engine.method.masking import Masks, random_masks
from amae_engine.models.masked_autoencoder import MaskedAutoencoder, take


def augmented(films: Tensor, size: int, smallest_crop: float, random: torch.Generator) -> Tensor:
    """RandomResizedCrop and horizontal flip of films (B, S, S) uint8 → (B, 1, size, size)."""
    boxes = random_boxes(len(films), films.shape[-1], smallest_crop, random)
    flipped = torch.rand(len(films), generator=random, device=random.device) < 0.5
    return crop_and_resize(films, boxes, size, flipped)


def masked_loss(network: MaskedAutoencoder, images: Tensor, masks: Masks) -> Tensor:
    """Mean over L masks of the squared error on removed patches (Eq. 3).

    Args:
        network: f and g.
        images: (B, 1, H, W) standardised.
        masks: For B·L masks, mask by mask for each image; all L go through in one batch.
    """
    patches = network.patchify(images)
    patches = patches.repeat_interleave(len(masks.kept) // len(patches), dim=0)  # (B·L, T, p²)
    latent = network.encode(patches, masks.kept)
    predicted = network.decode(latent, masks.kept, masks.removed)
    return (predicted.float() - take(patches, masks.removed)).square().mean()


def preview(
    network: MaskedAutoencoder, film: Tensor, mask_ratio: float, step: str, module: str
) -> Preview:
    """What `network` makes of one film (S, S) uint8 from its visible patches."""
    side, size = film.shape[-1], network.config.image_size
    random = torch.Generator(film.device).manual_seed(0)
    network.eval()
    with torch.no_grad():
        image = crop_and_resize(film[None], whole_boxes(1, side, film.device), size, None)
        masks = random_masks(1, 1, network.config.patches, mask_ratio, random)
        patches = network.patchify(image)
        predicted = network.decode(network.encode(patches, masks.kept), masks.kept, masks.removed)
        index = masks.removed[:, :, None].expand(-1, -1, patches.shape[2])
        hidden = patches.scatter(1, index, float("nan"))
        filled = patches.scatter(1, index, predicted.float())
    return Preview(
        step,
        module,
        _grey(image),
        _grey(network.unpatchify(hidden)),
        _grey(network.unpatchify(filled)),
    )


def _grey(images: Tensor) -> np.ndarray:
    return to_grey(images[0, 0]).clamp(0, 1).cpu().numpy()
