"""The paper's own ablations as peers: Mask Rec., and stage 2 without pseudo-labels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor

from amae_engine.config import Precision, ScoreConfig, ScoreKind, Stage2Config, TrainingConfig
from amae_engine.config.peers import PeerConfig
from amae_engine.events import Event
from amae_engine.method.compute_device import random_generator
from amae_engine.method.discrepancy import compare_modules, reconstructions
from amae_engine.method.features import whole_images
from amae_engine.method.masking import Masks, scoring_masks
from amae_engine.method.stage2 import Module, adapt_module
from amae_engine.method.stored_images import StoredImages
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages

_WARMUP_SHARE = 20 / 150  # of the epochs, as in the paper


class AmaeVariant(Peer):
    """Adapts masked autoencoders as stage 2 does and scores with the paper's masks."""

    def __init__(self, config: PeerConfig, shape: MaskedAutoencoder) -> None:
        super().__init__(config)
        self._shape = shape.config

    def facts(self) -> dict[str, str]:
        """The shape of the masked autoencoder."""
        return {"model": self._shape.to_json()}

    @abstractmethod
    def score(self, stored: Tensor) -> PeerScores:
        """See `Peer.score`."""

    def _adapt(
        self,
        network: MaskedAutoencoder,
        stored: StoredImages,
        module: str,
        run_id: int,
        checkpoint: Path,
    ) -> Generator[Event, None, None]:
        epochs = self.config.epochs
        training = TrainingConfig(
            epochs=epochs,
            warmup_epochs=round(epochs * _WARMUP_SHARE),
            batch_size=self.config.batch_size,
            learning_rate=self.config.learning_rate,
            seed=self.config.seed,
            precision=self.config.precision,
        )
        own = checkpoint.with_stem(f"{checkpoint.stem}_{module.lower()}")
        yield from adapt_module(
            network, stored, Module(module, Stage2Config(training=training), run_id, own)
        )

    def _images_and_masks(self, stored: Tensor) -> tuple[Tensor, Masks]:
        settings = ScoreConfig()
        masks = scoring_masks(
            settings.masks_per_image,
            self._shape.patches,
            settings.mask_ratio,
            settings.mask_plan,
            random_generator(stored.device, self.config.seed),
        )
        return whole_images(stored, self._shape.image_size), masks


class MaskReconstruction(AmaeVariant):
    """One masked autoencoder on all images, scored by its reconstruction error."""

    def __init__(self, config: PeerConfig, start: MaskedAutoencoder) -> None:
        super().__init__(config, start)
        self.network = start

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Adapt to N, or to N ∪ U under protocol Y."""
        yield from self._adapt(self.network, training.trained, "A", run_id, checkpoint)

    def score(self, stored: Tensor) -> PeerScores:
        """The squared error of the mean of L reconstructions, map and mean."""
        images, masks = self._images_and_masks(stored)
        patches = self.network.patchify(images)
        seen = reconstructions(self.network, patches, masks, Precision.AUTO)  # (B, L, T, p²)
        error = (images - self.network.unpatchify(seen.mean(dim=1)))[:, 0].square()
        return PeerScores({ScoreKind.PEER: error.mean(dim=(1, 2))}, error)


class NoPseudoLabels(AmaeVariant):
    """Module A on N, module B on all of U, compared as in Eq. 4."""

    def __init__(self, config: PeerConfig, start: MaskedAutoencoder) -> None:
        super().__init__(config, start)
        self.module_a = start
        self.module_b = MaskedAutoencoder(start.config)
        self.module_b.load_state_dict(start.state_dict())

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Adapt both modules, each from (f0, g0)."""
        yield from self._adapt(self.module_a, training.normal, "A", run_id, checkpoint)
        yield from self._adapt(self.module_b, training.unlabeled, "B", run_id, checkpoint)

    def score(self, stored: Tensor) -> PeerScores:
        """A_inter with its map, and the likelihood ratio of the same modules."""
        images, masks = self._images_and_masks(stored)
        with torch.no_grad():
            maps = compare_modules(self.module_a, self.module_b, images, masks, Precision.AUTO)
        means = {
            ScoreKind.PEER: maps.discrepancy.mean(dim=(1, 2)),
            ScoreKind.LIKELIHOOD_RATIO: maps.likelihood_ratio.mean(dim=(1, 2)),
        }
        return PeerScores(means, maps.discrepancy)
