"""AE, and AE-U ([16]), which also predicts where it will be wrong."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor

from amae_engine.config import ScoreKind
from amae_engine.config.peers import PeerConfig, PeerMethod
from amae_engine.events import Event
from amae_engine.method.training_loop import Update
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages, signed_images
from amae_engine.peers.conv_autoencoder import ConvAutoencoder
from amae_engine.peers.fitting import Phase, fit_phases

BETAS = (0.5, 0.999)  # Adam's, in [5]


class Autoencoder(Peer):
    """Scored by its reconstruction error; AE-U's is divided by the predicted variance."""

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        self._uncertain = config.method is PeerMethod.AE_U
        outputs = 2 if self._uncertain else 1
        self.network = ConvAutoencoder(config.image_size, outputs, config.latent)

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Reconstruct the training images; AE-U minimises their Gaussian likelihood."""
        rate = self.config.learning_rate
        optimizer = torch.optim.Adam(self.network.parameters(), lr=rate, betas=BETAS, fused=True)

        def loss(stored: Tensor, _seeds: Tensor) -> Tensor:
            error, log_variance = self._error(signed_images(stored, self.config.image_size))
            return (error + log_variance).mean()

        only = Phase("", self.network, training.trained, (Update(loss, optimizer),))
        yield from fit_phases(self, [only], run_id, checkpoint)

    def score(self, stored: Tensor) -> PeerScores:
        """The mean and the map of the (weighted) squared error."""
        with torch.no_grad():
            error, _ = self._error(signed_images(stored, self.config.image_size))
        return PeerScores({ScoreKind.PEER: error.mean(dim=(1, 2))}, error)

    def _error(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error over variance, and log-variance (0 for AE), both (B, H, W)."""
        found = self.network(images)
        squared = (found[:, 0] - images[:, 0]).square()
        if not self._uncertain:
            return squared, torch.zeros_like(squared)
        return torch.exp(-found[:, 1]) * squared, found[:, 1]
