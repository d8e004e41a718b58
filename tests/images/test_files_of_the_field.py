"""Kinds of DICOM files that users of other programs reported: each shows the same chest."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import demo_image, write_dicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    XRayRadiofluoroscopicImageStorage,
)

from amae_engine.images.decode import read_image
from amae_engine.images.decoded_image import Refusal

CHEST = demo_image()
DEEP = np.rint(CHEST.astype(float) * 4095 / 255).astype(np.uint16)
SIGNED = (DEEP.astype(int) - 2048).astype(np.int16)
WINDOW = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096}
CURVE = np.rint(4095 * (np.arange(4096) / 4095) ** 0.5).astype(int)  # of a look-up table


@pytest.fixture(autouse=True)
def odd_values_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the field holds."""
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)


def _shows(path: Path, wanted: np.ndarray = CHEST, within: float = 2.0) -> tuple[str, ...]:
    """The file's flags, where it shows the wanted picture."""
    image = read_image(path)
    assert image.pixels.shape == wanted.shape
    assert np.abs(image.pixels.astype(float) - wanted).mean() < within
    return image.flags


def _table(first: int, bits: int = 12, curve: np.ndarray = CURVE, vr: str = "US") -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, vr, [len(curve), first, bits])
    item.add_new(0x00283006, "US", curve.tolist())
    return item


def _changed(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    return path


# --- look-up tables and windows ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "first", "vr", "more"),
    [
        (SIGNED, -2048, "SS", {"BitsStored": 12}),
        (SIGNED, 63488, "US", {"BitsStored": 12}),
        ((DEEP.astype(int) + 40000).astype(np.uint16), 40000 - 65536, "SS", {}),
        (DEEP, 64536, "US", {"BitsStored": 12, "RescaleSlope": 1, "RescaleIntercept": -1000}),
        (DEEP, -1000, "SS", {"BitsStored": 12, "RescaleSlope": 1, "RescaleIntercept": -1000}),
    ],
)
def test_the_first_value_of_a_table_has_the_sign_of_what_enters_it(
    tmp_path, stored, first, vr, more
):
    path = write_dicom(tmp_path / "a.dcm", stored, VOILUTSequence=[_table(first, vr=vr)], **more)
    _shows(path, CURVE[DEEP] / 4095 * 255)


def test_the_same_of_a_modality_table_and_without_vr(tmp_path):
    more: dict[str, Any] = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096}
    modality = _table(63488)
    modality.ModalityLUTType = "US"
    path = write_dicom(tmp_path / "a.dcm", SIGNED, ModalityLUTSequence=[modality], **more)
    _shows(path, CURVE[DEEP] / 4095 * 255)
    more = {"BitsStored": 12, "RescaleSlope": 1, "RescaleIntercept": -1000}
    table = [_table(64536)]
    path = write_dicom(
        tmp_path / "b.dcm", DEEP, ImplicitVRLittleEndian, VOILUTSequence=table, **more
    )
    _shows(path, CURVE[DEEP] / 4095 * 255)


@pytest.mark.parametrize(
    ("bits", "top", "white"),
    [(16, 4095, 4095), (16, 1023, 1023), (12, 3000, 4095), (12, 1500, 4095), (10, 400, 1023)],
)
def test_declared_bits_decide_what_is_white(tmp_path, bits, top, white):
    curve = np.rint(top * np.arange(4096) / 4095).astype(int)
    path = write_dicom(
        tmp_path / "a.dcm", DEEP, BitsStored=12, VOILUTSequence=[_table(0, bits, curve)]
    )
    _shows(path, curve[DEEP] / white * 255)


def test_a_modality_table_is_no_part_of_how_fluoroscopy_is_shown(tmp_path):
    curve = np.rint(65535 * (np.arange(4096) / 4095) ** 2).astype(int)
    table = _table(0, 16, curve)
    table.ModalityLUTType = "US"
    path = write_dicom(tmp_path / "a.dcm", DEEP, ModalityLUTSequence=[table], **WINDOW)
    header = pydicom.dcmread(path)
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = (
        XRayRadiofluoroscopicImageStorage
    )
    header.Modality = "RF"
    header.save_as(path)
    _shows(path)


def test_items_without_a_table_leave_the_window_in_force(tmp_path):
    explained = Dataset()
    explained.LUTExplanation = "NORMAL"
    described = Dataset()
    described.LUTDescriptor = [0, 0, 16]
    for number, items in enumerate(([explained], [described], [])):
        path = write_dicom(tmp_path / f"{number}.dcm", DEEP, VOILUTSequence=items, **WINDOW)
        assert _shows(path) == ()


