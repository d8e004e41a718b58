"""Damaged files of every kind that the program reads: each is read or refused with a sentence."""

from __future__ import annotations

import gc
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.fileset import FileSet

from amae_engine.events import Event, Progress
from amae_engine.resources import required_resource
from tests.benchmarks.importing import write_jpeg2000, write_uncompressed
from tests.robustness import CHILD_ENVIRONMENT
from tests.robustness.mutations import SECONDS
from tests.robustness.self_test_result import SelfTestResult
from tests.robustness.small_project import write_tiny_weights

_AT_ONCE = 500  # inputs a process
_WEIGHTS = 6  # every sixth input is a weights file


def write_samples(folder: Path) -> None:
    """One whole file of each kind but weights: DICOM, pictures, tables, archive, DICOMDIR."""
    folder.mkdir()
    pictures = sorted(required_resource("demo/images").glob("*.jpeg"))[:3]
    picture = Image.open(pictures[0]).convert("L")
    write_uncompressed(folder / "plain.dcm", picture, 0)
    write_jpeg2000(folder / "j2k.dcm", picture, 1)
    compressed = pydicom.dcmread(folder / "plain.dcm")
    compressed.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    compressed.save_as(folder / "rle.dcm")
    shutil.copyfile(pictures[1], folder / "image.jpeg")
    picture.save(folder / "grey.png")
    deep = Image.fromarray(np.asarray(picture).astype(np.uint16) * 200)
    deep.save(folder / "deep.tiff", compression="tiff_lzw")
    lines = [f"images/{p.name},{r},{n % 2},p{n}" for n, (p, r) in
             enumerate(zip(pictures, ("normal", "unlabeled", "test"), strict=True))]  # fmt: skip
    table = "\n".join(("file,role,truth,patient", *lines))
    (folder / "table.csv").write_text(table, encoding="utf-8")
    shares = {"train": {"0": [p.name for p in pictures[:1]], "unlabeled": {"0": [], "1": []}},
              "test": {"0": [pictures[1].name], "1": [pictures[2].name]}}  # fmt: skip
    (folder / "data.json").write_text(json.dumps(shares), encoding="utf-8")
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in pictures:
            archive.write(path, path.name)
    _write_dicomdir(folder)


def write_weights(folder: Path) -> None:
    """Our weights and a published checkpoint, in a folder of their own: their reader needs more."""
    import torch

    folder.mkdir()
    write_tiny_weights(folder / "weights.safetensors")
    state = {"model": {"cls_token": torch.zeros(1, 1, 8), "pos_embed": torch.zeros(1, 17, 8)}}
    torch.save(state, folder / "checkpoint.pth")


def _write_dicomdir(folder: Path) -> None:
    files = FileSet()
    files.UID = pydicom.uid.UID("1.2.826.0.1.3680043.8.498.1")
    for number, name in enumerate(("plain.dcm", "j2k.dcm"), start=1):
        image = pydicom.dcmread(folder / name)
        image.PatientID, image.PatientName = f"P{number}", ""
        image.StudyDate, image.StudyTime, image.StudyID = "20260101", "120000", str(number)
        image.SeriesNumber = image.InstanceNumber = number
        image.StudyInstanceUID = image.SeriesInstanceUID = image.SOPInstanceUID
        files.add(image)
    with tempfile.TemporaryDirectory() as place:
        files.write(place)
        shutil.copyfile(Path(place) / "DICOMDIR", folder / "DICOMDIR")
    with warnings.catch_warnings():  # pydicom leaves a folder of its own to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        del files
        gc.collect()


def fuzz_test(inputs: int, seed: int) -> Generator[Event, None, SelfTestResult]:
    """Read so many damaged files in processes of their own, with bounds on memory and time.

    Args:
        inputs: How many, over all kinds in turn.
        seed: The first one's; each further one has the next.
    """
    seen = _Seen()
    with tempfile.TemporaryDirectory(prefix="amae-selftest-") as place:
        files, weights = Path(place) / "files", Path(place) / "weights"
        write_samples(files)
        write_weights(weights)
        for folder, count in ((files, inputs - inputs // _WEIGHTS), (weights, inputs // _WEIGHTS)):
            first, last = seed, seed + count
            while first < last:
                yield Progress(f"Damaged {folder.name}", first - seed, count)
                first = seen.read(folder, first, min(first + _AT_ONCE, last))
    failures = tuple(seen.failures)
    facts = {"refused": seen.refused, "hangs": seen.hangs, "most memory, MB": seen.peak // 1000}
    return SelfTestResult("fuzz", "inputs", inputs, inputs - len(failures), failures, facts=facts)


@dataclass(slots=True)
class _Seen:
    """What came of the inputs so far; `peak` in kB."""

    failures: list[str] = field(default_factory=list)
    refused: int = 0
    hangs: int = 0
    peak: int = 0

    def read(self, folder: Path, first: int, until: int) -> int:
        """Read inputs in a process, to the first that ends it; the number of the next one."""
        command = [sys.executable, "-W", "ignore", "-m", "tests.robustness.mutations"]
        done = subprocess.run(
            [*command, str(folder), str(first), str(until)],
            capture_output=True, text=True, check=False, env=CHILD_ENVIRONMENT,
        )  # fmt: skip
        reported = [json.loads(line) for line in done.stdout.splitlines()]
        read = [line for line in reported if "number" in line]
        self.refused += sum(bool(line["reason"]) for line in read)
        self.failures += [f"input {line['number']} ({line['file']}): its reason names a path"
                          for line in read if str(folder.parent) in line["reason"]]  # fmt: skip
        self.peak = max(self.peak, *(line.get("peak_kb", 0) for line in reported), 0)
        first += len(read)
        if done.returncode:
            is_late = done.returncode == -signal.SIGPROF or "Timeout" in done.stderr
            self.hangs += is_late
            last_line = (done.stderr.strip().splitlines() or [""])[-1]
            how = f"longer than {SECONDS} s of CPU, or it waits" if is_late else last_line[:200]
            self.failures.append(f"input {first}: its process ended ({done.returncode}): {how}")
            first += 1
        return first
