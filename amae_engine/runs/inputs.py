"""What a run saw: its images, its readers' decisions and its weights, with their hashes.

Written once, before the run begins, and never changed. A run that is resumed, and one that is made
again, reads only this: what was imported or decided in between is for the next run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amae_engine.atomic_write import write_arrays
from amae_engine.catalog.image_tables import ImageTable
from amae_engine.catalog.studies import image_name
from amae_engine.catalog.tables import Label
from amae_engine.errors import BadWeights, NotReady

_FILE = "inputs.npz"
_HASHED_AT_ONCE = 1 << 22  # bytes of a weights file
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class InputImages:
    """One set of images that a run saw, by image id.

    Attributes:
        ids: (n,) int64.
        store_rows: (n,) int64, rows of the pixel store.
        patient_ids: (n,) int64.
        digest: SHA-256 over the images' pixel hashes, in their order.
    """

    ids: Ids
    store_rows: Ids
    patient_ids: Ids
    digest: str

    def __len__(self) -> int:
        """The number of images."""
        return len(self.ids)

    @property
    def names(self) -> tuple[str, ...]:
        """What readers call them."""
        return tuple(image_name(image_id) for image_id in self.ids.tolist())

    @classmethod
    def of(cls, table: ImageTable, chosen: npt.NDArray[np.bool_] | None = None) -> InputImages:
        """The images of a table, or the `chosen` (n,) of them."""
        keep = np.ones(len(table.ids), dtype=bool) if chosen is None else chosen
        hashes = "\n".join(
            one for one, kept in zip(table.pixel_hashes, keep.tolist(), strict=True) if kept
        )
        return cls(
            table.ids[keep],
            table.store_rows[keep],
            table.patient_ids[keep],
            hashlib.sha256(hashes.encode()).hexdigest(),
        )


@dataclass(frozen=True, slots=True)
class RunInputs:
    """Everything that decides a run's result besides its settings and the machine.

    Attributes:
        images: Sets of images by name: "normal", "unlabeled", "pseudo_abnormal", …
        decisions: Readers' labels by image id, where the run reads them itself.
        weights: SHA-256 of each weights file it starts from, by what the file is for.
    """

    images: Mapping[str, InputImages]
    decisions: Mapping[int, Label] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)

    def hashes(self) -> dict[str, str]:
        """A hash for each part; two runs with the same ones saw the same."""
        decided = "\n".join(f"{i} {label}" for i, label in sorted(self.decisions.items()))
        return {
            **{f"images.{name}": found.digest for name, found in self.images.items()},
            **{f"weights.{name}": digest for name, digest in self.weights.items()},
            "decisions": hashlib.sha256(decided.encode()).hexdigest(),
        }

    def in_order(self, sets: Sequence[str]) -> tuple[Ids, Ids]:
        """Ids and store rows (n,) of the images of some sets together, by id."""
        ids = np.concatenate([self.images[name].ids for name in sets])
        rows = np.concatenate([self.images[name].store_rows for name in sets])
        order = np.argsort(ids)
        return ids[order], rows[order]

    def facts(self) -> dict[str, Any]:
        """What `run.json` says of them."""
        return {
            "images": {name: len(found) for name, found in self.images.items()},
            "decisions": len(self.decisions),
            "hashes": self.hashes(),
        }

    def write(self, folder: Path) -> None:
        """Write them into a run's folder."""
        arrays: dict[str, Any] = {
            "sets": np.array(list(self.images)),
            "decided": np.array(list(self.decisions), dtype=np.int64),
            "labels": np.array([str(label) for label in self.decisions.values()], dtype=np.str_),
            "weights": np.array(list(self.weights.items()), dtype=np.str_).reshape(-1, 2),
        }
        for name, found in self.images.items():
            arrays[f"{name}.ids"] = found.ids
            arrays[f"{name}.store_rows"] = found.store_rows
            arrays[f"{name}.patient_ids"] = found.patient_ids
            arrays[f"{name}.digest"] = np.array(found.digest)
        write_arrays(folder / _FILE, arrays)

    def require_weights(self, files: Mapping[str, Path]) -> None:
        """Go on only with the weights that the run began with.

        Raises:
            BadWeights: A file has another content now; the message names it.
        """
        for name, path in files.items():
            if self.weights.get(name, "") != file_digest(path):
                raise BadWeights(
                    f"{path.name} is not the file that this run began with: its content has "
                    f"changed. Put the file back, or start a new run."
                )


def read_inputs(folder: Path) -> RunInputs:
    """What a run saw.

    Args:
        folder: The run's.

    Raises:
        NotReady: Its folder has lost them.
    """
    if not (folder / _FILE).is_file():
        raise NotReady(
            f"Run {int(folder.name)} has lost its {_FILE}, which says what it saw: it can be read, but "
            f"neither resumed nor made again. Restore it from a backup, or start a new run."
        )
    with np.load(folder / _FILE) as stored:
        images = {
            name: InputImages(
                stored[f"{name}.ids"],
                stored[f"{name}.store_rows"],
                stored[f"{name}.patient_ids"],
                str(stored[f"{name}.digest"]),
            )
            for name in stored["sets"].tolist()
        }
        labels = zip(stored["decided"].tolist(), stored["labels"].tolist(), strict=True)
        decisions = {image_id: Label(label) for image_id, label in labels}
        return RunInputs(images, decisions, dict(stored["weights"].tolist()))


def file_digest(path: Path) -> str:
    """SHA-256 of a file; "" where it is missing."""
    if not path.is_file():
        return ""
    facts = path.stat()
    return _digest(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, _size: int, _changed: int) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASHED_AT_ONCE):
            found.update(block)
    return found.hexdigest()
