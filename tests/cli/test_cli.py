"""The command line: the same jobs, clear errors, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from demo_images import DEMO, ROOT

from amae_engine.cli import main
from amae_engine.project import Project


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A project of a quarter of the demo's images, imported through the command line."""
    lines = (DEMO / "manifest.csv").read_text(encoding="utf-8").splitlines()
    table = tmp_path / "manifest.csv"
    table.write_text("\n".join([lines[0], *lines[1::4]]), encoding="utf-8")
    folder = tmp_path / "p"
    words = ["import", "--project", str(folder), "--csv", str(table), "--images", str(DEMO)]
    assert main(words) == 0
    assert "normal     24 images of 24 patients" in capsys.readouterr().out
    return folder


def _set(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def test_the_whole_path_runs_headless(made: Path, capsys: pytest.CaptureFixture[str]):
    short = _set("training.epochs=2", "training.warmup_epochs=1")
    project = ["--project", str(made)]
    small = ["--preset", "compact"]  # the demo's test takes the default
    assert main(["stage1", *project, *short, *small, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": 1}
    first = "CXR-00025=abnormal", "CXR-00026=abnormal"
    decide = [word for text in first for word in ("--decide", text)]
    assert main(["pseudo", *project, "--json", "--reader", "BB", *decide]) == 0
    labels = json.loads(capsys.readouterr().out)
    assert labels["decided_by_readers"] == 2
    assert labels["normal"] + labels["abnormal"] + labels["unused"] + labels["excluded"] == 20
    assert main(["stage2", *project, *short]) == 0
    assert main(["score", *project]) == 0
    capsys.readouterr()
    assert main(["evaluate", *project, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["measured_on"].startswith("8 normal + 8 abnormal test images")
    assert result["scores"]["discrepancy"]["origin"] == "paper"
    assert main(["export", *project]) == 0
    assert (made / "exports" / "run-003" / "curves.png").is_file()
    assert main(["runs", *project]) == 0
    assert "score" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stage2", "--project", "{p}"], "needs a finished stage1 run"),
        (["stage1", "--project", "{p}", "--set", "training.epoch=3"], "unknown setting 'epoch'"),
        (["stage1", "--project", "{p}", "--set", "training.epochs=x"], "must be int; it is 'x'"),
        (["stage1", "--project", "{p}", "--preset", "huge"], "preset must be one of paper, base"),
        (["stage1", "--project", "{p}", "--set", "weights=no.pth"], "no.pth is missing"),
        (["stage1", "--project", "{p}", "--resume"], "no unfinished stage1 run to resume"),
        (["stage1", "--project", "{p}/nowhere"], "is not an AMAE project"),
        (["import", "--project", "{p}/new", "{p}/runs"], "holds no DICOM, PNG, JPEG or TIFF"),
        (["evaluate", "--project", "{p}", "--run", "77"], "There is no run 77"),
        (["pseudo", "--project", "{p}", "--decide", "CXR-00001=odd"], "IMAGE=LABEL with a label"),
    ],
)
def test_a_mistake_gives_one_sentence_and_exit_code_1(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    code = main([word.replace("{p}", str(project.folder)) for word in words])
    error = capsys.readouterr().err
    assert code == 1
    assert message in error
    assert "Traceback" not in error


def test_an_import_that_fails_makes_no_project(tmp_path: Path):
    (tmp_path / "images").mkdir()
    main(["import", "--project", str(tmp_path / "new"), str(tmp_path / "images")])
    assert not (tmp_path / "new").exists()


def test_files_are_decoded_by_as_many_as_are_asked_for(tmp_path: Path):
    images = sorted((DEMO / "images").glob("normal_*.jpeg"))[:6]
    stored = []
    for at_once in ("1", "3"):
        project = tmp_path / at_once
        words = ["import", "--project", str(project), "--role", "normal", "--processes", at_once]
        assert main([*words, *map(str, images)]) == 0
        stored.append((project / "pixels" / "images.u8").read_bytes())
    assert stored[0] == stored[1]
    assert len(stored[0]) == 6 * 256 * 256


def _entry(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The program as it is started, on a machine without a display."""
    return subprocess.run(
        [sys.executable, "-m", "amae_app", *words],
        cwd=folder,
        env={"PATH": "/usr/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_command_is_answered_with_the_list(tmp_path: Path):
    done = _entry(["stage3"], tmp_path)
    assert done.returncode == 2
    assert "invalid choice: 'stage3'" in done.stderr
    assert "'stage2'" in done.stderr
    assert "display" not in done.stderr


def test_a_folder_with_a_command_s_name_does_not_hide_the_command(tmp_path: Path):
    (tmp_path / "score").mkdir()
    assert "--project" in _entry(["score"], tmp_path).stderr
    (tmp_path / "chest").mkdir()
    assert "no display was found" in _entry(["chest"], tmp_path).stderr


@pytest.mark.slow
def test_the_demo_runs_without_a_display(tmp_path: Path):
    command = [sys.executable, "-m", "amae_app", "demo", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(
        [*command, "--epochs", "1"],
        cwd=ROOT,
        env={"PATH": "/usr/bin", "HOME": str(tmp_path), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "No display was found" in done.stderr
    for label in ("Stage 1 classifier", "Stage 2 A_inter", "Feature distance", "Grey statistics"):
        assert label in done.stdout
    assert "CC BY 4.0" in done.stdout
    assert (tmp_path / "demo" / "exports").is_dir()


def test_a_reader_that_has_read_enough_ends_the_command_well():
    """As `amae peer --list | head -1` does."""
    command = [sys.executable, "-m", "amae_engine.cli", "peer", "--list"]
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.stdout is not None
    done.stdout.close()
    _, told = done.communicate(timeout=600)
    assert told == ""
    assert done.returncode == 0
