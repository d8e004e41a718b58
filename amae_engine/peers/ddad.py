"""DDAD-AE ([5]): two modules of three autoencoders each, and their disagreement.

[5] calls its modules the other way round than AMAE does; here they are named by what they learn.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor, nn

from amae_engine.config import ScoreKind
from amae_engine.config.peers import PeerConfig, Protocol
from amae_engine.events import Event
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.training_loop import Update
from amae_engine.peers.autoencoder import BETAS
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages, signed_images
from amae_engine.peers.conv_autoencoder import ConvAutoencoder
from amae_engine.peers.fitting import Phase, fit_phases

_NETWORKS = 3


class Ddad(Peer):
    """The normal module learns N; under protocol Y a second module learns N ∪ U."""

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        self.normal_module = self._module()
        self.mixed_module = self._module() if config.protocol is Protocol.Y else None

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Train each network on its own, with its own order of the images."""
        phases = self._phases("normal module", self.normal_module, training.normal)
        if self.mixed_module is not None:
            phases += self._phases("mixed module", self.mixed_module, training.trained)
        yield from fit_phases(self, phases, run_id, checkpoint)

    def score(self, stored: Tensor) -> PeerScores:
        """A_rec and A_intra of the normal module; A_inter between both under protocol Y."""
        images = signed_images(stored, self.config.image_size)
        with torch.no_grad():
            normal = torch.stack([network(images)[:, 0] for network in self.normal_module])
            mean = normal.mean(dim=0)
            intra = normal.std(dim=0)
            scores = {ScoreKind.PEER_RECONSTRUCTION: (images[:, 0] - mean).square()}
            if self.mixed_module is None:
                scores[ScoreKind.PEER] = intra
            else:
                mixed = torch.stack([network(images)[:, 0] for network in self.mixed_module])
                scores[ScoreKind.PEER_INTRA] = intra
                scores[ScoreKind.PEER] = (mean - mixed.mean(dim=0)).abs()
        means = {kind: values.mean(dim=(1, 2)) for kind, values in scores.items()}
        return PeerScores(means, scores[ScoreKind.PEER])

    def _module(self) -> nn.ModuleList:
        size, latent = self.config.image_size, self.config.latent
        return nn.ModuleList(ConvAutoencoder(size, latent=latent) for _ in range(_NETWORKS))

    def _phases(self, name: str, module: nn.ModuleList, images: StoredImages) -> list[Phase]:
        return [
            self._phase(f"{name} {number}/{_NETWORKS}", network, images)
            for number, network in enumerate(module, start=1)
        ]

    def _phase(self, name: str, network: nn.Module, images: StoredImages) -> Phase:
        rate = self.config.learning_rate
        optimizer = torch.optim.Adam(network.parameters(), lr=rate, betas=BETAS, fused=True)

        def loss(stored: Tensor, _seeds: Tensor) -> Tensor:
            seen = signed_images(stored, self.config.image_size)
            return (network(seen) - seen).square().mean()

        return Phase(name, network, images, (Update(loss, optimizer),))
