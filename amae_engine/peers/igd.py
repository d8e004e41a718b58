"""IGD ([7]): an autoencoder whose latent codes are a Gaussian and interpolate without a seam.

[7] starts from an encoder that was pre-trained on ImageNet and keeps it; here it is trained too.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor, nn

from amae_engine.config import Precision, ScoreKind
from amae_engine.config.peers import PeerConfig
from amae_engine.events import Event
from amae_engine.method.stored_images import StoredImages, split_rows
from amae_engine.method.training_loop import Update
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages, grey_images
from amae_engine.peers.fitting import Phase, fit_phases
from amae_engine.peers.residual_networks import ResidualEncoder, ResidualGenerator, layer_norm
from amae_engine.peers.structural_similarity import multi_scale_ssim

_LATENT = 128
_SCALES = (0.0516, 0.3295, 0.3463, 0.2726)  # MS-SSIM's weights
_SSIM = 0.85  # next to L1
_INTERPOLATION = 0.1
_CRITIC_SHARE = 0.2  # γ: how far a reconstruction goes to its image before the critic sees it
_CENTRE_EVERY = 10  # epochs
_NEAREST = 0.1  # a unit of the centre to 0, which a network without weights would match


class Igd(Peer):
    """Scored half by MS-SSIM and L1, half by the distance to the Gaussian's centre."""

    centre: Tensor
    spread: Tensor

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        size, width = config.image_size, config.width
        self.encoder = ResidualEncoder(size, width, _LATENT, nn.BatchNorm2d)
        self.generator = ResidualGenerator(size, width, _LATENT)
        self.critic = ResidualEncoder(size, width, 1, layer_norm)
        self.register_buffer("centre", torch.zeros(_LATENT))
        self.register_buffer("spread", torch.ones(()))

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Autoencoder against a critic that tells interpolated codes; rate falls as (1 − t)^0.9.

        In float32: the Gaussian's exponent leaves a bf16's range.
        """
        rate = self.config.learning_rate
        own = [*self.encoder.parameters(), *self.generator.parameters()]
        critic = self.critic.parameters()
        updates = (
            Update(self._own_loss, torch.optim.Adam(own, lr=rate, fused=True)),
            Update(self._critic_loss, torch.optim.Adam(critic, lr=rate, fused=True)),
        )
        only = Phase(
            "",
            self,
            training.trained,
            updates,
            rate=lambda done: (1 - done) ** 0.9,
            draw=_shares,
            prepare=lambda epoch: self._describe(training.trained, epoch),
        )
        yield from fit_phases(self, [only], run_id, checkpoint, Precision.FLOAT32)

    def score(self, stored: Tensor) -> PeerScores:
        """The mean of both parts; IGD has no map of whole images."""
        images = grey_images(stored, self.config.image_size)
        with torch.no_grad():
            codes = self.encoder(images)
            error = self._dissimilarity(images, self._decoded(codes))
            return PeerScores({ScoreKind.PEER: 0.5 * error + 0.5 * self._distance(codes)})

    def _own_loss(self, stored: Tensor, share: Tensor) -> Tensor:
        images = grey_images(stored, self.config.image_size)
        codes = self.encoder(images)
        fooled = self._judged(self._between(codes, share)).square().mean()
        loss = self._dissimilarity(images, self._decoded(codes)) + self._distance(codes)
        return loss.mean() + _INTERPOLATION * fooled

    def _critic_loss(self, stored: Tensor, share: Tensor) -> Tensor:
        images = grey_images(stored, self.config.image_size)
        with torch.no_grad():
            codes = self.encoder(images)
            between = self._between(codes, share)
            nearer = torch.lerp(self._decoded(codes), images, _CRITIC_SHARE)
        seen = (self._judged(between) - share).square()
        return seen.mean() + self._judged(nearer).square().mean()

    def _between(self, codes: Tensor, share: Tensor) -> Tensor:
        """Images decoded between each code and another one's."""
        return self._decoded(share * codes + (1 - share) * codes.flip(0))

    def _decoded(self, codes: Tensor) -> Tensor:
        images: Tensor = self.generator(codes).float() / 2 + 0.5
        return images

    def _judged(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.critic(images))

    def _dissimilarity(self, images: Tensor, made: Tensor) -> Tensor:
        difference = (images - made).abs().mean(dim=(1, 2, 3))
        similar = multi_scale_ssim(images, made, _SCALES)
        return _SSIM * (1 - similar) + (1 - _SSIM) * difference

    def _distance(self, codes: Tensor) -> Tensor:
        """1 − the Gaussian's value at each code (B,)."""
        return 1 - torch.exp(-(codes - self.centre).square().sum(dim=1) / self.spread)

    def _describe(self, stored: StoredImages, epoch: int) -> None:
        """Centre and spread of all codes, anew every tenth epoch."""
        if epoch % _CENTRE_EVERY:
            return
        self.eval()
        batches = stored.batches(split_rows(len(stored), self.config.batch_size))
        with torch.no_grad():
            codes = [self.encoder(grey_images(batch, self.config.image_size)) for batch in batches]
        mean = torch.cat(codes).mean(dim=0)
        self.centre.copy_(mean.abs().clamp(min=_NEAREST).copysign(mean))
        squared = [(each - self.centre).square().sum(dim=1).mean() for each in codes]
        self.spread.copy_(torch.stack(squared).clamp(min=1).mean())
        self.train()


def _shares(images: int, random: torch.Generator) -> tuple[Tensor]:
    """How far each code goes to another one (B, 1), at most half of the way."""
    return (0.5 * torch.rand(images, 1, generator=random, device=random.device),)
