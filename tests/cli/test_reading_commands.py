"""What readers do without a window: images held back, decisions out and in, agreement."""

import csv
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish
from PIL import Image

from amae_engine.catalog import blind_readings, decisions, image_tables, undo
from amae_engine.catalog.decisions import Offer
from amae_engine.catalog.tables import Label, Split
from amae_engine.cli import main
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.curation import decision_csv
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project


@pytest.fixture
def ids(small_project: Project) -> list[int]:
    """Of the unlabeled images."""
    with small_project.session() as session:
        return image_tables.images_in(session, Split.UNLABELED).ids.tolist()


def test_held_images_are_listed_let_in_and_left_out(small_project: Project, tmp_path: Path, capsys):
    files = []
    for number in (1, 2):
        y, x = np.mgrid[:300, :300]
        stripes = (127 + 120 * np.sin((x + y * number) / (9.0 + number))).astype(np.uint8)
        path = tmp_path / f"stripes{number}.png"
        Image.fromarray(stripes).save(path)
        files.append(SourceFile(path, "test"))
    finish(import_images(small_project, files, "ward"))
    project = ["held", "--project", str(small_project.folder)]
    assert main([*project, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "waiting": ["CXR-00041", "CXR-00042"], "left_out": []
    }  # fmt: skip
    assert main([*project, "--let-in", "41", "--leave-out", "CXR-42", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"waiting": [], "left_out": ["CXR-00042"]}
    with small_project.session() as session:
        assert len(image_tables.images_in(session, Split.TEST).ids) == 11
    assert main([*project, "--let-in", "3"]) == 1
    assert "no such image is held back" in capsys.readouterr().err


def test_decisions_go_round_without_loss(
    small_project: Project, ids: list[int], tmp_path: Path, capsys
):
    with small_project.session() as session:
        decisions.decide(session, ids[:3], Label.ABNORMAL, "=cmd", offer=Offer("random", True))
        undo.undo(session, "=cmd")
        decisions.decide(session, ids[2:5], Label.NORMAL, "BB", kind="confirm")
        before = decisions.history(session)
    table = tmp_path / "decisions.csv"
    assert main(["decisions", "--project", str(small_project.folder), "export", str(table)]) == 0
    assert "9 decisions written" in capsys.readouterr().out
    assert ",=" not in table.read_text()
    # a copy of the project that has no decisions yet: the same key, the same images
    other = Project.create(tmp_path / "copy", "Copy")
    (other.folder / "private" / "key").write_bytes(small_project.key)
    other.close()
    other = Project.open(tmp_path / "copy")
    files = [f for f in demo_files(20, 10, 10) if f.role == "unlabeled"][:4]
    finish(import_images(other, files, "demo"))
    arguments = ["decisions", "--project", str(other.folder), "import", str(table), "--json"]
    assert main(arguments) == 0
    taken = json.loads(capsys.readouterr().out)
    here = {row.pixel_hash: row for row in _keys(other)}
    there = {row.image_id: row.pixel_hash for row in _keys(small_project)}
    kept = [row for row in before if there[row.image_id] in here]
    assert (taken["added"], len(taken["no_image"])) == (len(kept), 1)
    with other.session() as session:
        after = decisions.history(session)
    for old, new in zip(kept, after, strict=True):
        assert here[there[old.image_id]].image_id == new.image_id
        for name in ("reader", "decided_at", "before", "after", "kind", "batch", "offered",
                     "truth_shown"):  # fmt: skip
            assert getattr(old, name) == getattr(new, name), name
    assert main(arguments) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["added"], again["known"]) == (0, len(kept))
    other.close()


def _keys(project: Project):
    from amae_engine.catalog import image_keys

    with project.session() as session:
        found = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        return image_keys.of_images(session, found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n", "no table of decisions"),
        ("\x00\xff", "no table of decisions"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_table_of_decisions_is_reported(
    small_project: Project, tmp_path: Path, capsys, text: str | None, reason: str
):
    table = tmp_path / "x.csv"
    if text is not None:
        table.write_text(text, encoding="utf-8")
    command = ["decisions", "--project", str(small_project.folder), "import", str(table)]
    assert main(command) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("decided_at", "yesterday", "yesterday"),
        ("decided_at", "9999-01-01T00:00:00.000+00:00", "is still to come"),
        ("decided_at", "2026-01-01T00:00:00", "has no time zone"),
        ("decided_at", "0001-01-01T00:00:00+14:00", "is no decision"),
        ("reader", "A" * 65, "no reader of at most 64 characters"),
    ],
)
def test_a_line_that_cannot_be_takes_nothing_over(
    small_project: Project, ids: list[int], tmp_path: Path, capsys, column, text, reason
):
    with small_project.session() as session:
        decisions.decide(session, ids[:2], Label.ABNORMAL, "AA")
    table, place = tmp_path / "x.csv", ["--project", str(small_project.folder)]
    assert main(["decisions", *place, "export", str(table)]) == 0
    with table.open(newline="") as file:
        lines = list(csv.DictReader(file))
    lines[1][column] = text
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    capsys.readouterr()
    assert main(["decisions", *place, "import", str(table)]) == 1
    said = capsys.readouterr().err
    assert "line 3" in said
    assert reason in said


def test_a_time_of_another_zone_is_the_same_time(small_project: Project, ids: list[int], tmp_path):
    with small_project.session() as session:
        decisions.decide(session, ids[:1], Label.ABNORMAL, "AA")
        at = decisions.history(session)[0].decided_at
    table = tmp_path / "x.csv"
    decision_csv.write_decisions(small_project, table)
    east = datetime.fromisoformat(at).astimezone(timezone(timedelta(hours=9)))
    table.write_text(table.read_text().replace(at, east.isoformat()))
    taken = decision_csv.read_decisions(small_project, table)
    assert (taken.added, taken.known) == (0, 1)


def test_a_reader_s_name_that_no_column_holds_is_refused(small_project: Project, capsys):
    place = ["--project", str(small_project.folder)]
    assert main(["evaluate", *place, "--reader", "A" * 65]) == 1
    assert "at most 64 characters; this one has 65" in capsys.readouterr().err


@pytest.mark.parametrize("split", [Split.NORMAL, Split.TEST])
def test_a_decision_is_on_unlabeled_images_alone(
    small_project: Project, ids: list[int], capsys, split: Split
):
    with small_project.session() as session:
        other = int(image_tables.images_in(session, split).ids[0])
    command = ["pseudo", "--project", str(small_project.folder), "--reader", "AA"]
    decided = ["--decide", f"{ids[0]}=abnormal", "--decide", f"{other}=abnormal"]
    assert main([*command, *decided]) == 1
    assert f"{other}: there is no such unlabeled image" in capsys.readouterr().err
    with small_project.session() as session:
        assert decisions.history(session) == []


def test_agreement_is_printed(small_project: Project, ids: list[int], capsys):
    with small_project.session() as session:
        decisions.decide(session, ids[:4], [Label.ABNORMAL, Label.NORMAL] * 2, "AA")
        number = blind_readings.begin(session, ids[:4], "BB", "random")
        for image_id, label in zip(ids, (Label.ABNORMAL, Label.NORMAL, Label.NORMAL), strict=False):
            blind_readings.read(session, number, [image_id], label)
    assert main(["agreement", "--project", str(small_project.folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    assert (found["first"], found["second"]) == ("AA", "BB")
    assert (found["read"], found["images"], found["same"]) == (3, 4, 2)
    # observed 2/3; by chance (2/3 · 1/3 + 1/3 · 2/3) = 4/9: κ = (2/3 − 4/9) / (1 − 4/9) = 0.4
    assert found["kappa"][0] == pytest.approx(0.4)
    assert found["conflicts"] == [ids[2]]
