"""Whoever stands in a folder with a torch.py of somebody else's does not run it, however AMAE starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from demo_images import DEMO
from PySide6.QtCore import QProcess

from amae_app.crash import CrashGuard
from amae_app.main_window import MainWindow
from amae_app.settings import Settings
from amae_engine.project import Project

_PLANTED = ("torch", "multiprocessing", "amae_engine", "numpy")

_IN_A_CHILD = """
import sys
from pathlib import Path
from amae_engine.jobs.child_process import run_in_child

def main():
    for _ in run_in_child(Path(sys.argv[1]), "stage1", {"weights": sys.argv[2], "encoder": "",
                          "training": {"epochs": 1, "warmup_epochs": 0, "batch_size": 8}}):
        pass

if __name__ == "__main__":
    main()
"""
_IN_THE_QUEUE = """
import sys, time
from pathlib import Path
from amae_engine.jobs.planning.work_queue import start_worker
from amae_engine.project import Project

start_worker(Project.open(Path(sys.argv[1])))
"""


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder whose modules leave a trace when they are imported."""
    folder = tmp_path / "somebody_s"
    folder.mkdir()
    for name in _PLANTED:
        trace = f"from pathlib import Path; Path({str(folder / 'ran')!r}).touch()"
        (folder / f"{name}.py").write_text(f"import sys; sys.path[:] = sys.path[1:]; {trace}")
    return folder


def _run(planted: Path, *command: str, text: str = "") -> str:
    """Run Python from that folder; without what a test's own environment says of paths."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONSAFEPATH", "PYTHONPATH")}
    if text:
        script = planted.parent / "script.py"
        script.write_text(text)
        command = (str(script), *command)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=planted,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (planted / "ran").exists()
    return done.stdout


def test_the_traps_work(planted: Path):
    """Python itself falls into them; else the tests below could not fail."""
    done = subprocess.run(
        [sys.executable, "-c", "import torch"],
        cwd=planted,
        env={k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"},
        check=False,
    )
    assert done.returncode == 0
    assert (planted / "ran").exists()


def test_the_program_itself(planted: Path):
    """`python -m amae_app`, which is what the script `amae` runs."""
    out = _run(planted, "-m", "amae_app", "peer", "--list")
    assert "DDAD-AE" in out


def test_decoders_of_an_import(planted: Path):
    images = [str(path) for path in sorted((DEMO / "images").glob("normal_*.jpeg"))[:4]]
    where = ["--project", str(planted.parent / "p"), "--role", "normal", "--processes", "2"]
    assert "4 images" in _run(planted, "-m", "amae_app", "import", *where, *images)


def test_several_processes_and_lungs(planted: Path, small_project: Project, tiny_weights: Path):
    settings = [f"weights={tiny_weights}", "encoder=", "training.epochs=1"]
    words = ["stage1", "--project", str(small_project.folder), "--processes", "2"]
    words += [word for each in settings for word in ("--set", each)]
    assert "is finished" in _run(planted, "-m", "amae_app", *words)


def test_a_job_in_a_process_of_its_own(planted: Path, small_project: Project, tiny_weights: Path):
    _run(planted, str(small_project.folder), str(tiny_weights), text=_IN_A_CHILD)


def test_the_queue_s_worker(planted: Path, small_project: Project):
    _run(planted, str(small_project.folder), text=_IN_THE_QUEUE)


def test_starting_anew(planted: Path, monkeypatch: pytest.MonkeyPatch, qtbot):
    started: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(QProcess, "startDetached", lambda *command: started.append(command))
    window = MainWindow(Settings())
    qtbot.addWidget(window)
    CrashGuard(window)._restart()
    qtbot.waitUntil(lambda: bool(started))
    assert window.is_closed
    ((program, arguments),) = started
    assert program == sys.executable
    _run(planted, *arguments, "peer", "--list")
