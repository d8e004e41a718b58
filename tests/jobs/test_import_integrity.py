"""Each image once, each patient in one split, every import undoable, originals found again."""

import csv
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from demo_images import DEMO, demo_files, finish
from PIL import Image

from amae_engine.catalog import decisions, image_tables, patients, studies, undo
from amae_engine.catalog.tables import Label, Split
from amae_engine.cli import main
from amae_engine.config import Stage1Config, Stage2Config, TrainingConfig
from amae_engine.errors import BadInput, BadSetting, NotReady
from amae_engine.images.csv_table import CsvColumns
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_mappings import recall, remember
from amae_engine.jobs.importing.import_plan import ImportPlan, import_plan
from amae_engine.jobs.importing.import_preview import preview_import
from amae_engine.jobs.importing.import_report import ImportReport, Outcome, Twins
from amae_engine.jobs.importing.relink_originals import RelinkReport, relink_originals
from amae_engine.jobs.importing.undo_import import undo_import
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)


def _images(project: Project) -> int:
    with project.session() as session:
        return len(studies.page_of_ids(session))


def _shared(project: Project) -> None:
    """One patient with a normal image and a test image."""
    one, two = sorted((DEMO / "images").glob("normal_*.jpeg"))[-2:]
    files = [SourceFile(one, "normal", 0, "twice"), SourceFile(two, "test", 0, "twice")]
    finish(import_images(project, files, "ward"))


def test_a_copy_in_another_format_is_offered_not_taken(project: Project, tmp_path: Path):
    image = demo_files(1, 0, 0)[0]
    finish(import_images(project, [image], "first"))
    copy = tmp_path / "copy.png"
    Image.open(image.path).convert("L").resize((200, 200)).point(lambda v: v * 0.9).save(copy)
    again = [SourceFile(copy, "normal")]
    report, _ = finish(import_images(project, again, "second"))
    assert isinstance(report, ImportReport)
    assert report.count(Outcome.SUSPECT) == 1
    assert "probably the same image as CXR-00001" in report.fates[0].reason
    report, _ = finish(import_images(project, again, "second", twins=Twins.KEEP))
    assert report.count(Outcome.IMPORTED) == 1


def test_other_patients_images_are_not_taken_for_copies(project: Project):
    report, _ = finish(import_images(project, demo_files(40, 30, 30), "demo"))
    assert isinstance(report, ImportReport)
    assert report.count(Outcome.IMPORTED) == 100


def test_a_patient_in_two_splits_blocks_both_stages(project: Project, tiny_weights: Path):
    finish(import_images(project, demo_files(20, 10, 10), "demo"))
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    _shared(project)
    with pytest.raises(
        BadInput, match="1 patients have images in more than one split .P41.*fix-pat"
    ):
        finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    with pytest.raises(BadInput, match="in more than one split"):
        finish(train_stage2(project, Stage2Config(training=SHORT)))


def test_patients_are_put_into_one_split_and_back(project: Project):
    _shared(project)
    with project.session() as session:
        moved = patients.resolve_patients_in_two_splits(session, "BB")
        assert [(image.before, image.after) for image in moved] == [(Split.NORMAL, Split.TEST)]
        assert studies.patients_in_two_splits(session) == []
        assert undo.undo(session, "BB").what == "1 image to test"
        assert len(studies.patients_in_two_splits(session)) == 1
        with pytest.raises(BadSetting, match="normal only when it is known"):
            patients.resolve_patients_in_two_splits(session, "BB", Split.NORMAL)


def test_the_last_import_is_taken_back_and_can_come_again(project: Project):
    finish(import_images(project, demo_files(4, 0, 0), "first"))
    finish(import_images(project, demo_files(0, 4, 2), "second"))
    undone = undo_import(project, "BB")
    assert (undone.source, undone.images, _images(project)) == ("second", 6, 4)
    report, _ = finish(import_images(project, demo_files(0, 4, 2), "again"))
    assert isinstance(report, ImportReport)
    assert report.count(Outcome.IMPORTED) == 6
    undo_import(project)
    assert undo_import(project).source == "first"
    with pytest.raises(NotReady, match="no import to undo"):
        undo_import(project)


