"""Stage 1's scores of any image, from what its run keeps; the images that it learnt from are not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from amae_engine.catalog import runs, studies
from amae_engine.catalog.image_facts import RECORDED
from amae_engine.catalog.tables import Split
from amae_engine.config import Precision, ScoreKind, Stage1Config
from amae_engine.errors import NotReady
from amae_engine.evaluation.gaussian import Gaussian
from amae_engine.jobs.confounders.matching_file import FactStrata, read_matching
from amae_engine.jobs.pseudo_labels.unlabeled_scores import load_probe
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE, frozen_encoder
from amae_engine.jobs.training.train_stage1 import CLASSIFIER_FILE, FEATURES_FILE, NORMAL_FOLDS
from amae_engine.method.features import encode_batch, encode_tokens, normal_density, whole_images
from amae_engine.method.memory import equal_parts
from amae_engine.method.stage1 import anomaly_probability
from amae_engine.method.unlabeled_probe import Probe
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.encoders import FrozenEncoder
from amae_engine.models.safetensors_file import read_safetensors
from amae_engine.models.token_groups import group_slice
from amae_engine.project import Project

ENCODED_AT_ONCE = 16  # images

Scores = dict[ScoreKind, npt.NDArray[np.float64]]  # (B,) each
Strata = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stage1Detector:
    """Stage 1's scores as functions of an image.

    Attributes:
        precision: Of the encoder's matrix products.
        density: Of the normal images' features.
        probe: None where there were too few unlabeled images.
        strata: What says an image's stratum; None where nothing is compared within any.
    """

    encoder: FrozenEncoder
    precision: Precision
    classifier: AnomalyClassifier
    density: Gaussian
    probe: Probe | None
    strata: FactStrata | None

    @classmethod
    def of_run(cls, project: Project, stage1: int, device: torch.device) -> Self:
        """That of a stage-1 run, in its own precision.

        Raises:
            BadWeights: The run's encoder is missing.
            NotReady: It has lost its features, or its classifier.
        """
        folder = project.run_folder(stage1)
        with project.session() as session:
            config = Stage1Config.from_dict(runs.get(session, stage1).config)
        for name in (FEATURES_FILE, CLASSIFIER_FILE):
            if not (folder / name).is_file():
                raise NotReady(f"Run {stage1} has lost its {name}; run stage 1 again.")
        encoder = frozen_encoder(project, config, folder / WEIGHTS_FILE).to(device).eval()
        classifier = AnomalyClassifier(encoder.token_width)
        classifier.load_state_dict(read_safetensors(folder / CLASSIFIER_FILE)[0])
        with np.load(folder / FEATURES_FILE) as stored:
            folds = stored.get(NORMAL_FOLDS)
            density = normal_density(stored[Split.NORMAL], folds)
        matched = read_matching(folder)
        return cls(
            encoder,
            config.training.precision,
            classifier.to(device).eval(),
            density,
            load_probe(project, stage1),
            None if matched is None else matched.strata_of_later,
        )

    def rate(self, stored: Tensor, strata: Strata | None, at_once: int) -> tuple[Scores, Tensor]:
        """Scores of images, exactly `at_once` of them at a time: each, to the bit, as alone.

        Args:
            stored: (B, S, S) uint8.
            strata: (B,) −1 for none; None where nothing is compared within any.
            at_once: Images that go through the encoder together.

        Returns:
            The scores, and the tokens (B, T, d) that maps are made of.
        """
        of_map = group_slice(self.encoder.groups, self.encoder.map_group)
        tokens: list[Tensor] = []
        found: list[npt.NDArray[np.float32]] = []
        said: list[npt.NDArray[np.float64]] = []
        for part, count in equal_parts(stored, at_once):
            images = whole_images(part, self.encoder.image_size)
            whole = encode_tokens(self.encoder, images, self.precision)
            mirrored = encode_batch(self.encoder, images.flip(-1), self.precision)
            encoded = torch.stack((whole.mean(dim=1), mirrored), dim=1)  # what the probe rates
            tokens.append(whole[:count, :, of_map])
            said.append(anomaly_probability(self.classifier, encoded[:, 0])[:count].numpy())
            found.append(encoded[:count].cpu().numpy())
        features = np.concatenate(found)
        scores: Scores = {
            ScoreKind.STAGE1_PROBABILITY: np.concatenate(said),
            ScoreKind.MAHALANOBIS: self.density.distance(features[:, 0]),
        }
        if self.probe is not None:
            off = self.probe.stratum_offset[-1 if strata is None else strata]
            rated = [(views @ self.probe.direction).mean() for views in features]
            shifted = np.array(rated) + np.float32(self.probe.offset) - off
            scores[ScoreKind.UNLABELED_PROBE] = shifted.astype(np.float64)
        return scores, torch.cat(tokens)

    def without_stratum(self, strata: Strata | None) -> str:
        """What is said of images that lack the fact by which stage 1 compares; "" where none does."""
        missing = 0 if strata is None else int((strata < 0).sum())
        if self.strata is None or not missing:
            return ""
        why = f"their {self.strata.fact} is unknown, or was rare"
        if not self.strata.fact:
            why = "it matched by several facts together, which are not kept"
        return (
            f"Stage 1 compares images within strata, and {missing} have none ({why}): by "
            f"'{ScoreKind.UNLABELED_PROBE.label}' they are compared with all normal images."
        )

    def strata_of(self, project: Project, image_ids: npt.NDArray[np.int64]) -> Strata | None:
        """The strata (n,) of images in a project; None where nothing is compared within any."""
        if self.strata is None:
            return None
        with project.session() as session:
            rows = studies.rows(session, image_ids.tolist())
        field = RECORDED.get(self.strata.fact, "")
        return self.strata.of([str(getattr(row, field, "")) for row in rows])
