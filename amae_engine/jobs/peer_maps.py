"""The maps behind a peer's score: written batch by batch, read image by image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from amae_engine.project import Project

_SCALE_PERCENTILE = 99.5  # of each batch's pixels; the largest is the overlay's common upper end


@dataclass(frozen=True, slots=True)
class PeerMap:
    """The map (H, W) float32 behind one image's score, and the upper end that all images share."""

    values: npt.NDArray[np.float32]
    scale: float


def load_peer_map(project: Project, run_id: int, image_id: int) -> PeerMap | None:
    """The map of one image in a peer's run, or None where the run does not have it."""
    folder = project.run_folder(run_id) / "maps"
    if not (folder / "facts.json").is_file():
        return None
    ids = np.load(folder / "image_ids.npy")
    place = int(np.searchsorted(ids, image_id))
    if place >= len(ids) or ids[place] != image_id:
        return None
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    values = np.load(folder / "peer.npy", mmap_mode="r")[place].astype(np.float32)
    return PeerMap(values, facts["scale"]["peer"])


class PeerMapWriter:
    """Streams maps to one float16 array (n, H, W); the facts file is written last.

    Args:
        folder: Made with the first map; a peer without maps leaves none.
        image_ids: (n,) of the images, ascending.
    """

    def __init__(self, folder: Path, image_ids: npt.NDArray[np.int64]) -> None:
        self._folder, self._ids = folder, image_ids
        self._file: BinaryIO | None = None
        self._scale = 1e-6

    def write(self, maps: npt.NDArray[np.float16]) -> None:
        """Write the next batch (B, H, W)."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            np.save(self._folder / "image_ids.npy", self._ids)
            shape = (len(self._ids), *maps.shape[1:])
            self._file = (self._folder / "peer.npy").open("wb")
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(self._file, header)
        self._file.write(maps.tobytes())
        top = float(np.percentile(maps.astype(np.float32), _SCALE_PERCENTILE))
        self._scale = max(self._scale, top)

    def close(self) -> None:
        """Close the array, where there was any map."""
        if self._file is None:
            return
        self._file.close()
        facts = json.dumps({"scale": {"peer": self._scale}})
        (self._folder / "facts.json").write_text(facts, encoding="utf-8")
