"""JPEG Extended of 12 bits: GDCM decodes it, but pydicom does not ask it to."""

from __future__ import annotations

import gdcm
import numpy as np
import numpy.typing as npt

from amae_engine.images.decoded_image import Refusal


def decode_jpeg_extended(
    frame: bytes, rows: int, columns: int, bits_stored: int
) -> npt.NDArray[np.uint16]:
    """The stored values (rows, columns) of one grey frame of 9 to 12 bits.

    The frame alone goes to GDCM: its file reader believes any length that a header states.

    Raises:
        Refusal: The pixels cannot be decoded.
    """
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    pixels = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixels.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(pixels)
    grey = gdcm.PhotometricInterpretation.MONOCHROME2  # polarity is no matter of the decoder
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, bits_stored, bits_stored - 1, 0))
    content = image.GetBuffer().encode("utf-8", "surrogateescape")
    if len(content) != 2 * rows * columns:
        raise Refusal("its pixels are no single grey picture (JPEG Extended of 12 bits).")
    return np.frombuffer(content, dtype=np.uint16).reshape(rows, columns)
