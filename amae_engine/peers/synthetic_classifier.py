"""CutPaste ([14]) and AnatPaste ([22]): features that tell images from synthetic anomalies."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from amae_engine.config import ScoreKind, Synthesis
from amae_engine.config.peers import PeerConfig
from amae_engine.events import Event
from amae_engine.method.stored_images import StoredImages, split_rows
from amae_engine.method.training_loop import Update
from amae_engine.peers.backbones import make_backbone
from amae_engine.peers.contract import Peer, PeerScores, TrainingImages, grey_images, seeded
from amae_engine.peers.fitting import Phase, cosine, fit_phases
from amae_engine.synthesis.cutpaste import jittered
from amae_engine.synthesis.synthesis import synthesise

_HEAD = (512, 128)
_MOMENTUM, _WEIGHT_DECAY = 0.9, 3e-5
_BANDWIDTH = 1.0


class SyntheticClassifier(Peer):
    """[22]'s detector: a backbone, a head, SGD; scored by the density of the features.

    The second score is the classifier's own probability.
    """

    known: Tensor

    def __init__(self, config: PeerConfig) -> None:
        super().__init__(config)
        self._synthesis = Synthesis(config.method.value)
        self.needs_lungs = self._synthesis is Synthesis.ANATPASTE
        self.backbone = make_backbone(config)
        layers: list[nn.Module] = []
        width = int(self.backbone.num_features)  # type: ignore[arg-type]
        self.register_buffer("known", torch.zeros(0, width))
        for after in _HEAD:
            layers += [nn.Linear(width, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
            width = after
        self.head = nn.Sequential(*layers, nn.Linear(width, 2))

    def fit(
        self, training: TrainingImages, run_id: int, checkpoint: Path
    ) -> Generator[Event, None, None]:
        """Tell each image from a fresh anomaly made of it; then remember the images' features."""
        networks = nn.ModuleList((self.backbone, self.head))
        optimizer = torch.optim.SGD(
            networks.parameters(),
            lr=self.config.learning_rate,
            momentum=_MOMENTUM,
            weight_decay=_WEIGHT_DECAY,
        )
        lungs = training.lungs
        loss = self._loss_without_lungs if lungs is None else self._loss
        only = Phase(
            "",
            networks,
            training.trained,
            (Update(loss, optimizer),),
            rate=cosine,
            also=None if lungs is None else lungs.batches,
        )
        yield from fit_phases(self, [only], run_id, checkpoint)
        self.known = self._unit_features(training.trained)

    def score(self, stored: Tensor) -> PeerScores:
        """−log density of the features (Gaussian kernels), and P(synthetic)."""
        with torch.no_grad():
            features = self._features(grey_images(stored, self.config.image_size)[:, 0])
            probability = self.head(features).softmax(dim=1)[:, 1]
            near = -torch.cdist(functional.normalize(features), self.known).square()
            density = (near / (2 * _BANDWIDTH**2)).logsumexp(dim=1) - math.log(len(self.known))
        return PeerScores({ScoreKind.PEER: -density, ScoreKind.PEER_SOFTMAX: probability})

    def _loss_without_lungs(self, stored: Tensor, numbers: Tensor) -> Tensor:
        return self._loss(stored, None, numbers)

    def _loss(self, stored: Tensor, lungs: Tensor | None, numbers: Tensor) -> Tensor:
        random = seeded(numbers)
        images = grey_images(stored, self.config.image_size)[:, 0]
        images = jittered(images, torch.ones_like(images, dtype=torch.bool), random)
        inside = None if lungs is None else lungs > 0
        made = synthesise(self._synthesis, images, inside, random).images
        logits = self.head(self._features(torch.cat((images, made))))
        truth = torch.arange(2, device=logits.device).repeat_interleave(len(images))
        return functional.cross_entropy(logits.float(), truth)

    def _features(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone((images * 2 - 1)[:, None])
        return features

    def _unit_features(self, stored: StoredImages) -> Tensor:
        """Features (n, d) of length 1 of unchanged images."""
        self.eval()
        size = self.config.image_size
        batches = stored.batches(split_rows(len(stored), self.config.batch_size))
        with torch.no_grad():
            found = [self._features(grey_images(batch, size)[:, 0]) for batch in batches]
        return functional.normalize(torch.cat(found))
