"""The plain loop that the fast path is measured against.

As the original code does it: float32 on a CPU, automatic mixed precision on a GPU; a data loader that decodes every picture and augments it
with Pillow in every epoch; lungs segmented and patches pasted picture by picture; masks one after
another; both modules one after another; three equal channels; PyTorch's default AdamW.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from amae_engine.config import ModelConfig
from amae_engine.method.image_batches import standardise
from amae_engine.method.masking import random_masks
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.synthesis.lung_mask import segment_lungs, standard_lungs

T = TypeVar("T")


class PublishedAutoencoder(MaskedAutoencoder):
    """The network as published: three equal channels, and timm's own choice of attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, channels=3)

    def choose_attention(self, device_type: str) -> None:
        """Leave it to timm."""


class PlainImages(Dataset[Tensor]):
    """Decodes an image at every access: randomly cropped and flipped, or whole.

    Args:
        paths: Pictures.
        size: Side of the network's images.
        augmented: RandomResizedCrop and flip, or the whole image.
    """

    def __init__(self, paths: list[Path], size: int, augmented: bool) -> None:
        self._paths, self._size, self._augmented = paths, size, augmented

    def __len__(self) -> int:
        """Images."""
        return len(self._paths)

    def __getitem__(self, row: int) -> Tensor:
        """One standardised image (3, size, size)."""
        picture = Image.open(self._paths[row]).convert("L")
        box: tuple[float, float, float, float] | None = None
        if self._augmented:
            area = random.uniform(0.5, 1.0) * picture.width * picture.height
            aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
            width = min(picture.width, math.sqrt(area * aspect))
            height = min(picture.height, math.sqrt(area / aspect))
            left = random.uniform(0, picture.width - width)
            top = random.uniform(0, picture.height - height)
            box = (left, top, left + width, top + height)
        picture = picture.resize((self._size, self._size), Image.Resampling.BICUBIC, box=box)
        if self._augmented and random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return standardise(torch.from_numpy(np.array(picture)).float() / 255).expand(3, -1, -1)


class PlainPastes(Dataset[tuple[Tensor, Tensor]]):
    """Decodes an image, segments its lungs and pastes one patch with Pillow, at every access."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self._paths, self._size = paths, size

    def __len__(self) -> int:
        """Images."""
        return len(self._paths)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        """A standardised image and its synthetic anomaly, (3, size, size) each."""
        picture = Image.open(self._paths[row]).convert("L").resize((256, 256))
        lungs = segment_lungs(np.asarray(picture))
        lungs = lungs if lungs.any() else standard_lungs(256)
        pair = (picture, self._pasted(picture, lungs))
        arrays = [np.array(each.resize((self._size, self._size))) for each in pair]
        one, two = (standardise(torch.from_numpy(a).float() / 255) for a in arrays)
        return one.expand(3, -1, -1), two.expand(3, -1, -1)

    @staticmethod
    def _pasted(picture: Image.Image, lungs: np.ndarray) -> Image.Image:
        area = random.uniform(0.02, 0.15) * 256 * 256
        aspect = math.exp(random.uniform(math.log(0.3), math.log(1 / 0.3)))
        width = min(255, round(math.sqrt(area * aspect)))
        height = min(255, round(math.sqrt(area / aspect)))
        left, top = random.randint(0, 256 - width), random.randint(0, 256 - height)
        patch = picture.crop((left, top, left + width, top + height))
        rows, columns = np.nonzero(lungs)
        place = random.randrange(len(rows))
        corner = (int(columns[place]) - width // 2, int(rows[place]) - height // 2)
        pasted = picture.copy()
        pasted.paste(patch, corner)
        mask = Image.new("L", picture.size)
        mask.paste(random.randint(150, 254), (*corner, corner[0] + width, corner[1] + height))
        mask = mask.filter(ImageFilter.GaussianBlur(random.uniform(0, 14)))
        cut = Image.fromarray((np.asarray(mask) * lungs).astype(np.uint8))
        return Image.composite(pasted, picture, cut)


def masked_steps(
    network: MaskedAutoencoder, paths: list[Path], kind: tuple[int, int, float]
) -> int:
    """One epoch of plain stage-0 or stage-2 training; returns the images seen.

    Args:
        network: On the CPU or a GPU.
        paths: Pictures.
        kind: Batch size, masks an image, mask ratio.
    """
    batch, masks, mask_ratio = kind
    optimizer = torch.optim.AdamW(network.parameters(), lr=2.5e-4, betas=(0.9, 0.95))
    stored = PlainImages(paths, network.config.image_size, augmented=True)
    device = next(network.parameters()).device
    draws = torch.Generator(device).manual_seed(0)
    seen = 0
    for images in _loader(stored, batch, device):
        shown = images.to(device)
        with _mixed_precision(device):
            losses = [_plain_loss(network, shown, mask_ratio, draws) for _ in range(masks)]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
        seen += len(images)
    return seen


def stage1_steps(
    network: MaskedAutoencoder, classifier: AnomalyClassifier, paths: list[Path], batch: int
) -> int:
    """One epoch of plain stage-1 training; returns the images seen."""
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=2.5e-4)
    seen = 0
    device = next(network.parameters()).device
    pastes = PlainPastes(paths, network.config.image_size)
    for normal, anomalous in _loader(pastes, batch, device):
        with torch.no_grad(), _mixed_precision(device):
            tokens = network.patch_tokens(torch.cat((normal, anomalous)).to(device))
            features = tokens.float().mean(dim=1)
        truth = torch.tensor([0] * len(normal) + [1] * len(anomalous), device=device)
        loss = functional.cross_entropy(classifier(features), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(normal)
    return seen


def score_images(
    modules: tuple[MaskedAutoencoder, MaskedAutoencoder], paths: list[Path], masks: int
) -> int:
    """Plain scoring: image by image, mask by mask, module by module; returns the images seen."""
    config = modules[0].config
    device = next(modules[0].parameters()).device
    draws = torch.Generator(device).manual_seed(0)
    stored = PlainImages(paths, config.image_size, augmented=False)
    for each in DataLoader(stored, batch_size=1):
        image = each.to(device)
        means = []
        drawn = [random_masks(1, 1, config.patches, 0.75, draws) for _ in range(masks)]
        with torch.no_grad(), _mixed_precision(device):
            for module in modules:
                patches = module.patchify(image)
                seen = [module.decode(module.encode(patches, m.kept), m.kept) for m in drawn]
                means.append(torch.stack(seen).mean(0))
            (means[0] - means[1]).abs().mean()
    return len(stored)


def _plain_loss(
    network: MaskedAutoencoder, images: Tensor, mask_ratio: float, draws: torch.Generator
) -> Tensor:
    masks = random_masks(len(images), 1, network.config.patches, mask_ratio, draws)
    patches = network.patchify(images)
    predicted = network.decode(network.encode(patches, masks.kept), masks.kept)
    error = (predicted - patches).square().mean(dim=2)  # (B, T)
    removed = torch.ones_like(error).scatter(1, masks.kept, 0)
    return (error * removed).sum() / removed.sum()


def _loader(stored: Dataset[T], batch: int, device: torch.device) -> DataLoader[T]:
    """Worker processes only beside a GPU: on a CPU they take the cores that compute."""
    workers = min(8, os.cpu_count() or 1) if device.type == "cuda" else 0
    return DataLoader(stored, batch_size=batch, shuffle=True, num_workers=workers)


def _mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()
