"""The masked reconstruction loss of Eq. 3, and a picture of what a module reconstructs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from amae_engine.events import Preview
from amae_engine.method.image_batches import crop_and_resize, random_boxes, to_grey, whole_box
from amae_engine.method.masking import Masks, masks_from_noise, random_masks
from amae_engine.models.masked_autoencoder import MaskedAutoencoder, take


class MaskedObjective(nn.Module):
    """Eq. 3's loss of randomly cropped, flipped and masked images: all that a GPU computes in a step.

    Args:
        network: f and g.
        smallest_crop: Least share of an image's area in a crop.
        mask_ratio: Share of patches that are removed.
    """

    def __init__(self, network: MaskedAutoencoder, smallest_crop: float, mask_ratio: float) -> None:
        super().__init__()
        self.network = network
        self._smallest_crop, self._mask_ratio = smallest_crop, mask_ratio

    def draw(
        self, images: int, masks: int, side: int, random: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Crop boxes (B, 4), flips (B,) and mask noise (B, L, T) of images with `side` pixels."""
        boxes = random_boxes(images, side, self._smallest_crop, random)
        flipped = torch.rand(images, generator=random, device=random.device) < 0.5
        patches = self.network.config.patches
        noise = torch.rand(images * masks, patches, generator=random, device=random.device)
        return boxes, flipped, noise.unflatten(0, (images, masks))

    def forward(self, stored: Tensor, boxes: Tensor, flipped: Tensor, noise: Tensor) -> Tensor:
        """The mean loss of images (B, S, S) uint8 over their L masks."""
        images = crop_and_resize(stored, boxes, self.network.config.image_size, flipped)
        masks = masks_from_noise(noise.flatten(0, 1), self._mask_ratio)
        return masked_loss(self.network, images, masks)


def masked_loss(network: MaskedAutoencoder, images: Tensor, masks: Masks) -> Tensor:
    """Mean over L masks of the squared error on removed patches (Eq. 3).

    Args:
        network: f and g.
        images: (B, 1, H, W) standardised.
        masks: For B·L masks, mask by mask for each image; all L go through in one batch.
    """
    return masked_patch_loss(network, network.patchify(images), masks)


def masked_patch_loss(network: MaskedAutoencoder, patches: Tensor, masks: Masks) -> Tensor:
    """`masked_loss` of patches (B, T, c), be they of pixels or tokens."""
    patches = patches.repeat_interleave(len(masks.kept) // len(patches), dim=0)  # (B·L, T, c)
    latent = network.encode(patches, masks.kept)
    predicted = network.decode(latent, masks.kept, masks.removed)
    return (predicted.float() - take(patches, masks.removed)).square().mean()


def preview(
    network: MaskedAutoencoder, stored: Tensor, mask_ratio: float, step: str, module: str
) -> Preview:
    """What `network` makes of one image (1, S, S) uint8 from its visible patches."""
    side, size = stored.shape[-1], network.config.image_size
    random = torch.Generator(stored.device).manual_seed(0)
    network.eval()
    with torch.no_grad():
        image = crop_and_resize(stored, whole_box(side, stored.device), size, None)
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
