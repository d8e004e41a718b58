"""What every peer method is: something that learns from images and scores images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from amae_engine.config import ScoreKind
from amae_engine.config.peers import PeerConfig
from amae_engine.events import Event
from amae_engine.method.features import whole_images
from amae_engine.method.image_batches import to_grey
from amae_engine.method.stored_images import StoredImages


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """The training images, (n, S, S) uint8 each.

    Attributes:
        normal: N.
        unlabeled: U; empty under protocol N.
        trained: N under protocol N, N ∪ U under protocol Y.
        lungs: Masks of `trained`, 0 or 1, at the peer's image size; None where it needs none.
    """

    normal: StoredImages
    unlabeled: StoredImages
    trained: StoredImages
    lungs: StoredImages | None = None


@dataclass(frozen=True, slots=True)
class PeerScores:
    """Scores of a batch of images; larger is more abnormal.

    Attributes:
        images: (B,) float32 for each score the method has; `ScoreKind.PEER` is its own.
        maps: (B, H, W) float32 behind `ScoreKind.PEER`, or None.
    """

    images: dict[ScoreKind, Tensor]
    maps: Tensor | None = None


class Peer(nn.Module, ABC):
    """A peer method; its parameters and buffers are its whole state.

    Args:
        config: Completed settings: no value is 0 that the method has an own one for.
    """

    needs_lungs = False

    def __init__(self, config: PeerConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Learn from images on this module's device.

        Args:
            training: The images.
            run_id: Put into the events.
            checkpoint: Holds the last whole epoch; training goes on from there if it exists.

        Raises:
            TrainingFailed: A loss is not a number; the message names the batch.
        """

    @abstractmethod
    def score(self, stored: Tensor) -> PeerScores:
        """Rate images (B, S, S) uint8 on this module's device; call in evaluation mode."""

    def facts(self) -> dict[str, str]:
        """What else its weights file must say, so that `load_peer` can build it."""
        return {}


def grey_images(stored: Tensor, size: int) -> Tensor:
    """Whole images (B, S, S) uint8 as grey values (B, 1, size, size) float32 in [0, 1]."""
    return to_grey(whole_images(stored, size)).clamp(0, 1)


def signed_images(stored: Tensor, size: int) -> Tensor:
    """The same in [−1, 1]."""
    return grey_images(stored, size) * 2 - 1


def seeds(images: int, random: torch.Generator) -> tuple[Tensor]:
    """A random number (B,) for each image; `seeded` makes a generator of a batch's."""
    return (torch.randint(2**31, (images,), generator=random, device=random.device),)


def seeded(numbers: Tensor) -> torch.Generator:
    """A generator that a batch's random numbers decide."""
    return torch.Generator(numbers.device).manual_seed(int(numbers[0]))
