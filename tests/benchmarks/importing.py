"""Import against a plain one-process loop, on originals of the sizes that hospitals send."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    generate_uid,
)

from amae_engine.images.dicom import DECODERS
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project
from amae_engine.resources import required_resource
from amae_engine.worker_pool import worker_pool
from tests.benchmarks.process_memory import peak_resident_bytes
from tests.benchmarks.variants import variant

_PNG_SIDE = 1024
_DICOM_SIDE = 2000
_STORE_SIDE = 256


@dataclass(frozen=True, slots=True)
class Imported:
    """One kind of file.

    Attributes:
        plain_images_per_second: A loop that reads, windows and resizes one file after another, and
            keeps nothing.
        decoded_images_per_second: The decoder on every core and nothing else: what bounds it.
    """

    kind: str
    images: int
    images_per_second: float
    plain_images_per_second: float
    decoded_images_per_second: float
    bytes_per_image: int
    peak_memory_bytes: int

    @property
    def ratio(self) -> float:
        """How many times faster than the plain loop, though it also hashes, writes and records."""
        return self.images_per_second / self.plain_images_per_second


def bench_import(images: int) -> Iterator[Imported]:
    """Import so many 2000² JPEG 2000 and uncompressed DICOM files, four times as many PNG."""
    sources = sorted(required_resource("demo/images").glob("*.jpeg"))
    kinds: tuple[tuple[str, Callable[[Path, Image.Image, int], None], Callable[[Path], None]], ...]
    kinds = (
        ("PNG 1024²", _write_png, _plain_picture),
        ("DICOM JPEG 2000 2000²", write_jpeg2000, _plain_dicom),
        ("DICOM uncompressed 2000²", write_uncompressed, _plain_dicom),
    )
    for name, write, plain in kinds:
        count = 4 * images if name.startswith("PNG") else images  # the job's fixed cost is a second
        with tempfile.TemporaryDirectory(prefix="amae-bench-") as place:
            folder = Path(place)
            (folder / "images").mkdir()
            paths = []
            for number in range(count):
                paths.append(folder / "images" / f"{number}{'.png' if 'PNG' in name else '.dcm'}")
                source = Image.open(sources[number % len(sources)]).convert("L")
                write(paths[-1], variant(source, number), number)
            yield _measure(name, paths, plain, folder)


def _measure(name: str, paths: list[Path], plain: Callable[[Path], None], folder: Path) -> Imported:
    project = Project.create(folder / "project")
    began = time.perf_counter()
    for _ in import_images(project, [SourceFile(path, "normal") for path in paths], "bench"):
        pass
    ours = time.perf_counter() - began
    project.close()
    began = time.perf_counter()
    for path in paths:
        plain(path)
    theirs = time.perf_counter() - began
    decoding = _decoding(paths)
    return Imported(
        kind=name,
        images=len(paths),
        images_per_second=len(paths) / ours,
        plain_images_per_second=len(paths) / theirs,
        decoded_images_per_second=len(paths) / decoding,
        bytes_per_image=sum(path.stat().st_size for path in paths) // len(paths),
        peak_memory_bytes=peak_resident_bytes(),
    )


def _decoding(paths: list[Path]) -> float:
    """Seconds of the decoder alone; DICOM through processes, as `decode_pool` does."""
    with _pool(paths[0]) as pool:
        list(pool.map(_decode, paths[: os.cpu_count() or 1]))  # their start is not the decoder's
        began = time.perf_counter()
        list(pool.map(_decode, paths, chunksize=4))
        return time.perf_counter() - began


def _pool(path: Path) -> Executor:
    if path.suffix == ".png":
        return ThreadPoolExecutor(os.cpu_count())
    return worker_pool()


def _decode(path: Path) -> None:
    if path.suffix == ".png":
        with Image.open(path) as picture:
            picture.load()
    else:
        dataset = pydicom.dcmread(path)
        pixel_array(dataset, decoding_plugin=DECODERS.get(dataset.file_meta.TransferSyntaxUID, ""))


def _plain_picture(path: Path) -> None:
    with Image.open(path) as picture:
        np.asarray(picture.convert("L").resize((_STORE_SIDE, _STORE_SIDE)))


def _plain_dicom(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    shown = 255 * (values - values.min()) / max(float(np.ptp(values)), 1)
    np.asarray(Image.fromarray(shown.astype(np.uint8)).resize((_STORE_SIDE, _STORE_SIDE)))


def _write_png(path: Path, picture: Image.Image, number: int) -> None:
    Image.fromarray(_noisy(picture, _PNG_SIDE, number, 8).astype(np.uint8)).save(path)


def write_uncompressed(path: Path, picture: Image.Image, number: int) -> None:
    """A chest of 2000 × 2000 pixels of 12 bits, as the detector sends it."""
    _dicom(picture, number).save_as(path, enforce_file_format=True)


def write_jpeg2000(path: Path, picture: Image.Image, number: int) -> None:
    """The same in lossless JPEG 2000, as an archive keeps it."""
    dataset = _dicom(picture, number)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


def _noisy(picture: Image.Image, side: int, number: int, bits: int) -> np.ndarray:
    """An image enlarged, with a detector's noise, so that it compresses as real ones do."""
    large = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
    noise = np.random.default_rng(number).normal(0, 1.5, large.shape)
    scale = (2**bits - 1) / 255
    return np.clip((large + noise) * scale, 0, 2**bits - 1)


def _dicom(picture: Image.Image, number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"image {number}"])
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {number}"])
    dataset.PatientID = f"bench{number}"
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
    pixels = _noisy(picture, _DICOM_SIDE, number, 12).astype(np.uint16)
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = pixels.tobytes()
    return dataset
