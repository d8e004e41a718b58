"""The real window on a real X server runs both stages through its buttons."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_images import ROOT


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """An X server of our own, large enough for both screenshot sizes."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb (Debian package xvfb) for a real window")
    reader, writer = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(writer),
        "-screen",
        "0",
        "2560x1440x24",
        "-nolisten",
        "tcp",
    ]
    server = subprocess.Popen(command, pass_fds=(writer,), stderr=subprocess.DEVNULL)
    os.close(writer)
    with os.fdopen(reader) as numbers:
        number = numbers.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.mark.slow
def test_both_stages_run_through_the_buttons_of_the_real_window(display: str, tmp_path: Path):
    folder = Path(os.environ.get("AMAE_ARTIFACTS", tmp_path)) / "window"
    shutil.rmtree(folder, ignore_errors=True)
    environment = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "HOME": str(tmp_path),
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "drive_window.py"), str(folder)],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    sys.stdout.write(f"{seen} in {time.monotonic() - began:.0f} s\n")
    assert seen["platform"] == "xcb"
    assert seen["images_listed"] == 12
    assert seen["map_shape"] == [128, 128]
    assert seen["map_is_drawn"]
    assert seen["roc_curves"] == 6  # every image score
    assert "6 normal + 6 abnormal test images" in seen["measured_on"]
    assert len(list(folder.glob("*_1366x768.png"))) == 10
    assert len(list(folder.glob("*_2560x1440.png"))) == 10
