"""The maps behind a run's scores: one format for AMAE's own and every other method's.

In `runs/NNN/maps`: a float16 array (n, H, W) for each map, the image ids, and a common scale for
each but the means, which are grey values; a map with a score has the score's name. A run that keeps
no maps has their scale alone; those that are made later lie in `runs/NNN/made_maps`, a file an image.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from amae_engine import processes
from amae_engine.atomic_write import write_array, write_arrays, write_text
from amae_engine.config import ScoreKind
from amae_engine.project import Project
from amae_engine.row_files import half_file_from
from amae_engine.runs.run_files import MADE_MAPS

MEANS = ("mean_a", "mean_b")  # grey values 0…1; every other map is in its method's own units
_SCALE_PERCENTILE = 99.5  # of all pixels of all images: the overlay's common upper end
_SAMPLED_PIXELS = 2_000_000
_LARGEST = 65504.0  # of a float16
_ON_DEMAND = "on_demand"
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

    Several processes may write the maps of their own images, each from its own place on; rank zero,
    which is given the samples of all, writes the facts.

    Args:
        folder: Made with the first map; a method without maps leaves none.
        image_ids: (n,) of the images of all processes, ascending.
        keep: Whether the maps are kept, or their scale alone.
    """

    def __init__(self, folder: Path, image_ids: npt.NDArray[np.int64], keep: bool = True) -> None:
        self._folder, self._ids, self._keep, self._first = folder, image_ids, keep, 0
        self._files: dict[str, BinaryIO] = {}
        self._samples: dict[str, list[Samples]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._close()
        if kind is None and processes.is_rank_zero() and self._samples:
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
            array = _half(values)
            if self._keep:
                if name not in self._files:
                    self._files[name] = self._new_file(name, array.shape[1:])
                self._files[name].write(array.tobytes())
            if name not in MEANS:
                every = _every(len(self._ids) * math.prod(array.shape[1:]))
                self._samples.setdefault(name, []).append(np.abs(array.reshape(-1)[::every]))

    def _write_facts(self) -> None:
        """Note the ids, and the common scale of every map."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_array(self._folder / "image_ids.npy", self._ids)
        scale = {
            name: max(float(np.percentile(_whole(parts), _SCALE_PERCENTILE)), 1e-6)
            for name, parts in self._samples.items()
        }
        facts = json.dumps({"scale": scale, **({} if self._keep else {_ON_DEMAND: True})})
        write_text(self._folder / "facts.json", facts)

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}

    def _new_file(self, name: str, shape: tuple[int, ...]) -> BinaryIO:
        """The file of one map; the first one makes the folder."""
        if not self._files:
            self._folder.mkdir(parents=True, exist_ok=True)
        return half_file_from(self._folder / f"{name}.npy", (len(self._ids), *shape), self._first)


def _half(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float16]:
    return np.clip(values, -_LARGEST, _LARGEST).astype(np.float16)


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
    facts = _facts(project, run_id)
    if facts is None:
        return np.zeros(0, dtype=np.int64)
    if _ON_DEMAND in facts:
        made = _made_folder(project, run_id).glob("*.npz")
        return np.array(sorted(int(path.stem) for path in made), dtype=np.int64)
    ids: npt.NDArray[np.int64] = np.load(maps_folder(project, run_id) / "image_ids.npy")
    return ids


def makes_maps_on_demand(project: Project, run_id: int) -> bool:
    """Whether a run kept no maps: `make_maps_of` makes those that are asked for."""
    return _ON_DEMAND in (_facts(project, run_id) or {})


def keep_made(
    project: Project, run_id: int, image_id: int, maps: Mapping[str, npt.NDArray[np.floating]]
) -> None:
    """Keep the maps (H, W) of one image of a run that kept none, by name."""
    folder = _made_folder(project, run_id)
    folder.mkdir(exist_ok=True)
    halves = {name: _half(values) for name, values in maps.items()}
    write_arrays(folder / f"{image_id}.npz", halves)


def _made_folder(project: Project, run_id: int) -> Path:
    return project.run_folder(run_id) / MADE_MAPS


def _facts(project: Project, run_id: int) -> dict[str, Any] | None:
    """What a run says of its maps; None where it has none, or is not whole."""
    path = maps_folder(project, run_id) / "facts.json"
    if not path.is_file():
        return None
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def map_scales(project: Project, run_id: int) -> dict[str, float]:
    """The common scale of each of a run's maps, by name; {} where it has none."""
    return dict((_facts(project, run_id) or {}).get("scale", {}))


def load_image_maps(project: Project, run_id: int, image_id: int) -> ImageMaps | None:
    """The maps of one image in a run, or None where the run does not have them."""
    facts = _facts(project, run_id)
    if facts is None:
        return None
    if _ON_DEMAND in facts:
        made = _made_folder(project, run_id) / f"{image_id}.npz"
        if not made.is_file():
            return None
        with np.load(made) as stored:
            return ImageMaps({n: stored[n].astype(np.float32) for n in stored}, facts["scale"])
    folder, ids = maps_folder(project, run_id), mapped_images(project, run_id)
    place = int(np.searchsorted(ids, image_id))
    if place >= len(ids) or ids[place] != image_id:
        return None
    maps = {
        path.stem: np.load(path, mmap_mode="r")[place].astype(np.float32)
        for path in sorted(folder.glob("*.npy"))
        if path.stem != "image_ids"
    }
    return ImageMaps(maps, facts["scale"])
