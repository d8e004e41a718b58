"""Damaged files: each is read or refused with a reason, within time and memory.

AMAE_MUTATIONS=2000 runs as many as the release check does; a few hundred run always.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from demo_images import DEMO, ROOT
from dicom_files import DICOM, HTJ2K, PYDICOM, as_chest, demo_image, write_dicom
from PIL import Image

pytest.importorskip("resource", reason="needs POSIX resource limits, absent on Windows")

_COUNT = int(os.environ.get("AMAE_MUTATIONS", "200"))
_SHARED = (
    "JPEG-LL.dcm",
    "RG1_J2KI.dcm",
    "mlut_18.dcm",
    "vlut_04.dcm",
    "OBXXXX1A_rle.dcm",
    "more/chest_rsna_03.dcm",
    "more/chest_derived_14bit_no_window.dcm",
    "more/chest_derived_big_endian.dcm",
    "more/chest_derived_deflated.dcm",
    "more/chest_derived_jpegls_lossless.dcm",
    "more/chest_derived_rle.dcm",
    "more/chest_nih_implicit.dcm",
    "more/other_dog_thorax_mono1.dcm",
)
_PYDICOM = ("JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm", "examples_palette.dcm")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A folder with a real image in every encoding."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for path in [*(DICOM / name for name in _SHARED), *(PYDICOM / name for name in _PYDICOM)]:
        if path.is_file():
            as_chest(path, folder / path.name)
    for path in HTJ2K.glob("*.dcm"):
        (folder / path.name).write_bytes(path.read_bytes())
    write_dicom(folder / "plain.dcm", demo_image())
    jpeg = DEMO / "images" / "normal_002.jpeg"
    (folder / "image.jpeg").write_bytes(jpeg.read_bytes())
    deep = Image.fromarray(demo_image().astype(np.uint16) * 200)
    deep.save(folder / "deep.png")
    deep.save(folder / "deep.tiff", compression="tiff_lzw")
    Image.open(jpeg).convert("RGBA").save(folder / "colour.png")
    Image.open(jpeg).convert("P").save(folder / "palette.png")
    return folder


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_files_are_read_or_refused_with_a_reason(samples: Path):
    told, crashes = _read_mutants(samples)
    assert crashes == []
    assert {line["number"] for line in told if "number" in line} == set(range(_COUNT))
    refused = [line for line in told if line.get("reason")]
    assert all(line["reason"].endswith(".") for line in refused)
    assert not [line for line in refused if str(samples) in line["reason"]]
    assert 0.2 * _COUNT < len(refused) < 0.9 * _COUNT


def _read_mutants(samples: Path) -> tuple[list[dict], list[str]]:
    """What each mutation came to, and which ones ended their process."""
    told: list[dict] = []
    crashes: list[str] = []
    first = 0
    while first < _COUNT:
        command = [sys.executable, "-W", "ignore", "-m", "tests.robustness.mutations"]
        done = subprocess.run(
            [*command, str(samples), str(first), str(_COUNT)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        told += lines
        if done.returncode == 0:
            break
        first = max([first - 1, *(line["number"] for line in lines if "number" in line)]) + 1
        crashes.append(f"mutation {first}: exit {done.returncode}: {done.stderr[-600:]}")
        first += 1
    return told, crashes
