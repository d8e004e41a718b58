"""The maps behind a run's scores: one format for AMAE's own and every other method's.

In `runs/NNN/maps`: a float16 array (n, H, W) for each map, the image ids, and a common scale for
each but the means, which are grey values; a map with a score has the score's name.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from amae_engine.config import ScoreKind
from amae_engine.method import processes
from amae_engine.project import Project
from amae_engine.row_files import half_file_from

MEANS = ("mean_a", "mean_b")  # grey values 0…1; every other map is in its method's own units
_SCALE_PERCENTILE = 99.5  # of all pixels of all images: the overlay's common upper end
_SAMPLED_PIXELS = 2_000_000
_LARGEST = 65504.0  # of a float16
Map = npt.NDArray[np.float32]
Samples = npt.NDArray[np.float16]  # (k,) absolute values of a map


@dataclass(frozen=True, slots=True)
class ImageMaps:
    """The maps (H, W) float32 of one image, by name.

    Attributes:
        scale: Upper end of the colours of each map but the means, shared by all images of the run.
    """

    maps: Mapping[str, Map]
    scale: Mapping[str, float]

    @property
    def scored(self) -> tuple[ScoreKind, ...]:
        """The scores that have a map."""
        return tuple(kind for kind in ScoreKind if str(kind) in self.maps and kind in self.scale)

    def of_score(self, kind: ScoreKind) -> Map | None:
        """The map behind a score, None where the run has none."""
        return self.maps.get(str(kind))


class MapWriter:
    """Streams maps to disk, batch by batch; at the end of its `with` come the facts, if all is well.

    Several processes may write the maps of their own images, each from its own place on; the
    leader, to whom the samples of all are given, writes the facts.

    Args:
        folder: Made with the first map; a method without maps leaves none.
        image_ids: (n,) of the images of all processes, ascending.
    """

    def __init__(self, folder: Path, image_ids: npt.NDArray[np.int64]) -> None:
        self._folder, self._ids, self._first = folder, image_ids, 0
        self._files: dict[str, BinaryIO] = {}
        self._samples: dict[str, list[Samples]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._close()
        if kind is None and processes.leads() and self._samples:
            self._write_facts()

    def go_to(self, place: int) -> None:
        """The next map is that of the image at `place`."""
        self._close()
        self._first = place

    def taken(self) -> dict[str, Samples]:
        """The samples (k,) of what was written since they were last taken, when it is on the disk."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        taken = {name: np.concatenate(parts) for name, parts in self._samples.items()}
        self._samples = {}
        return taken

    def give(self, samples: Mapping[str, Samples]) -> None:
        """Samples (k,) of maps that are in the files already."""
        for name, values in samples.items():
            self._samples.setdefault(name, []).append(values)

    def write(self, maps: Mapping[str, npt.NDArray[np.floating]]) -> None:
        """Write the next batch of maps (B, H, W), by name; the same names each time."""
        for name, values in maps.items():
            array = np.clip(values, -_LARGEST, _LARGEST).astype(np.float16)
            if name not in self._files:
                self._files[name] = self._new_file(name, array.shape[1:])
            self._files[name].write(array.tobytes())
            if name not in MEANS:
                every = _every(len(self._ids) * math.prod(array.shape[1:]))
                self._samples.setdefault(name, []).append(np.abs(array.reshape(-1)[::every]))

    def _write_facts(self) -> None:
        """Note the ids, and the common scale of every map."""
        np.save(self._folder / "image_ids.npy", self._ids)
        scale = {
            name: max(float(np.percentile(_whole(parts), _SCALE_PERCENTILE)), 1e-6)
            for name, parts in self._samples.items()
        }
        facts = json.dumps({"scale": scale})
        (self._folder / "facts.json").write_text(facts, encoding="utf-8")

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}

    def _new_file(self, name: str, shape: tuple[int, ...]) -> BinaryIO:
        """The file of one map; the first one makes the folder."""
        if not self._files:
            self._folder.mkdir(parents=True, exist_ok=True)
        return half_file_from(self._folder / f"{name}.npy", (len(self._ids), *shape), self._first)


def sample_bytes(pixels: int) -> int:
    """Of the samples of one map of so many pixels over all images."""
    return 2 * -(-pixels // _every(pixels))


def _every(pixels: int) -> int:
    return max(1, pixels // _SAMPLED_PIXELS)


def _whole(samples: list[Samples]) -> Map:
    return np.concatenate(samples).astype(np.float32)


def maps_folder(project: Project, run_id: int) -> Path:
    """Where a run keeps its maps."""
    return project.run_folder(run_id) / "maps"


def mapped_images(project: Project, run_id: int) -> npt.NDArray[np.int64]:
    """The images (n,) int64 that a run has maps of, ascending; none where it has no maps."""
    folder = maps_folder(project, run_id)
    if not (folder / "facts.json").is_file():
        return np.zeros(0, dtype=np.int64)
    ids: npt.NDArray[np.int64] = np.load(folder / "image_ids.npy")
    return ids


def load_image_maps(project: Project, run_id: int, image_id: int) -> ImageMaps | None:
    """The maps of one image in a run, or None where the run does not have them."""
    folder, ids = maps_folder(project, run_id), mapped_images(project, run_id)
    place = int(np.searchsorted(ids, image_id))
    if place >= len(ids) or ids[place] != image_id:
        return None
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    maps = {
        path.stem: np.load(path, mmap_mode="r")[place].astype(np.float32)
        for path in sorted(folder.glob("*.npy"))
        if path.stem != "image_ids"
    }
    return ImageMaps(maps, facts["scale"])
