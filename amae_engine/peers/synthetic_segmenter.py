"""FPI ([26]), PII ([27]) and NSA ([24]): a network that predicts each pixel's label."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from amae_engine.config import ScoreKind, Synthesis
from amae_engine.config.peers import PeerConfig
from amae_engine.events import Event
from amae_engine.method.training_loop import Update
from amae_engine.peers.backbones import make_pyramid
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages, grey_images, seeded
from amae_engine.peers.fitting import Phase, cosine, fit_phases
from amae_engine.synthesis.synthesis import synthesise

_DECODER = (256, 128, 64, 32)  # channels, from the second lowest level upwards


class SyntheticSegmenter(Peer):
    """A backbone with a decoder; soft labels by cross-entropy; scored by the mean of the map."""

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        self._synthesis = Synthesis(config.method.value)
        self.backbone, channels = make_pyramid(config)
        width, blocks = channels[-1], []
        for skipped, after in zip(channels[-2::-1], _DECODER, strict=True):
            convolution = nn.Conv2d(width + skipped, after, 3, padding=1, bias=False)
            blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU()))
            width = after
        self.decoder = nn.ModuleList(blocks)
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Learn the labels of fresh anomalies."""
        rate = self.config.learning_rate
        optimizer = torch.optim.Adam(self.parameters(), lr=rate, fused=True)

        def loss(stored: Tensor, numbers: Tensor) -> Tensor:
            images = grey_images(stored, self.config.image_size)[:, 0]
            made = synthesise(self._synthesis, images, None, seeded(numbers))
            logits = self._logits(made.images).float()
            return functional.binary_cross_entropy_with_logits(logits, made.labels)

        only = Phase("", self, training.trained, (Update(loss, optimizer),), rate=cosine)
        yield from fit_phases(self, [only], run_id, checkpoint)

    def score(self, stored: Tensor) -> PeerScores:
        """The predicted labels, and their mean."""
        with torch.no_grad():
            maps = self._logits(grey_images(stored, self.config.image_size)[:, 0]).sigmoid()
        return PeerScores({ScoreKind.PEER: maps.mean(dim=(1, 2))}, maps)

    def _logits(self, images: Tensor) -> Tensor:
        """(B, H, W) for images (B, H, W) in [0, 1]."""
        *levels, features = self.backbone((images * 2 - 1)[:, None])
        for block, skipped in zip(self.decoder, reversed(levels), strict=True):
            features = functional.interpolate(features, size=skipped.shape[-2:], mode="nearest")
            features = block(torch.cat((features, skipped), dim=1))
        logits = functional.interpolate(
            self.last(features), size=images.shape[-2:], mode="bilinear", align_corners=False
        )
        return logits[:, 0]
