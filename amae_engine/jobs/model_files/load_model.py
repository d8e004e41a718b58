"""Load a model file: checked by size, name and digest before any of it is used; nothing in it is run."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from amae_engine.config import ScoreConfig
from amae_engine.errors import BadInput, BadWeights
from amae_engine.jobs.confounders.matching_file import FactStrata
from amae_engine.jobs.model_files.read_model import TENSORS, Model, read_model
from amae_engine.jobs.scoring.detector import Detector, load_detector
from amae_engine.jobs.training.starting_weights import SHIPPED
from amae_engine.resources import resource
from amae_engine.runs.inputs import file_digest

_AT_ONCE = 1 << 22
_REFERENCES = 2  # synthetic images
_DEVIATES = 1e-3  # of the largest reference output


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to rate images.

    Attributes:
        deviations: Where this machine's numbers are not those of the machine that wrote it.
    """

    model: Model
    detector: Detector
    deviations: tuple[str, ...]


def load_model(path: Path, device: torch.device, with_maps: bool = False) -> LoadedModel:
    """A model that can rate images, checked by its digests and by its reference outputs.

    Args:
        path: The file.
        device: Where it works.
        with_maps: Whether it makes maps.

    Raises:
        BadInput: As `read_model`, or a member is not what the model says.
    """
    model = read_model(path)
    with TemporaryDirectory(prefix="amae-") as place:
        files = {**_unpacked(model, Path(place)), **_shipped_files(model)}
        try:
            detector = detector_of(files, model.facts, device, with_maps)
            deviations = _deviations(model, detector)
        except (BadWeights, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise BadInput(
                f"{path.name}: its parts do not fit together, or belong to another encoder; ask for "
                f"the model again."
            ) from error
    return LoadedModel(model, detector, deviations)


def detector_of(
    files: Mapping[str, Path], facts: Mapping[str, Any], device: torch.device, with_maps: bool
) -> Detector:
    """The detector of a model's files.

    Args:
        files: By their names in the model.
        facts: The model's.
        device: Where it works.
        with_maps: Whether it makes maps.
    """
    strata = facts["strata"]
    return load_detector(
        files,
        ScoreConfig.from_dict(facts["score_settings"]),
        tuple(facts["heads"]),
        None if strata is None else FactStrata(strata["fact"], strata["numbers"]),
        device,
        with_maps,
    )


def reference_images(side: int) -> npt.NDArray[np.uint8]:
    """Synthetic images (2, S, S): waves, the same on every machine."""
    x = 2 * np.pi * np.arange(side) / side
    waves = [
        np.rint(127.5 + 100 * np.outer(np.cos((k + 2) * x), np.sin((k + 1) * x)))
        for k in range(_REFERENCES)
    ]
    return np.stack(waves).astype(np.uint8)


def shipped(name: str) -> Path | None:
    """The file of an encoder that ships with AMAE; None for another one."""
    if name == "foundation":
        return resource("weights/foundation.safetensors")
    return resource(f"weights/{SHIPPED[name]}") if name in SHIPPED else None


def _unpacked(model: Model, folder: Path) -> dict[str, Path]:
    """The members in a folder, by name.

    Raises:
        BadInput: One is not what the model says.
    """
    found = {}
    try:
        with zipfile.ZipFile(model.path) as zipped:
            for name, stated in model.facts["members"].items():
                found[name] = folder / f"{name}{TENSORS}"
                digest = hashlib.sha256()
                with zipped.open(f"{name}{TENSORS}") as source, found[name].open("wb") as target:
                    while block := source.read(_AT_ONCE):
                        digest.update(block)
                        target.write(block)
                if digest.hexdigest() != stated["sha256"]:
                    raise BadInput(
                        f"{model.path.name}: {name}{TENSORS} is not the file that the model names; it "
                        f"was changed: ask for it again."
                    )
    except OSError as error:
        raise BadInput(
            f"{model.path.name} cannot be unpacked into the folder for temporary files "
            f"({error.strerror or error})."
        ) from error
    except (zipfile.BadZipFile, EOFError) as error:
        raise BadInput(f"{model.path.name} is damaged ({error}); ask for it again.") from error
    return found


def _shipped_files(model: Model) -> dict[str, Path]:
    """Encoders that AMAE has itself, by their names in the model.

    Raises:
        BadInput: This AMAE does not have the one that the model was made with.
    """
    found = {}
    for member, stated in model.facts["shipped"].items():
        file = shipped(str(stated["ships_as"]))
        if file is None or file_digest(file) != stated["sha256"]:
            raise BadInput(
                f"{model.path.name} stands on the encoder '{stated['ships_as']}' that came with AMAE "
                f"{model.facts['made_by'].get('amae', '')}; this AMAE has another one. Use that version."
            )
        found[member] = file
    return found


def _deviations(model: Model, detector: Detector) -> tuple[str, ...]:
    """What is said of reference outputs that this machine does not give."""
    rated = detector.rate(reference_images(int(model.facts["side"])), None).scores
    found = []
    for kind in model.kinds:
        stated = np.array(model.facts["reference"][kind], dtype=np.float64)
        gap = float(np.abs(rated[kind] - stated).max() / max(np.abs(stated).max(), 1e-9))
        if not gap <= _DEVIATES:
            found.append(
                f"{kind.label} of the model's reference images deviates by {100 * gap:.2g} % from what "
                f"the machine that wrote it got: scores may not be comparable."
            )
    return tuple(found)
