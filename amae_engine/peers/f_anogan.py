"""f-AnoGAN ([23]): a Wasserstein GAN of normal images, then an encoder into its latent space."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor, nn

from amae_engine.config import ScoreKind
from amae_engine.events import Event
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages, signed_images, update
from amae_engine.peers.fitting import Phase, fit_phases
from amae_engine.peers.methods import PeerConfig
from amae_engine.peers.residual_networks import ResidualEncoder, ResidualGenerator, layer_norm

_LATENT = 128
_CRITIC_STEPS = 5  # for each step of the generator
_PENALTY = 10.0  # of the gradient's norm
_FEATURES = 1.0  # κ, weight of the critic's features
_GAN_BETAS = (0.0, 0.9)
_ENCODER_RATE = 5e-5


class FAnoGan(Peer):
    """izi_f: the encoder is trained on image → latent → image and on the critic's features."""

    critic_steps: Tensor

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        size, width = config.image_size, config.width
        self.generator = ResidualGenerator(size, width, _LATENT)
        self.critic = ResidualEncoder(size, width, 1, layer_norm)
        self.encoder = nn.Sequential(
            ResidualEncoder(size, width, _LATENT, nn.BatchNorm2d), nn.Tanh()
        )
        self.register_buffer("critic_steps", torch.zeros((), dtype=torch.long))

    def fit(
        self, stored: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """First the GAN, then the encoder while the GAN stays as it is."""
        phases = [self._gan(stored), self._inversion(stored)]
        yield from fit_phases(self, phases, run_id, checkpoint)

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

    def _gan(self, stored: TrainingImages) -> Phase:
        rate = self.config.learning_rate
        judge, maker = (
            torch.optim.Adam(network.parameters(), lr=rate, betas=_GAN_BETAS)
            for network in (self.critic, self.generator)
        )

        def step(batch: Tensor, _rows: Tensor, random: torch.Generator) -> Tensor:
            real = signed_images(batch, self.config.image_size)
            with torch.no_grad():
                made = self.generator(_latent(len(real), random))
            distance = self.critic(made).mean() - self.critic(real).mean()
            loss = update(judge, distance + _PENALTY * self._gradient_penalty(real, made, random))
            self.critic_steps += 1
            if int(self.critic_steps) % _CRITIC_STEPS == 0:
                update(maker, -self.critic(self.generator(_latent(len(real), random))).mean())
            return loss

        return Phase("GAN", stored.trained, step, (judge, maker))

    def _gradient_penalty(self, real: Tensor, made: Tensor, random: torch.Generator) -> Tensor:
        share = torch.rand(len(real), 1, 1, 1, generator=random, device=random.device)
        between = torch.lerp(made, real, share).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    def _inversion(self, stored: TrainingImages) -> Phase:
        optimizer = torch.optim.RMSprop(self.encoder.parameters(), lr=_ENCODER_RATE)

        def keep_the_gan(_epoch: int) -> None:
            self.generator.eval()
            self.critic.eval()

        def step(batch: Tensor, _rows: Tensor, _random: torch.Generator) -> Tensor:
            error, features = self._errors(signed_images(batch, self.config.image_size))
            return update(optimizer, error.mean() + _FEATURES * features.mean())

        return Phase("encoder", stored.trained, step, (optimizer,), prepare=keep_the_gan)


def _latent(count: int, random: torch.Generator) -> Tensor:
    return torch.randn(count, _LATENT, generator=random, device=random.device)
