"""PyTorch's threads rest where others are at work, unless the user has said otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from amae_engine.cli import main

_NAMES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.mark.parametrize(
    ("own", "expected"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_a_user_s_own_wish_counts(own: dict[str, str], expected: str):
    environment = {name: value for name, value in os.environ.items() if name not in _NAMES}
    code = "import amae_engine, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **own},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


def test_importing_the_engine_loads_no_torch():
    code = "import amae_engine, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_doctor_says_how_many_and_how_they_wait(monkeypatch, capsys):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "3000")
    assert main(["doctor", "--images", "100"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("threads"))
    assert "a training (GOMP_SPINCOUNT=3000); other programs use" in line
