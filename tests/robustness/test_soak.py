"""The soak as a short sample, and that it sees what it is there to see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from demo_images import ROOT

from tests.robustness.soak import _judged, _Looks


def _looks(growth: float) -> _Looks:
    looks = _Looks()
    looks.seconds = [10.0 * n for n in range(60)]
    for name in looks.values:
        looks.values[name] = [100.0 + n % 2 for n in range(60)]
    looks.values["memory, MB"] = [500 + growth * n + n % 3 for n in range(60)]
    return looks


def test_what_levels_off_passes_and_what_grows_does_not():
    assert _judged(10, _looks(0.0), []).has_passed
    grown = _judged(10, _looks(1.0), [])
    assert not grown.has_passed
    assert "memory, MB grow by 36" in grown.failures[0]


def test_a_warning_is_reported_once():
    found = _judged(10, _looks(0.0), ["a lost timer", "a lost timer"])
    assert found.failures == ("logged: a lost timer",)


@pytest.mark.slow
def test_a_window_is_used_by_a_script_without_a_warning():
    command = [sys.executable, "-m", "tests.robustness", "soak", "--minutes", "0.25", "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    # a short path: the server that jobs are forked from has its socket there
    with tempfile.TemporaryDirectory() as place:
        here = {"PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen", "TMPDIR": place}
        done = subprocess.run(
            command,
            env={**environment, **here},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert not list(Path(place).glob("amae-*"))  # its settings too are gone
    assert done.returncode == 0, done.stdout + done.stderr
    reported = json.loads(done.stdout)
    assert reported["failures"] == []
    assert reported["tried"] > 20
