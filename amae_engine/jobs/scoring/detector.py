"""Everything that rates an image, together: stage 1, the two modules, the grey statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from amae_engine.config import Precision, ScoreConfig, ScoreKind
from amae_engine.evaluation.gaussian import Gaussian
from amae_engine.evaluation.grey_statistics import grey_features
from amae_engine.jobs.confounders.matching_file import FactStrata
from amae_engine.jobs.scoring.make_maps import FrozenPart, Made, MapMaker, ProbeAlone, module_maps
from amae_engine.jobs.scoring.part_names import ARRAYS, CLASSIFIER, ENCODER, MODULES, START
from amae_engine.jobs.scoring.stage1_detector import ENCODED_AT_ONCE, Stage1Detector, Strata
from amae_engine.method.token_modules import TokenBasis
from amae_engine.method.unlabeled_probe import Probe, ProbeMaps
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.checkpoint import load_weights
from amae_engine.models.encoders import FrozenEncoder, SideBySide, load_encoder
from amae_engine.models.safetensors_file import read_safetensors

_GAUSSIAN, _BASIS = ("centre", "precision"), ("mean", "axes")
_PROBE = ("direction", "offset", "map_direction", "stratum_offset")
_MAPS = ("direction", "normal_shares", "weights")


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is kept of a detector besides networks, all of it arrays.

    Attributes:
        density: Of the normal images' features; `grey` of their grey statistics.
        probe, probe_maps: None without one.
        basis: Of modules over tokens; None over pixels, and without stage 2.
    """

    density: Gaussian
    grey: Gaussian
    probe: Probe | None
    probe_maps: ProbeMaps | None
    basis: TokenBasis | None

    def tensors(self) -> dict[str, Tensor]:
        """As tensors by name."""
        found: dict[str, Any] = {}
        for name, part, fields in (
            ("density", self.density, _GAUSSIAN),
            ("grey", self.grey, _GAUSSIAN),
            ("probe", self.probe, _PROBE),
            ("maps", self.probe_maps, _MAPS),
            ("basis", self.basis, _BASIS),
        ):
            if part is not None:
                found |= {f"{name}.{field}": getattr(part, field) for field in fields}
        return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """What `tensors` gave.

        Raises:
            KeyError: A tensor is missing.
        """

        def part(name: str, fields: tuple[str, ...]) -> list[Any] | None:
            if not any(each.startswith(f"{name}.") for each in tensors):
                return None
            return [tensors[f"{name}.{field}"].numpy() for field in fields]

        density, grey = part("density", _GAUSSIAN), part("grey", _GAUSSIAN)
        if density is None or grey is None:
            raise KeyError("density")
        probe, maps, basis = part("probe", _PROBE), part("maps", _MAPS), part("basis", _BASIS)
        if probe is not None:
            probe[1] = float(probe[1])
        return cls(
            Gaussian(*density),
            Gaussian(*grey),
            None if probe is None else Probe(*probe),
            None if maps is None else ProbeMaps(*maps),
            None if basis is None else TokenBasis(*basis),
        )


@dataclass(frozen=True, slots=True)
class Detector:
    """Scores and maps of any image.

    Attributes:
        maker: Of stage 2's scores and of maps; None where there is neither.
    """

    stage1: Stage1Detector
    grey: Gaussian
    maker: MapMaker | None
    device: torch.device

    def rate(self, stored: np.ndarray, strata: Strata | None) -> Made:
        """Every score and map of stored images (B, S, S) uint8; `strata` (B,) as stage 1 has them."""
        images = torch.from_numpy(stored).to(self.device)
        scores, tokens = self.stage1.rate(images, strata, min(ENCODED_AT_ONCE, len(images)))
        scores[ScoreKind.GREY_STATISTICS] = self.grey.distance(grey_features(stored))
        if self.maker is None:
            return Made(scores, {})
        made = self.maker.make(images, min(self.maker.at_once, len(images)), tokens)
        return Made(scores | made.scores, made.maps)


def load_detector(
    files: Mapping[str, Path],
    config: ScoreConfig,
    heads: tuple[int, ...],
    strata: FactStrata | None,
    device: torch.device,
    with_maps: bool,
) -> Detector:
    """A detector of its files, in float32: the same numbers on any machine, to rounding.

    Args:
        files: `START`, `CLASSIFIER` and `ARRAYS`; `ENCODER` where it has a second one, `MODULES` where
            it has stage 2.
        config: Of the score run.
        heads: Attention heads of the starting weights, for a file that does not tell them.
        strata: As in `Stage1Detector`.
        device: Where it works.
        with_maps: Make maps too; they take as long again.

    Raises:
        BadWeights: A file is damaged.
        KeyError: An array is missing.
    """
    config = replace(config, precision=Precision.FLOAT32)
    network = load_weights(files[START], heads=heads).network
    encoder: FrozenEncoder = network
    if ENCODER in files:
        encoder = SideBySide((load_encoder(files[ENCODER]), network)).requires_grad_(False)
    encoder = encoder.to(device).eval()
    learnt = Learnt.of_tensors(read_safetensors(files[ARRAYS])[0])
    classifier = AnomalyClassifier(encoder.token_width)
    classifier.load_state_dict(read_safetensors(files[CLASSIFIER])[0])
    stage1 = Stage1Detector(
        encoder,
        config.precision,
        classifier.to(device).eval(),
        learnt.density,
        learnt.probe,
        strata,
    )
    frozen = FrozenPart(encoder, learnt.probe_maps if with_maps else None, config.precision)
    maker: MapMaker | None = None
    if MODULES[0] in files:
        modules = [load_weights(files[name]).network.to(device).eval() for name in MODULES]
        maker = module_maps(modules, config, frozen, learnt.basis)
    elif frozen.probe is not None:
        maker = ProbeAlone(frozen)
    return Detector(stage1, learnt.grey, maker, device)
