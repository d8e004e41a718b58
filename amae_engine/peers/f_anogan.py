"""f-AnoGAN ([23]): a Wasserstein GAN of normal images, then an encoder into its latent space."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor, nn

from amae_engine.config import Precision, ScoreKind
from amae_engine.config.peers import PeerConfig
from amae_engine.events import Event
from amae_engine.method.training_loop import Update
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages, signed_images
from amae_engine.peers.fitting import Phase, fit_phases
from amae_engine.peers.residual_networks import ResidualEncoder, ResidualGenerator, layer_norm

_LATENT = 128
_CRITIC_STEPS = 5  # for each step of the generator
_PENALTY = 10.0  # of the gradient's norm
_FEATURES = 1.0  # κ, weight of the critic's features
_GAN_BETAS = (0.0, 0.9)
_ENCODER_RATE = 5e-5


class FAnoGan(Peer):
    """izi_f: the encoder is trained on image → latent → image and on the critic's features."""

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        size, width = config.image_size, config.width
        self.generator = ResidualGenerator(size, width, _LATENT)
        self.critic = ResidualEncoder(size, width, 1, layer_norm)
        self.encoder = nn.Sequential(
            ResidualEncoder(size, width, _LATENT, nn.BatchNorm2d), nn.Tanh()
        )

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """First the GAN, then the encoder while the GAN stays as it is.

        In float32: the penalty is on the gradient of a gradient.
        """
        phases = [self._gan(training), self._inversion(training)]
        yield from fit_phases(self, phases, run_id, checkpoint, Precision.FLOAT32)

    def score(self, stored: Tensor) -> PeerScores:
        """Error of the image, and κ times that of the critic's features."""
        images = signed_images(stored, self.config.image_size)
        with torch.no_grad():
            error, features = self._errors(images)
        total = error.mean(dim=(1, 2)) + _FEATURES * features.mean(dim=1)
        return PeerScores({ScoreKind.PEER: total}, error)

    def _errors(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Squared errors of images (B, H, W) and of the critic's features (B, k)."""
        made = self.generator(self.encoder(images))
        error = (images - made)[:, 0].square()
        return error, (self.critic.features(images) - self.critic.features(made)).square()

    def _gan(self, training: TrainingImages) -> Phase:
        rate = self.config.learning_rate
        judge, maker = (
            torch.optim.Adam(network.parameters(), lr=rate, betas=_GAN_BETAS, fused=True)
            for network in (self.critic, self.generator)
        )

        def critic_loss(stored: Tensor, latent: Tensor, share: Tensor, _other: Tensor) -> Tensor:
            real = signed_images(stored, self.config.image_size)
            with torch.no_grad():
                made = self.generator(latent)
            distance = self.critic(made).mean() - self.critic(real).mean()
            return distance + _PENALTY * self._gradient_penalty(real, made, share)

        def generator_loss(
            _stored: Tensor, _latent: Tensor, _share: Tensor, other: Tensor
        ) -> Tensor:
            return -self.critic(self.generator(other)).mean()

        networks = nn.ModuleList((self.critic, self.generator))
        updates = (Update(critic_loss, judge), Update(generator_loss, maker, _CRITIC_STEPS))
        return Phase("GAN", networks, training.trained, updates, draw=_gan_draws)

    def _gradient_penalty(self, real: Tensor, made: Tensor, share: Tensor) -> Tensor:
        between = torch.lerp(made, real, share).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    def _inversion(self, training: TrainingImages) -> Phase:
        optimizer = torch.optim.RMSprop(self.encoder.parameters(), lr=_ENCODER_RATE)

        def keep_the_gan(_epoch: int) -> None:
            self.generator.eval()
            self.critic.eval()

        def loss(stored: Tensor, _seeds: Tensor) -> Tensor:
            error, features = self._errors(signed_images(stored, self.config.image_size))
            return error.mean() + _FEATURES * features.mean()

        updates = (Update(loss, optimizer),)
        return Phase("encoder", self.encoder, training.trained, updates, prepare=keep_the_gan)


def _gan_draws(images: int, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A critic step's latents (B, k) and mixing shares (B, 1, 1, 1), a generator step's latents."""
    latent = torch.randn(2, images, _LATENT, generator=random, device=random.device)
    share = torch.rand(images, 1, 1, 1, generator=random, device=random.device)
    return latent[0], share, latent[1]