def test_the_truth_that_an_import_brought_is_taken_back_too(project: Project, capsys):
    every = demo_files(1, 2, 4)
    blind = [replace(file, truth=None) for file in every if file.role != "normal"]
    finish(import_images(project, blind, "blind"))
    with project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.set_truth(session, test[:1], 1, "BB")
    finish(import_images(project, every, "with truth"))
    assert _images(project) == 7
    with project.session() as session:
        studies.set_truth(session, test[1:2], 1 - every[4].truth, "BB")  # thought better of it
    place = ["--project", str(project.folder)]
    assert main(["undo-import", *place]) == 0
    assert "1 image and the truth of 4 older images" in capsys.readouterr().out
    with project.session() as session:
        known = {s: image_tables.images_in(session, s).truth.tolist() for s in Split}
    unknown = -1
    assert known[Split.NORMAL] == []
    assert known[Split.UNLABELED] == [unknown] * 2
    assert known[Split.TEST] == [1, 1 - every[4].truth, unknown, unknown]
    finish(import_images(project, every[1:], "truth alone"))  # brings no image
    assert undo_import(project).what == "the truth of 4 older images"
    assert undo_import(project).what == "6 images"


def test_truth_that_came_before_a_run_stays(small_project: Project, tiny_weights: Path):
    with small_project.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.set_truth(session, ids, None, "BB")
    finish(import_images(small_project, demo_files(0, 0, 10), "truth"))
    finish(train_stage1(small_project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    with pytest.raises(
        NotReady, match="import of truth cannot be undone: run 1 .* its truth came in"
    ):
        undo_import(small_project)


def test_an_import_that_training_used_stays(small_project: Project, tiny_weights: Path):
    finish(train_stage1(small_project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    with pytest.raises(NotReady, match="run 1 was at work after its images came in. Remove the"):
        undo_import(small_project)
    assert _images(small_project) == 40


def test_an_import_that_a_reader_decided_on_stays(small_project: Project):
    with small_project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[:3], Label.NORMAL, "BB")
    with pytest.raises(NotReady, match="decided on 3 of its images, and decisions are kept"):
        undo_import(small_project)


def test_moved_originals_are_found_by_name_and_verified_by_pixels(project: Project, tmp_path: Path):
    old, new = tmp_path / "old", tmp_path / "new" / "deep"
    old.mkdir()
    new.mkdir(parents=True)
    for file in demo_files(3, 0, 0):
        shutil.copy(file.path, old)
    finish(import_plan(project, ImportPlan((old,), role="normal")))
    for path in old.iterdir():
        path.rename(new / path.name)
    impostor = sorted(new.iterdir())[0]
    shutil.copy(demo_files(0, 0, 1)[0].path, impostor)
    assert project.original_path(1) is None
    report, _ = finish(relink_originals(project, tmp_path / "new"))
    assert report == RelinkReport(missing=3, found=2, others=1)
    assert "2 of 3 missing originals found again; 1 files" in report.summary()
    assert sum(project.original_path(i) is not None for i in (1, 2, 3)) == 2
    with pytest.raises(BadInput, match="there is no such folder"):
        finish(relink_originals(project, tmp_path / "nowhere"))


def test_a_dry_run_changes_nothing_and_tells_the_fate(project: Project, tmp_path: Path):
    finish(import_images(project, demo_files(2, 0, 0), "first"))
    table = tmp_path / "images.csv"
    names = [file.path.name for file in demo_files(4, 0, 0)]
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "split", "truth", "patient"))
        writer.writerows((f"images/{name}", "normal", "0", "x") for name in names)
        writer.writerow((f"images/{names[0]}", "test", "0", "x"))
        writer.writerow(("images/gone.jpeg", "normal", "0", "y"))
    before = sorted(p for p in project.folder.rglob("*") if p.is_file())
    preview, _ = finish(preview_import(ImportPlan((table,), image_folder=DEMO), project))
    assert (preview.files, preview.missing, preview.repeated, preview.known) == (6, 1, 1, 2)
    assert any("named as normal and as test" in reason for reason in preview.reasons)
    assert sorted(p for p in project.folder.rglob("*") if p.is_file()) == before
    assert _images(project) == 2


def test_a_mapping_is_remembered_for_the_next_table_of_its_kind(project: Project, tmp_path: Path):
    for number, image in enumerate(demo_files(2, 0, 0)):
        shutil.copy(image.path, tmp_path / f"{number}.jpeg")
        with (tmp_path / f"{number}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("picture", "set", "finding", "who"))
            writer.writerow((f"{number}.jpeg", "test", "clear", "x"))
    first = ImportPlan(
        (tmp_path / "0.csv",),
        columns=("picture", "set", "finding", "who"),
        truth_values=(("clear", "normal"),),
    )
    finish(import_plan(project, first))
    finish(import_plan(project, ImportPlan((tmp_path / "1.csv",))))
    with project.session() as session:
        assert studies.split_counts(session)[Split.TEST].normal == 2


def test_a_mapping_keeps_no_column_that_it_does_not_use(project: Project):
    header = ("picture", "set", "finding", "who", "notes of Q. Secretperson")
    remember(project, header, CsvColumns("picture", "set", "finding", "who"))
    kept = project.folder / "import_mappings.json"
    assert "Secretperson" not in kept.read_text()
    found = recall(project, header)
    assert found is not None
    assert found.file == "picture"
    assert recall(project, header[:4]) is None
    (mapping,) = json.loads(kept.read_text())
    kept.write_text(json.dumps([{**mapping, "header": list(header)}]))  # as AMAE wrote it before
    assert recall(project, header) == found


def test_a_zip_comes_in_and_its_originals_stay_with_the_project(project: Project, tmp_path: Path):
    archive = tmp_path / "ward.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in demo_files(3, 0, 0):
            target.write(file.path, f"normal/{file.path.name}")
    plan = ImportPlan((archive,))
    preview, _ = finish(preview_import(plan, project))
    assert (preview.files, _images(project)) == (3, 0)
    finish(import_plan(project, plan))
    archive.unlink()
    assert _images(project) == 3
    original = project.original_path(1)
    assert original is not None
    assert project.folder / "private" in original.parents


def test_the_command_line_previews_undoes_and_puts_right(tmp_path: Path, capsys):
    place = ["--project", str(tmp_path / "p")]
    images = [str(file.path) for file in demo_files(3, 0, 0)]
    assert main(["import", *images, "--role", "normal", *place, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 3
    assert not (tmp_path / "p").exists()
    assert main(["import", *images, "--role", "normal", *place]) == 0
    project = Project.open(tmp_path / "p")
    _shared(project)
    assert main(["fix-patients", *place, "--reader", "BB"]) == 0
    assert "from normal to test" in capsys.readouterr().err
    assert main(["undo-import", *place]) == 0
    assert _images(project) == 3
    project.close()
    (tmp_path / "moved").mkdir()
    assert main(["relink", str(tmp_path / "moved"), *place]) == 0
    assert "0 of 0 missing originals" in capsys.readouterr().out


def test_a_report_of_refusals_is_written_though_nothing_came_in(tmp_path: Path, capsys):
    (tmp_path / "a.png").write_text("no image")
    (tmp_path / "b.png").write_text("no image")
    report = tmp_path / "report.csv"
    place = ["--project", str(tmp_path / "p"), "--report", str(report)]
    assert main(["import", str(tmp_path), "--role", "normal", *place]) == 1
    assert "None of the 2 files could be imported: 2 × not a picture" in capsys.readouterr().err
    assert report.read_text().count(",refused,") == 2