def test_a_negative_slope_turns_the_greys(tmp_path):
    turned = (4095 - DEEP).astype(np.uint16)
    more = {"RescaleSlope": -1, "RescaleIntercept": 4095}
    _shows(write_dicom(tmp_path / "a.dcm", turned, **WINDOW, **more))
    more["PhotometricInterpretation"] = "MONOCHROME1"
    _shows(write_dicom(tmp_path / "b.dcm", DEEP, **WINDOW, **more))


@pytest.mark.parametrize("text", [b"2048,5\\", b"+02048\\", b" 2048 \\"])
def test_decimals_are_read_as_makers_write_them(tmp_path, text):
    """With a decimal comma (fo-dicom #1296, dcmjs #287), a sign and zeros (fo-dicom #1793)."""
    path = write_dicom(tmp_path / "a.dcm", DEEP, BitsStored=12, WindowCenter="2048.5",
                       WindowWidth="4096.5", PixelSpacing=["0.143", "0.143"])  # fmt: skip
    _changed(path, b"2048.5", text[:6])
    _changed(path, b"4096.5", b"4096,5")
    _changed(path, b"0.143\\0.143", b"0,143\\0,143")
    assert _shows(path) == ()
    assert read_image(path).spacing.row_mm == 0.143


def test_windows_of_fractions_and_of_unequal_number(tmp_path):
    """horos #58, Slicer #7922, fo-dicom #1891."""
    fraction = {"RescaleSlope": str(1 / 4095)[:16], "RescaleIntercept": "0"}
    for number, more in enumerate((
        {**fraction, "WindowCenter": "0.5", "WindowWidth": "1.0"},
        {"WindowCenter": ["2048", "1000"], "WindowWidth": ["4096"]},
        {"WindowCenter": 2048, "WindowWidth": 4096, "VOILUTFunction": ""},
        {"WindowCenter": 2048, "WindowWidth": 4096, "VOILUTFunction": " linear"},
    )):  # fmt: skip
        assert _shows(write_dicom(tmp_path / f"{number}.dcm", DEEP, BitsStored=12, **more)) == ()


@pytest.mark.parametrize(("is_signed", "vr"), [(True, "US"), (False, "SS")])
def test_padding_is_known_though_written_with_the_other_sign(tmp_path, is_signed, vr):
    stored = SIGNED.copy() if is_signed else (DEEP + 30000).astype(np.uint16)
    value = -2000 if is_signed else 63536
    stored[:40] = value
    centre = 0 if is_signed else 32048
    path = write_dicom(tmp_path / "a.dcm", stored, WindowCenter=centre, WindowWidth=4096)
    header = pydicom.dcmread(path)
    header.add_new(0x00280120, vr, value & 0xFFFF if vr == "US" else value - 65536)
    header.save_as(path)
    wanted = CHEST.copy()
    wanted[:40] = 0
    assert _shows(path, wanted) == ("padding",)


# --- compressed pixels ---------------------------------------------------------------------------


def _jpeg(pixels: np.ndarray, **how: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, **how)
    return stream.getvalue()


def _compressed(
    path: Path, stream: bytes, syntax: pydicom.uid.UID, like: np.ndarray = CHEST, **header: Any
) -> Path:
    write_dicom(path, like, **header)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)
    return path


def _j2k(pixels: np.ndarray, bits: int) -> bytes:
    from openjpeg.utils import encode_array

    return bytes(encode_array(pixels, bits_stored=bits))


def _jls(pixels: np.ndarray) -> bytes:
    import jpeg_ls

    return bytes(jpeg_ls.encode(pixels))


