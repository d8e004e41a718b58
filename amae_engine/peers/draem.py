"""DRAEM ([31]): one network removes synthetic anomalies, another marks them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from amae_engine.config import Precision, ScoreKind, Synthesis
from amae_engine.config.peers import PeerConfig
from amae_engine.events import Event
from amae_engine.method.training_loop import Update
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages, grey_images, seeded
from amae_engine.peers.fitting import Phase, fit_phases
from amae_engine.peers.structural_similarity import ssim
from amae_engine.peers.unet import UNet
from amae_engine.synthesis.synthesis import synthesise

_FOCUS = 2  # the focal loss's exponent
_SMOOTHED = 10 / 256  # of the side, each way: the map is averaged before its maximum is taken


class Draem(Peer):
    """The reconstructing network is twice as wide as the marking one (`config.width`)."""

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        self.reconstructing = UNet((1, 1), 2 * config.width, has_skips=False)
        self.marking = UNet((2, 2), config.width, has_skips=True)

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Half of the images carry an anomaly; the rate falls to a fifth at 80 % and at 90 %.

        In float32: in bf16 the loss became not a number here.
        """
        networks = nn.ModuleList((self.reconstructing, self.marking))
        rate = self.config.learning_rate
        optimizer = torch.optim.Adam(networks.parameters(), lr=rate, fused=True)
        update = Update(self._loss, optimizer)
        only = Phase("", networks, training.trained, (update,), rate=_steps)
        yield from fit_phases(self, [only], run_id, checkpoint, Precision.FLOAT32)

    def score(self, stored: Tensor) -> PeerScores:
        """The marking network's map, and its maximum after averaging (21 × 21 pixels of 256²)."""
        with torch.no_grad():
            _, logits = self._both(grey_images(stored, self.config.image_size))
            maps = logits.softmax(dim=1)[:, 1]
            each_way = round(_SMOOTHED * self.config.image_size)
            smooth = functional.avg_pool2d(maps, 2 * each_way + 1, stride=1, padding=each_way)
        return PeerScores({ScoreKind.PEER: smooth.amax(dim=(1, 2))}, maps)

    def _loss(self, stored: Tensor, numbers: Tensor) -> Tensor:
        random = seeded(numbers)
        images = grey_images(stored, self.config.image_size)
        made = synthesise(Synthesis.PERLIN_TEXTURE, images[:, 0], None, random)
        has_anomaly = torch.rand(len(images), generator=random, device=random.device) < 0.5
        seen = torch.where(has_anomaly[:, None, None, None], made.images[:, None], images)
        truth = made.labels * has_anomaly[:, None, None]
        restored, logits = self._both(seen)
        restored, logits = restored.float(), logits.float()
        similar = ssim(restored, images, is_padded=True)
        loss = (restored - images).square().mean() + (1 - similar).mean()
        return loss + _focal(logits, truth)

    def _both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        restored: Tensor = self.reconstructing(images)
        logits: Tensor = self.marking(torch.cat((restored, images), dim=1))
        return restored, logits


def _focal(logits: Tensor, truth: Tensor) -> Tensor:
    """The focal loss of logits (B, 2, H, W) for pixels (B, H, W) of 0 or 1."""
    loss = functional.cross_entropy(logits, truth.long(), reduction="none")
    return ((1 - torch.exp(-loss)) ** _FOCUS * loss).mean()


def _steps(done: float) -> float:
    return 1.0 if done < 0.8 else 0.2 if done < 0.9 else 0.04
