"""A model file in a project: a run of its own, judged, looked at and reported as any other."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish

from amae_app.results.review_state import read_review_state
from amae_engine.catalog import image_tables, runs, scores, validation_images
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.cli import main
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady, TooFewImages
from amae_engine.evaluation.operating_rules import Rule, RuleChoice
from amae_engine.events import Level, Notice
from amae_engine.jobs.child_process import run_in_child
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run, method_title
from amae_engine.jobs.evaluation.operating_points import choose_point, lock_point
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.model_files.apply_to_project import apply_to_project
from amae_engine.jobs.model_files.read_model import read_model
from amae_engine.jobs.model_files.write_model import write_model
from amae_engine.jobs.sharing.make_report import make_report
from amae_engine.jobs.sharing.rerun import rerun
from amae_engine.jobs.verify import verify_project
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps


@pytest.fixture
def model(whole_path: Project, tmp_path: Path) -> str:
    return str(finish(write_model(whole_path, tmp_path / "chest.amae"))[0])


@pytest.fixture
def elsewhere(tmp_path: Path) -> Project:
    """Another hospital's project: labelled test images and nothing else."""
    project = Project.create(tmp_path / "elsewhere")
    finish(import_images(project, demo_files(0, 0, 16), "there"))
    return project


def test_another_project_sees_the_model_s_scores_as_its_own(model: str, elsewhere: Project):
    run, events = finish(apply_to_project(elsewhere, model))
    assert not [e for e in events if isinstance(e, Notice) and e.level is Level.WARNING]
    with elsewhere.session() as session:
        row = runs.get(session, run)
        ids = image_tables.images_in(session, Split.TEST).ids
        values = scores.of_images(session, run, ScoreKind.LIKELIHOOD_RATIO, ids)
    assert row.kind is RunKind.MODEL
    assert method_title(row).startswith("Model chest (")
    assert not np.isnan(values).any()
    found = evaluate_run(elsewhere, run)
    assert (
        found.measured_on
        == f"8 normal + 8 abnormal test images of 'elsewhere', run {run}, {method_title(row)}"
    )
    assert found.leading is not None
    assert found.leading.reason.startswith("when it was made, ")
    assert ScoreKind.UNLABELED_PROBE in load_image_maps(elsewhere, run, int(ids[0])).scored
    shown = read_review_state(elsewhere, run)
    assert shown.runs == ((run, method_title(row)),)
    assert shown.leading == found.leading
    report, _ = finish(make_report(elsewhere, found))
    assert "Model chest" in report.read_text(encoding="utf-8")
    assert finish(verify_project(elsewhere))[0].problems == ()
    with pytest.raises(NotReady, match="apply that file again"):
        finish(rerun(elsewhere, run))


def test_images_come_in_with_it(model: str, tmp_path: Path, whole_path: Project, capsys):
    folder = tmp_path / "new"
    folder.mkdir()
    for file in demo_files(0, 0, 14):
        shutil.copy(file.path, folder)
    place = str(tmp_path / "made")
    assert main(["apply", model, str(folder), "--project", place, "--json"]) == 0
    assert '"scored": 14' in capsys.readouterr().out
    assert main(["apply", model, str(folder), "--project", place]) == 0  # nothing twice
    assert "14 test images rated by chest" in capsys.readouterr().out
    with Project.open(Path(place)).session() as session:
        assert len(image_tables.images_in(session, Split.TEST).ids) == 14
    assert main(["apply", model, "--project", place, "--csv", "s.csv"]) == 1
    assert "leave out --csv" in capsys.readouterr().err


def test_the_own_project_gets_the_scores_that_it_had(model: str, whole_path: Project):
    run, _ = finish(run_in_child(whole_path.folder, "apply", {"path": model}))
    with whole_path.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids
        for kind in scores.kinds(session, run):
            own, before = (scores.of_images(session, each, kind, ids) for each in (run, 3))
            assert np.corrcoef(own, before)[0, 1] > 0.9, kind


def test_without_a_test_image_there_is_nothing_to_rate(model: str, project: Project):
    with pytest.raises(TooFewImages, match="no test image to rate"):
        finish(apply_to_project(project, model))


def test_its_point_calibration_and_percentiles_come_with_it(
    whole_path: Project, elsewhere: Project, tmp_path: Path
):
    probe = ScoreKind.UNLABELED_PROBE
    with whole_path.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        validation_images.set_validation(session, ids, True, "BB")
    point = choose_point(whole_path, 3, probe, RuleChoice(Rule.YOUDEN))
    lock_point(whole_path, point, "Dr. Who")
    path, _ = finish(write_model(whole_path, tmp_path / "chest.amae", 3))
    assert "Dr. Who" not in json.dumps(read_model(path).facts)
    run, _ = finish(apply_to_project(elsewhere, str(path)))
    shown = read_review_state(elsewhere, run)
    start = shown.starts[probe]
    assert start.threshold == point.threshold
    assert start.why.startswith("Locked by the model's maker at ")
    assert "on 5 normal + 5 abnormal validation images" in start.why
    assert shown.calibrations[probe].validation == 10
    assert "% of 20 normal training images" in shown.why(0)