@pytest.mark.parametrize("padding", [1, 70, 4096])
@pytest.mark.parametrize("kind", ["jpeg", "j2k", "jls"])
def test_padding_after_the_end_is_no_cut_picture(tmp_path, kind, padding):
    streams = {
        "jpeg": (_jpeg(CHEST), JPEGBaseline8Bit),
        "j2k": (_j2k(CHEST, 8), JPEG2000Lossless),
        "jls": (_jls(CHEST), JPEGLSLossless),
    }
    stream, syntax = streams[kind]
    _shows(_compressed(tmp_path / "a.dcm", stream + b"\0" * padding, syntax))
    with pytest.raises(Refusal, match="cut short"):
        read_image(_compressed(tmp_path / "b.dcm", stream[: len(stream) // 2], syntax))


def test_eight_bit_jpeg_in_sixteen_bits_is_read(tmp_path):
    path = _compressed(tmp_path / "a.dcm", _jpeg(CHEST), JPEGBaseline8Bit)
    dataset = pydicom.dcmread(path)
    dataset.BitsAllocated = 16
    dataset.save_as(path)
    _shows(path)


def _bare(stream: bytes) -> bytes:
    """Without its JFIF marker."""
    return stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :]


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422"])
def test_luminance_and_colour_labelled_rgb_are_a_grey_chest(tmp_path, subsampling, photometric):
    colours = np.stack([CHEST] * 3, -1)
    stream = _bare(_jpeg(colours, subsampling=subsampling))
    path = _compressed(tmp_path / "a.dcm", stream, JPEGBaseline8Bit, colours,
                       PhotometricInterpretation=photometric)  # fmt: skip
    assert _shows(path) == ("colour",)


def test_the_header_s_sign_counts_where_the_stream_has_another(tmp_path):
    twos = np.where(DEEP < 2048, DEEP, DEEP.astype(int) - 4096).astype(np.int16)
    path = _compressed(tmp_path / "a.dcm", _j2k(twos, 12), JPEG2000Lossless, DEEP, **WINDOW)
    _shows(path)
    path = _compressed(tmp_path / "b.dcm", _j2k(DEEP, 12), JPEG2000Lossless, DEEP,
                       WindowCenter=2048, WindowWidth=4096)  # fmt: skip
    _shows(path)  # 12 bits, where the header says 16
    path = _compressed(tmp_path / "c.dcm", _j2k(DEEP, 16), JPEG2000Lossless, DEEP, **WINDOW)
    _shows(path)


def test_a_frame_in_pieces_and_a_stream_in_boxes_are_read(tmp_path):
    """pydicom #685; JP2 boxes in DICOM, pydicom #1174."""
    stream = _jpeg(CHEST)
    pieces = [stream[n : n + 5000] for n in range(0, len(stream), 5000)]
    items = [b"\xfe\xff\x00\xe0" + struct.pack("<I", 0)]
    for piece in pieces:
        even = piece + b"\0" * (len(piece) % 2)
        items.append(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(even)) + even)
    path = _compressed(tmp_path / "a.dcm", stream, JPEGBaseline8Bit)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = b"".join(items) + b"\xfe\xff\xdd\xe0\0\0\0\0"
    dataset.save_as(path)
    _shows(path)
    boxes = io.BytesIO()
    Image.fromarray(CHEST).save(boxes, "JPEG2000", irreversible=False)
    _shows(_compressed(tmp_path / "b.dcm", boxes.getvalue(), JPEG2000Lossless))


# --- headers that are slightly off ---------------------------------------------------------------


def test_pixels_of_other_lengths_and_vr_are_read(tmp_path):
    """pydicom #864 and #801, OHIF #3544."""
    odd = CHEST[:223, :223]
    path = write_dicom(tmp_path / "a.dcm", odd)
    content = path.read_bytes()
    length = struct.pack("<I", odd.size + 1)
    at = content.rindex(length) if length in content else 0
    if at:  # without the byte that makes the length even
        path.write_bytes(content[:at] + struct.pack("<I", odd.size) + content[at + 4 : -1])
    _shows(path, odd)
    path = write_dicom(tmp_path / "b.dcm", DEEP, **WINDOW)
    dataset = pydicom.dcmread(path)
    dataset.PixelData += b"\0" * 1000
    dataset.save_as(path)
    _shows(path)
    _shows(_changed(write_dicom(tmp_path / "c.dcm", DEEP, **WINDOW),
                    b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x10\x00UN"))  # fmt: skip


def test_what_every_file_should_say_is_taken_as_usual_where_it_is_missing(tmp_path):
    """dcm4che #1083: no samples per pixel; also empty numbers of frames."""
    for number, name in enumerate(("SamplesPerPixel", "PixelRepresentation", "HighBit")):
        path = write_dicom(tmp_path / f"{number}.dcm", DEEP, **WINDOW)
        dataset = pydicom.dcmread(path)
        delattr(dataset, name)
        dataset.save_as(path)
        _shows(path)
    for number, frames in enumerate(("", "0", "1")):
        _shows(write_dicom(tmp_path / f"f{number}.dcm", DEEP, NumberOfFrames=frames, **WINDOW))


def test_codes_with_spaces_and_small_letters_are_the_codes(tmp_path):
    for number, text in enumerate((" MONOCHROME2", "monochrome2", "Monochrome2 ")):
        path = write_dicom(
            tmp_path / f"{number}.dcm",
            DEEP,
            PhotometricInterpretation=text,
            Modality=" dx",
            **WINDOW,
        )
        _shows(path)
    turned = (4095 - DEEP).astype(np.uint16)
    path = write_dicom(
        tmp_path / "m1.dcm", turned, PhotometricInterpretation="monochrome1", **WINDOW
    )
    _shows(path)  # bioformats #3620: turned after the window
