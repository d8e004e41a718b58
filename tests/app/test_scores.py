"""A score is the job that rates images by it and one row: whatever lists scores follows."""

import csv
import json
from collections.abc import Generator

import numpy as np
import pytest
from demo_images import finish
from PySide6.QtCore import Qt
from widgets_by_name import WAIT

from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.cli import main
from amae_engine.config import ScoreKind, ScoreStep
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.sharing.export import export_results
from amae_engine.jobs.sharing.make_report import make_report
from amae_engine.project import Project

NAME, LABEL, HELP = "pretend", "Pretend score", "What the pretend score is"


@pytest.fixture
def pretend() -> Generator[ScoreKind, None, None]:
    """One more row of the table, for this test."""
    kind = ScoreKind.__new_member__(ScoreKind, NAME, LABEL, "ours", ScoreStep.STAGE1, HELP)
    kind._name_, kind.__objclass__, kind._sort_order_ = "PRETEND", ScoreKind, len(ScoreKind)
    ScoreKind._member_names_.append("PRETEND")
    ScoreKind._member_map_["PRETEND"] = ScoreKind._value2member_map_[NAME] = kind
    yield kind
    ScoreKind._member_names_.remove("PRETEND")
    del ScoreKind._member_map_["PRETEND"], ScoreKind._value2member_map_[NAME]


@pytest.fixture
def rated(whole_path: Project, pretend: ScoreKind) -> Project:
    """A scored project whose images are rated by it too."""
    with whole_path.session() as session:
        for run in (runs.newest(session, kind) for kind in (RunKind.STAGE1, RunKind.SCORE)):
            for split in Split:
                ids = image_tables.images_in(session, split).ids
                scores.save(session, run.id, pretend, ids, np.linspace(0, 1, len(ids)))
    return whole_path


def test_lists_exports_report_and_command_line(rated: Project, pretend: ScoreKind, capsys):
    evaluation = evaluate_run(rated, 0)
    assert evaluation.score(pretend) is not None
    assert pretend in ScoreKind.of_step(ScoreStep.STAGE1)
    files = {file.name: file for file in export_results(rated, evaluation)}
    assert f"{LABEL}" in files["results.txt"].read_text()
    with files["scores.csv"].open() as file:
        header = next(csv.reader(line for line in file if not line.startswith("#")))
    assert NAME in header
    assert LABEL in files["curves.svg"].read_text()
    report, _ = finish(make_report(rated, evaluation, "BB"))
    assert LABEL in report.read_text()
    place = ["--project", str(rated.folder)]
    assert main(["evaluate", *place, "--json"]) == 0
    assert NAME in json.loads(capsys.readouterr().out)["scores"]
    assert main(["operating-point", *place, "--score", NAME, "--by", "normals"]) == 0
    assert LABEL in capsys.readouterr().out
    assert main(["operating-point", *place, "--score", "none", "--by", "normals"]) == 1
    assert f"scores are {', '.join(ScoreKind)}" in capsys.readouterr().err


def test_the_window(rated: Project, open_window, qtbot):
    window = open_window(rated)
    results, compare = window.pages[3], window.pages[4]
    window.show_page(3)
    qtbot.waitUntil(lambda: results.score_combo.findData(NAME) >= 0, timeout=WAIT)
    place = results.score_combo.findData(NAME)
    assert results.score_combo.itemText(place).startswith(LABEL)
    assert results.score_combo.itemData(place, Qt.ItemDataRole.ToolTipRole) == HELP
    window.show_page(4)
    qtbot.waitUntil(lambda: compare.runs.kind.findData(NAME) >= 0, timeout=WAIT)
