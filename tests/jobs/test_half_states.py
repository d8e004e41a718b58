"""What fails half-way leaves nothing behind that is in the way, and can be told apart afterwards."""

import csv
import json
from contextlib import closing
from pathlib import Path

import pytest
from demo_images import demo_files

from amae_engine.cli import main
from amae_engine.config import Stage1Config, TrainingConfig
from amae_engine.errors import ProjectError
from amae_engine.project import Project


def test_a_wrong_pacs_address_leaves_no_project(tmp_path: Path, capsys):
    folder = tmp_path / "new"
    place = ("--project", str(folder), "--role", "unlabeled", "--timeout", "2")
    assert main(["pacs", "fetch", "--dicomweb", "http://127.0.0.1:9/none", *place]) == 1
    assert "amae:" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize("made", [("pixels",), ("pixels", "runs", "exports", "private")])
def test_a_project_whose_making_was_cut_short_is_made_again(tmp_path: Path, made):
    folder = tmp_path / "half"
    for part in made:
        (folder / part).mkdir(parents=True)
    if "private" in made:
        (folder / "private" / "key").write_bytes(b"half")
    with closing(Project.create(folder)) as project:
        assert len(project.key) == 32


def test_a_folder_with_anything_else_is_still_refused(tmp_path: Path):
    for name in ("notes.txt", "pixels/images.u8", "private/paths"):
        folder = tmp_path / name.replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"x")
        with pytest.raises(ProjectError, match="is not empty"):
            Project.create(folder)


def test_refused_files_are_named_in_private_and_where_the_reader_asks(
    project: Project, tmp_path: Path, capsys
):
    images = tmp_path / "MUELLER_HANS"
    images.mkdir()
    good = demo_files(2, 0, 0)
    for number, file in enumerate(good):
        (images / f"{number}.jpeg").write_bytes(file.path.read_bytes())
    (images / "broken.jpeg").write_bytes(b"no picture")
    report, named = tmp_path / "report.csv", tmp_path / "named.csv"
    start = ["import", str(images), "--project", str(project.folder), "--role", "normal"]
    assert main([*start, "--report", str(report)]) == 0
    assert "private/imports" in capsys.readouterr().err
    assert "MUELLER" not in report.read_text()
    assert "broken" not in report.read_text()
    kept = next((project.folder / "private" / "imports").glob("import-*.csv"))
    with kept.open(newline="") as file:
        rows = {Path(row["name"]).name: row["outcome"] for row in csv.DictReader(file)}
    assert rows == {"0.jpeg": "imported", "1.jpeg": "imported", "broken.jpeg": "refused"}
    assert main([*start, "--report", str(named), "--names"]) == 0
    assert "broken.jpeg" in named.read_text()


def test_few_epochs_clip_a_warm_up_that_nobody_asked_for(
    small_project: Project, tiny_weights: Path, capsys
):
    place = ("--project", str(small_project.folder), "--set", f"weights={tiny_weights}")
    place += ("--set", "encoder=")
    assert main(["stage1", *place, "--set", "training.epochs=1"]) == 0
    assert "The warm-up is 1 of 1 epochs" in capsys.readouterr().err
    config = json.loads((small_project.run_folder(1) / "run.json").read_text())["config"]
    training = Stage1Config.from_dict(config).training
    assert (training.epochs, training.warmup_epochs) == (1, 1)
    asked = ("--set", "training.epochs=1", "--set", "training.warmup_epochs=2")
    assert main(["stage1", *place, *asked]) == 1
    assert "warmup_epochs must lie in 0…epochs (1); it is 2." in capsys.readouterr().err
    assert TrainingConfig().warmup_epochs == 20
