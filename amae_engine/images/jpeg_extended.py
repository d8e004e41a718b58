"""JPEG Extended of 12 bits: GDCM decodes it, but pydicom does not ask it to."""

from __future__ import annotations

from pathlib import Path

import gdcm
import numpy as np
import numpy.typing as npt

from amae_engine.images.film import Refusal

gdcm.Trace.ErrorOff()  # it would print that it tries 8 bits first
gdcm.Trace.WarningOff()


def read_jpeg_extended(path: Path, rows: int, columns: int) -> npt.NDArray[np.uint16]:
    """The stored values (rows, columns) of a single grey frame.

    Raises:
        Refusal: The pixels cannot be decoded.
    """
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise Refusal("its pixels cannot be decoded (JPEG Extended of 12 bits).")
    content = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    if len(content) != 2 * rows * columns:
        raise Refusal("its pixels are no single grey picture (JPEG Extended of 12 bits).")
    return np.frombuffer(content, dtype=np.uint16).reshape(rows, columns)
