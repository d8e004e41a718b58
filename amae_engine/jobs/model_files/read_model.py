"""What a model file says of itself: read without its weights, and only where all of it is there."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput
from amae_engine.jobs.scoring.part_names import ARRAYS, CLASSIFIER, ENCODER, MODULES, START
from amae_engine.runs.record import MODEL_FACTS

FORMAT = 1
SUFFIX = ".amae"
TENSORS = ".safetensors"
_DIGEST = "digest"
_LARGEST = 4_000_000_000  # bytes of a member
_LARGEST_FACTS = 10_000_000
_LARGEST_SIDE = 4096
# what a zip or JSON that was not written by us makes their readers meet; a locked or oddly packed zip
# is a RuntimeError
_DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


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


def read_model(path: Path) -> Model:
    """What a model file says of itself; its weights are not read.

    Raises:
        BadInput: It is no model, is damaged, was changed, or is of a newer AMAE.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            names = zipped.namelist()
            if (
                names.count(MODEL_FACTS) != 1
                or zipped.getinfo(MODEL_FACTS).file_size > _LARGEST_FACTS
            ):
                raise BadInput(f"{path.name} is no model of AMAE: it has no {MODEL_FACTS}.")
            facts = json.loads(zipped.read(MODEL_FACTS))
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
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read ({error.strerror or 'no file'}).") from error
    except _DAMAGED as error:
        raise BadInput(
            f"{path.name} is no model of AMAE, or is damaged; ask for it again."
        ) from error


def facts_digest(facts: Mapping[str, Any]) -> str:
    """SHA-256 of a model's facts, whatever order they are in."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def with_digest(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A model's facts, as JSON will have them, with their digest."""
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return {**plain, _DIGEST: facts_digest(plain)}


def _require_members(path: Path, zipped: zipfile.ZipFile, facts: Mapping[str, Any]) -> None:
    """Every member that the model names is there in its size, and no other."""
    members, elsewhere = facts["members"], facts["shipped"]
    has = {*members, *elsewhere}
    allowed = {CLASSIFIER, ARRAYS, START, ENCODER, *MODULES}
    needed = {CLASSIFIER, ARRAYS, START} | (set(MODULES) if has & set(MODULES) else set())
    if not needed <= has <= allowed or set(members) & set(elsewhere):
        raise BadInput(f"{path.name} is no whole model: it lacks parts, or has parts too many.")
    expected = sorted([MODEL_FACTS, *(f"{name}{TENSORS}" for name in members)])
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
