"""`amae run`: a folder of images to their evaluation, again and again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from demo_images import demo_files

from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind, RunState
from amae_engine.cli import main
from amae_engine.events import EpochEnd, RunStarted
from amae_engine.jobs import run_pipeline as run_pipeline_module
from amae_engine.jobs.planning.defaults import Chosen
from amae_engine.jobs.run_pipeline import run_pipeline
from amae_engine.project import Project


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Folders as README says: normal, unlabeled, test/normal, test/abnormal."""
    folder = tmp_path / "images"
    for file in demo_files(16, 12, 6):
        truth = "abnormal" if file.truth else "normal"
        place = folder / ("test/" + truth if file.role == "test" else file.role)
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file.path, place)
    return folder


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_weights: Path) -> None:
    """The chosen settings, with a network that is quick."""
    real = run_pipeline_module.default_config

    def chosen(project: Project, kind: RunKind, parent: int) -> Chosen:
        found = real(project, kind, "compact", parent=parent)
        if kind is RunKind.STAGE1:
            own = {"weights": str(tiny_weights), "preset": "", "encoder": ""}
            return replace(found, config=found.config.replace(**own))
        return found

    monkeypatch.setattr(run_pipeline_module, "default_config", chosen)


def _kinds(folder: Path) -> list[tuple[RunKind, RunState]]:
    project = Project.open(folder)
    with project.session() as session:
        return [(row.kind, row.state) for row in runs.list_runs(session)][::-1]


def test_one_command_from_folders_to_an_evaluation_and_nothing_twice(
    images: Path, tmp_path: Path, capsys
):
    words = ["run", str(images), "--project", str(tmp_path / "chest"), "--epochs", "1"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "normal     16 images" in said.out
    assert "Preset compact: as asked for" in said.err  # what was chosen, and why
    assert "3 normal + 3 abnormal test images" in said.out
    assert "Open it in the window: amae" in said.out
    assert (tmp_path / "chest" / "exports").is_dir()
    kinds = _kinds(tmp_path / "chest")
    assert kinds[0] == (RunKind.STAGE1, RunState.FINISHED)
    assert kinds[-1] == (RunKind.SCORE, RunState.FINISHED)
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    assert said.err.count("is up to date") == len(kinds)
    assert _kinds(tmp_path / "chest") == kinds
    assert json.loads(said.out)["runs"]["score"] == len(kinds)
    (images / "normal" / "more.jpeg").write_bytes(demo_files(17, 0, 0)[16].path.read_bytes())
    main(["import", str(images), "--project", str(tmp_path / "chest")])
    job = run_pipeline(Project.open(tmp_path / "chest"), 1)
    begun = next(event for event in job if isinstance(event, RunStarted))
    job.close()
    assert begun.run_id == len(kinds) + 1  # stage 1 has one image more to learn from


def test_what_was_cut_short_goes_on(images: Path, tmp_path: Path, capsys):
    folder = tmp_path / "chest"
    assert main(["import", str(images), "--project", str(folder)]) == 0
    job = run_pipeline(Project.open(folder), 3)
    next(event for event in job if isinstance(event, EpochEnd))
    job.close()
    assert _kinds(folder) == [(RunKind.STAGE1, RunState.CANCELLED)]
    assert main(["run", "--project", str(folder), "--epochs", "3"]) == 0
    assert "Stage 1: run 1 goes on from its last whole epoch" in capsys.readouterr().err
    assert _kinds(folder)[0] == (RunKind.STAGE1, RunState.FINISHED)
    assert [kind for kind, _ in _kinds(folder)].count(RunKind.STAGE1) == 1


def test_without_the_test_images_truth_it_ends_with_the_scores(
    images: Path, tmp_path: Path, capsys
):
    shutil.rmtree(images / "test" / "abnormal")
    words = ["run", str(images), "--project", str(tmp_path / "chest"), "--epochs", "1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "has the scores of 3 test images. They cannot be evaluated" in out
    assert "recorded for 3 normal and 0 abnormal ones, and both are needed" in out


def test_without_test_images_it_trains_and_says_so(images: Path, tmp_path: Path, capsys):
    shutil.rmtree(images / "test")
    words = ["run", str(images), "--project", str(tmp_path / "chest"), "--epochs", "1"]
    assert main(words) == 0
    assert "There are no test images, so nothing was scored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("normal", "At least 16 normal images are needed; there are 0"),
        ("unlabeled", "At least 10 unlabeled images are needed; there are 0"),
    ],
)
def test_without_n_or_u_one_sentence_comes_before_any_work(
    images: Path, tmp_path: Path, capsys, missing: str, message: str
):
    shutil.rmtree(images / missing)
    assert main(["run", str(images), "--project", str(tmp_path / "chest")]) == 1
    said = capsys.readouterr()
    assert (
        said.err.strip()
        == f"amae: {message}. Put them into a folder '{missing}', or name them in a table (--csv)."
    )
    assert said.out == ""
    assert not (tmp_path / "chest").exists()
