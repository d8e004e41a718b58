"""Read a model file: checked by size, name and digest before any of it is used; nothing in it is run."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from amae_engine.config import ScoreConfig, ScoreKind
from amae_engine.errors import BadInput, BadWeights
from amae_engine.jobs.confounders.matching_file import FactStrata
from amae_engine.jobs.scoring.detector import (
    ARRAYS,
    CLASSIFIER,
    ENCODER,
    MODULES,
    START,
    Detector,
    load_detector,
)
from amae_engine.jobs.training.starting_weights import SHIPPED
from amae_engine.resources import resource
from amae_engine.runs.inputs import file_digest

FORMAT = 1
SUFFIX = ".amae"
FACTS = "model.json"
TENSORS = ".safetensors"
_DIGEST = "digest"
_LARGEST = 4_000_000_000  # bytes of a member
_LARGEST_FACTS = 10_000_000
_LARGEST_SIDE = 4096
_AT_ONCE = 1 << 22
_REFERENCES = 2  # synthetic images
_DEVIATES = 1e-3  # of the largest reference output


@dataclass(frozen=True, slots=True)
class Model:
    """A model file whose facts are those that were written.

    Attributes:
        digest: SHA-256 of its facts, which name every member's: the model's own.
        facts: As `write_model` wrote them.
    """

    path: Path
    digest: str
    facts: dict[str, Any]

    @property
    def title(self) -> str:
        """Its name and what tells it from others of that name."""
        return f"{self.facts['name']} ({self.digest[:12]})"

    @property
    def kinds(self) -> tuple[ScoreKind, ...]:
        """The scores that it gives."""
        return tuple(ScoreKind(name) for name in self.facts["scores"])

    @property
    def leading(self) -> ScoreKind:
        """The score that it is read by."""
        return ScoreKind(self.facts["leading"]["score"])


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to rate images.

    Attributes:
        deviations: Where this machine's numbers are not those of the machine that wrote it.
    """

    model: Model
    detector: Detector
    deviations: tuple[str, ...]


def read_model(path: Path) -> Model:
    """What a model file says of itself; its weights are not read.

    Raises:
        BadInput: It is no model, is damaged, was changed, or is of a newer AMAE.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            names = zipped.namelist()
            if names.count(FACTS) != 1 or zipped.getinfo(FACTS).file_size > _LARGEST_FACTS:
                raise BadInput(f"{path.name} is no model of AMAE: it has no {FACTS}.")
            facts = json.loads(zipped.read(FACTS))
            if int(facts["format"]) > FORMAT:
                raise BadInput(
                    f"{path.name} was written by a newer AMAE (model format {facts['format']}, this "
                    f"one reads up to {FORMAT}); update AMAE to use it."
                )
            stated = facts.pop(_DIGEST)
            if stated != facts_digest(facts):
                raise BadInput(f"{path.name} was changed after it was written; ask for it again.")
            _require_members(path, zipped, facts)
            model = Model(path, stated, facts)
            if model.leading not in model.kinds or not 0 < int(facts["side"]) <= _LARGEST_SIDE:
                raise ValueError
            return model
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read ({error.strerror or 'no file'}).") from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError,
            RecursionError, NotImplementedError, EOFError) as error:  # fmt: skip
        if isinstance(error, BadInput):
            raise
        raise BadInput(
            f"{path.name} is no model of AMAE, or is damaged; ask for it again."
        ) from error


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


def facts_digest(facts: Mapping[str, Any]) -> str:
    """SHA-256 of a model's facts, whatever order they are in."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def with_digest(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A model's facts, as JSON will have them, with their digest."""
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return {**plain, _DIGEST: facts_digest(plain)}


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


def _require_members(path: Path, zipped: zipfile.ZipFile, facts: Mapping[str, Any]) -> None:
    """Every member that the model names is there in its size, and no other."""
    members, elsewhere = facts["members"], facts["shipped"]
    has = {*members, *elsewhere}
    allowed = {CLASSIFIER, ARRAYS, START, ENCODER, *MODULES}
    needed = {CLASSIFIER, ARRAYS, START} | (set(MODULES) if has & set(MODULES) else set())
    if not needed <= has <= allowed or set(members) & set(elsewhere):
        raise BadInput(f"{path.name} is no whole model: it lacks parts, or has parts too many.")
    expected = sorted([FACTS, *(f"{name}{TENSORS}" for name in members)])
    if sorted(zipped.namelist()) != expected:
        raise BadInput(
            f"{path.name} does not hold the files that it names; it was changed or cut: ask for it "
            f"again."
        )
    for name, stated in members.items():
        info = zipped.getinfo(f"{name}{TENSORS}")
        is_plain = info.compress_type == zipfile.ZIP_STORED
        if not is_plain or info.file_size != int(stated["bytes"]) or info.file_size > _LARGEST:
            raise BadInput(f"{path.name}: {info.filename} does not have the size that it states.")


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
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        if isinstance(error, BadInput):
            raise
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
