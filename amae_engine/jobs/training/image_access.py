"""A project's stored images for the method: on the device, or streamed from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.method.stored_images import StoredImages
from amae_engine.project import Project

if TYPE_CHECKING:
    import torch


def images_of(project: Project, rows: npt.NDArray[np.int64], device: torch.device) -> StoredImages:
    """The images in `rows` (n,) of the project's pixel store."""
    return StoredImages(lambda chosen: project.pixels.read(rows[chosen]), len(rows), device)
