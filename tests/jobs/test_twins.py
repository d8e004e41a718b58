"""Of probable twins the larger, deeper one stays; one that is there is replaced when asked alone."""

from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish
from PIL import Image

from amae_engine.catalog import decisions, image_tables, studies, tags
from amae_engine.catalog.tables import Label, Split
from amae_engine.cli import main
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing import decode_ahead, image_intake
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import Outcome, Twins
from amae_engine.jobs.importing.undo_import import undo_import
from amae_engine.jobs.verify import verify_project
from amae_engine.project import Project


@pytest.fixture
def sizes(tmp_path: Path) -> dict[str, Path]:
    """One image in three sizes, and the largest with 16 bits; names sort by their keys."""
    grey = Image.open(demo_files(0, 1, 0)[0].path).convert("L")
    found = {}
    for name, side in (("small", 400), ("middle", 700), ("large", 900)):
        found[name] = tmp_path / f"{name}.png"
        grey.resize((side, side)).save(found[name])
    deep = np.asarray(grey.resize((900, 900))).astype(np.uint16) * 257
    found["deep"] = tmp_path / "deep.png"
    Image.fromarray(deep).save(found["deep"])
    return found


def _import(project: Project, *paths: Path, twins: Twins = Twins.LEAVE_OUT) -> list[Outcome]:
    files = [SourceFile(path, "unlabeled") for path in paths]
    report, _ = finish(import_images(project, files, "ward", "AB", twins))
    return [fate.outcome for fate in report.fates]


def _rows(project: Project) -> list[studies.ImageRow]:
    with project.session() as session:
        return studies.rows(session, studies.page_of_ids(session).tolist())


@pytest.mark.parametrize(
    "order", ["small middle large", "large small middle", "middle large small"]
)
def test_of_one_import_the_largest_stays(project: Project, sizes, order: str):
    names = order.split()
    outcomes = dict(zip(names, _import(project, *(sizes[n] for n in names)), strict=True))
    assert outcomes == {
        "large": Outcome.IMPORTED, "middle": Outcome.SUSPECT, "small": Outcome.SUSPECT,
    }  # fmt: skip
    ((row),) = _rows(project)
    assert (row.columns, row.rows) == (900, 900)
    assert project.original_path(row.id) == sizes["large"]
    assert finish(verify_project(project))[0].problems == ()


def test_of_one_size_the_deeper_stays_though_batches_lie_between(
    project: Project, sizes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(decode_ahead, "BATCH", 8)
    others = [file.path for file in demo_files(20, 0, 0)]
    outcomes = _import(project, sizes["large"], *others, sizes["deep"])
    assert (outcomes[0], outcomes[-1]) == (Outcome.SUSPECT, Outcome.IMPORTED)
    rows = _rows(project)
    assert len(rows) == 21
    (row,) = (each for each in rows if each.bits_stored == 16)
    assert project.original_path(row.id) == sizes["deep"]
    undone = undo_import(project, "AB")
    assert undone.images == 21
    assert _rows(project) == []


def test_both_are_kept_where_that_is_wanted(project: Project, sizes):
    assert (
        _import(project, sizes["small"], sizes["large"], twins=Twins.KEEP) == [Outcome.IMPORTED] * 2
    )
    assert len(_rows(project)) == 2


def test_a_larger_twin_is_offered_and_taken_in_place_with_its_decisions(project: Project, sizes):
    assert _import(project, sizes["small"]) == [Outcome.IMPORTED]
    (before,) = _rows(project)
    with project.session() as session:
        decisions.decide(session, [before.id], Label.ABNORMAL, "AB")
        tags.add_tag(session, [before.id], "device", "AB")
    assert _import(project, sizes["large"]) == [Outcome.LARGER]
    assert _rows(project) == [before]  # nothing is replaced silently
    assert _import(project, sizes["middle"], twins=Twins.REPLACE) == [Outcome.REPLACED]
    (after,) = _rows(project)
    assert (after.id, after.name, after.split) == (before.id, before.name, before.split)
    assert (after.columns, after.rows) == (700, 700)
    assert project.original_path(after.id) == sizes["middle"]
    with project.session() as session:
        assert decisions.current(session) == {before.id: Label.ABNORMAL}
        assert tags.tags_of(session, [before.id]) == {before.id: ("device",)}
        stored = project.pixels.read(image_tables.images_in(session, Split.UNLABELED).store_rows)
    with Image.open(sizes["middle"]) as middle:
        side = project.pixels.side
        wanted = np.asarray(middle.convert("L").resize((side, side)), dtype=float)
    assert np.abs(stored[0] - wanted).mean() < 12  # the larger file's, as AMAE scales it
    assert finish(verify_project(project))[0].problems == ()
    # a smaller one takes no place, and the same file is known again
    assert _import(project, sizes["small"], twins=Twins.REPLACE) == [Outcome.SUSPECT]
    assert _import(project, sizes["middle"]) == [Outcome.DUPLICATE]


def test_a_replacement_is_taken_back_with_its_import(project: Project, sizes):
    _import(project, sizes["small"])
    before = _rows(project)
    _import(project, sizes["large"], twins=Twins.REPLACE)
    undone = undo_import(project, "AB")
    assert undone.what == "a larger file of 1 older image"
    assert _rows(project) == before
    assert project.original_path(before[0].id) is None  # found again by More, Find moved originals


def test_an_image_that_was_decided_on_meanwhile_is_not_replaced(
    project: Project, sizes, monkeypatch: pytest.MonkeyPatch
):
    """Another window's reader may decide on an image while the import still runs."""
    stored = image_intake.ImageIntake.store

    def store(intake, batch):
        stored(intake, batch)
        rows = [row for row in _rows(project) if row.rows == 400]
        if rows:
            with project.session() as session:
                decisions.decide(session, [rows[0].id], Label.NORMAL, "CD")

    monkeypatch.setattr(image_intake.ImageIntake, "store", store)
    monkeypatch.setattr(decode_ahead, "BATCH", 8)
    others = [file.path for file in demo_files(20, 0, 0)]
    outcomes = _import(project, sizes["small"], *others, sizes["large"])
    assert (outcomes[0], outcomes[-1]) == (Outcome.IMPORTED, Outcome.LARGER)


def test_the_command_line_offers_and_replaces(project: Project, sizes, capsys):
    _import(project, sizes["small"])
    command = ["import", "--project", str(project.folder), "--role", "unlabeled"]
    assert main([*command, str(sizes["large"])]) == 0
    said = capsys.readouterr()
    assert "1 left out as probably the same as another image (1 larger than it)" in said.err
    assert main([*command, "--replace-smaller", str(sizes["large"])]) == 0
    assert "1 in the place of a smaller twin" in capsys.readouterr().err
    assert [row.rows for row in _rows(project)] == [900]


def test_twins_with_other_labels_are_told_apart(project: Project, sizes):
    """Nothing of one is carried to the other, and that they differ is said."""
    files = [SourceFile(sizes["small"], "normal", 0), SourceFile(sizes["large"], "test", 1)]
    report, _ = finish(import_images(project, files, "ward", "AB"))
    assert report.fates[0].reason == (
        "probably the same image as another of these files, which is larger, and is test, abnormal; "
        "here it is normal"
    )
    ((row),) = _rows(project)
    assert (row.split, row.truth) == (Split.TEST, 1)
    again = [SourceFile(sizes["middle"], "unlabeled")]
    report, _ = finish(import_images(project, again, "ward", "AB"))
    assert report.fates[0].reason.endswith(", which is test, abnormal; here it is unlabeled")
