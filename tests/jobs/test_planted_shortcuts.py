"""The shortcut guard on real images with planted shortcuts: seen, cured, and in the run's facts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from built_once import OpenCopy
from demo_images import finish
from PIL import Image
from planted_images import COUNTS, Plant, border, gamma, marker, planted

from amae_engine.catalog import scores
from amae_engine.config import MatchingMethod, ScoreKind, Stage1Config, TrainingConfig
from amae_engine.errors import BadSetting
from amae_engine.evaluation.delong import auc_interval
from amae_engine.evaluation.shortcuts import Fact, differences
from amae_engine.events import Notice
from amae_engine.jobs.confounders.choose_matching import Shortcuts, choose_matching
from amae_engine.jobs.confounders.matching_file import read_check, read_matching
from amae_engine.jobs.confounders.shortcut_check import check_shortcuts
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import current_pseudo_labels
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.project import Project
from amae_engine.runs.record import newest_finished, run_facts

AUTO = Stage1Config(shortcuts=MatchingMethod.AUTO)
SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=16)


def plain(image: Image.Image) -> Image.Image:
    return image


@pytest.fixture
def planted_copy(open_copy: OpenCopy, tmp_path_factory: pytest.TempPathFactory):
    """A copy of a project whose images have a shortcut by a plant, and which test images have it."""

    def copy(plant: Plant) -> tuple[Project, dict[int, bool]]:
        def build(project: Project) -> None:
            has = planted(project, tmp_path_factory.mktemp(plant.__name__), plant)["test"]
            (project.folder / "has.json").write_text(json.dumps(has))
            if plant is border:  # with the score that has learned it
                # the bundled weights: features of real images
                finish(train_stage1(project, _trained(MatchingMethod.OFF)))

        project = open_copy(f"planted_{plant.__name__}", build)
        has = json.loads((project.folder / "has.json").read_text())
        return project, {int(image): value for image, value in has.items()}

    return copy


def _trained(method: MatchingMethod) -> Stage1Config:
    return Stage1Config(training=SHORT, shortcuts=method)


@pytest.mark.parametrize(
    ("plant", "fact"),
    [(marker, "markers"), (border, "border"), (gamma, "grey values")],
)
def test_a_planted_shortcut_is_seen(planted_copy, plant: Plant, fact: str):
    project, _ = planted_copy(plant)
    check, _ = finish(check_shortcuts(project, AUTO))
    found = {each.name: each for each in check.differences}
    assert found[fact].differs, found[fact]
    if fact == "grey values":  # disease changes these too, so nothing is matched by default
        assert (check.method, check.matched_by) == (MatchingMethod.OFF, ())
        assert "may be disease" in check.why
    else:
        assert check.method is MatchingMethod.WEIGHT
        assert fact in check.matched_by
        assert f"{fact}: AUC {found[fact].auc.value:.2f}" in check.headline


@pytest.mark.parametrize("method", ["weight", "within", "leave_out"])
def test_a_cure_makes_the_score_blind_to_the_shortcut(planted_copy, method: str):
    project, has = planted_copy(border)
    finish(train_stage1(project, _trained(MatchingMethod(method))))
    seen = []
    for run in (1, 2):
        with project.session() as session:
            values = scores.of_images(session, run, ScoreKind.UNLABELED_PROBE, np.array(list(has)))
        seen.append(auc_interval(np.array(list(has.values())).astype(int), values).value)
    assert seen[0] > 0.7  # the score has learnt the border
    assert abs(seen[1] - 0.5) < 0.6 * (seen[0] - 0.5), seen


def test_the_run_keeps_the_check_and_everything_after_it_counts_by_it(
    planted_copy, tiny_weights: Path
):
    project, _ = planted_copy(border)
    _, events = finish(
        train_stage1(project, AUTO.replace(weights=str(tiny_weights), training=SHORT.to_dict()))
    )
    said = [e.message for e in events if isinstance(e, Notice)]
    assert any("Unmatched, the score learns border" in message for message in said), said
    run = newest_finished(project, "stage1", 0, "").id
    facts = run_facts(project, run)["shortcuts"]
    assert "border" in facts["matched_by"]
    assert facts["cure"] == "weight"
    assert facts["learned"]["border"]["low"] > 0.55
    matched = read_matching(project.run_folder(run))
    assert matched is not None
    assert set(np.unique(matched.strata)) <= {-1, 0, 1, 2, 3, 4}
    view = current_pseudo_labels(project, _by_probe())
    assert len(view.labels) == COUNTS["unlabeled"]


def test_what_differs_but_the_score_has_not_learned_changes_nothing(
    planted_copy, tiny_weights: Path
):
    project, _ = planted_copy(marker)  # too small for this encoder to see
    finish(train_stage1(project, AUTO.replace(weights=str(tiny_weights), training=SHORT.to_dict())))
    folder = project.run_folder(newest_finished(project, "stage1", 0, "").id)
    assert read_matching(folder) is None
    assert "Nothing is changed: the score has not learned markers" in read_check(folder)["why"]


def test_without_any_difference_nothing_is_changed(planted_copy, tiny_weights: Path):
    project, _ = planted_copy(plain)
    finish(train_stage1(project, AUTO.replace(weights=str(tiny_weights), training=SHORT.to_dict())))
    folder = project.run_folder(newest_finished(project, "stage1", 0, "").id)
    assert read_matching(folder) is None
    assert read_check(folder)["cure"] == "off"


def test_a_cure_that_leaves_too_few_images_says_so_and_does_nothing(planted_copy):
    project, _ = planted_copy(marker)
    config = Stage1Config(shortcuts=MatchingMethod.WEIGHT, match_by=("view",))
    check, _ = finish(check_shortcuts(project, config))
    assert check.method is MatchingMethod.OFF
    assert (
        "Nothing is changed: view is recorded for fewer than 30 normal or unlabeled images."
        in check.why
    )


def test_u_without_any_match_in_n_is_said_and_nothing_is_done(planted_copy):
    project, _ = planted_copy(plain)
    config = AUTO.replace(match_by=("source",))
    with project.session() as session:
        from sqlalchemy import text

        session.execute(text("UPDATE image SET source = split"))
    check, _ = finish(check_shortcuts(project, config))
    assert "N and U differ by source (AUC 1.00" in check.why
    assert "Nothing is changed: by source only 0 images would be left, and 30" in check.why


def test_few_images_are_not_judged(small_project: Project):
    check, _ = finish(check_shortcuts(small_project, AUTO))
    assert (
        "Confounders cannot be looked for: there are 20 normal and 10 unlabeled images" in check.why
    )
    assert not check.is_clean


def test_an_unknown_fact_names_the_known_ones(small_project: Project):
    with pytest.raises(BadSetting, match=r"no fact 'veiw'; facts are view, source"):
        finish(check_shortcuts(small_project, AUTO.replace(match_by=("veiw",))))


def _by_probe():
    from amae_engine.config import PseudoLabelConfig, PseudoLabelSource

    return PseudoLabelConfig(source=PseudoLabelSource.UNLABELED)


@pytest.mark.parametrize(("unknown", "matched"), [(0.3, True), (0.6, False)])
def test_a_fact_that_is_unknown_of_most_images_is_not_matched_by_itself(
    unknown: float, matched: bool
):
    random, count = np.random.default_rng(0), 1000
    side = np.repeat([0, 1], count).astype(np.int8)
    column = (random.random(2 * count) < np.where(side == 1, 0.7, 0.3)).astype(float)
    column[random.random(2 * count) < unknown] = np.nan
    view, ids = Fact("view", column[:, None], ("PA", "AP")), np.arange(2 * count)
    found = tuple(differences([view], side, ids, 0))
    shortcuts = Shortcuts(ids, side, ids, 0, (view,), found)
    check, how = choose_matching(shortcuts, AUTO)
    assert (how is not None) is matched
    assert ("view is unknown for" in check.why and "more than half" in check.why) is not matched
    # who asks for it gets it, and learns for how many images it is unknown
    check, how = choose_matching(shortcuts, AUTO.replace(shortcuts=MatchingMethod.WEIGHT))
    assert how is not None
    assert f"for {int(np.isnan(column).sum())} it is unknown" in check.why


def test_another_gamma_in_us_normals_alone_is_seen(project: Project, tmp_path: Path):
    """As where the normals of U come from another scanner than N."""
    truths = planted(project, tmp_path, gamma, {"normal": 0.0, "unlabeled": 0.5, "test": 0.0})
    assert 0.3 < np.mean(list(truths["unlabeled"].values())) < 0.7
    check, _ = finish(check_shortcuts(project, AUTO))
    found = {each.name: each for each in check.differences}
    assert found["grey values"].differs
    config = AUTO.replace(match_by=("grey values",), shortcuts=MatchingMethod.WEIGHT)
    check, _ = finish(check_shortcuts(project, config))
    assert "Disease changes grey values too" in check.why or "Nothing is changed" in check.why
