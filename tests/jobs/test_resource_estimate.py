"""What a step needs is counted before it is started, and is what it then takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

import pytest

from amae_engine.config import (
    KeepRule,
    PseudoLabelConfig,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    of_preset,
)
from amae_engine.events import Event, RunStarted
from amae_engine.jobs.planning.estimates import like
from amae_engine.jobs.planning.resource_estimate import (
    ResourceEstimate,
    estimate_scoring_resources,
    estimate_stage1_resources,
    estimate_stage2_resources,
)
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project


def most_bytes(project: Project, job: Generator[Event, None, int]) -> int:
    """The most that a run's folder has held while it ran: checkpoints come and go."""
    most, folder = 0, None
    for event in job:
        if isinstance(event, RunStarted):
            folder = project.run_folder(event.run_id)
        if folder is not None:
            files = [path for path in folder.rglob("*") if path.is_file()]
            most = max(most, sum(path.stat().st_size for path in files))
    return most


def test_the_disk_that_is_said_is_the_disk_that_is_taken(small_project: Project) -> None:
    project = small_project
    short = of_preset(Stage1Config, "compact").training.replace(epochs=1, warmup_epochs=0).to_dict()
    first = of_preset(Stage1Config, "compact").replace(training=short)
    labels = PseudoLabelConfig(keep_percent=100).to_dict()  # few images: all get a label
    second = of_preset(Stage2Config, "compact").replace(training=short, pseudo_labels=labels)
    score = of_preset(ScoreConfig, "compact")
    said = (
        estimate_stage1_resources(project, first),
        estimate_stage2_resources(project, second, first),
        estimate_scoring_resources(project, score, first, second),
    )
    jobs = ((train_stage1, first), (train_stage2, second), (score_images, score))
    for needs, (make, config) in zip(said, jobs, strict=True):
        taken = most_bytes(project, make(project, config))
        assert 0.9 * taken - 2e6 < needs.disk < 1.4 * taken + 2e6, (needs.step, taken)
        assert needs.seconds is None  # nothing like it had run
    again = estimate_stage1_resources(project, first)
    assert again.seconds is not None
    assert "a run like it took" in again.text


@pytest.mark.parametrize("lacks", ["memory", "disk"])
def test_what_is_not_there_is_said_with_the_numbers(lacks: str) -> None:
    enough = ResourceEstimate(
        "Stage 1", 2_000_000_000, 8_000_000_000, 500_000_000, 9_000_000_000, None
    )
    assert enough.are_met
    short = dataclasses.replace(
        enough, **{f"free_{lacks}": 1_000_000 * (400 if lacks == "disk" else 1500)}
    )
    assert not short.are_met
    assert ("1.5 GB free" if lacks == "memory" else "400 MB free") in short.text


def test_stage_2_needs_memory_for_both_classes(
    small_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "amae_engine.jobs.planning.resource_estimate._counts",
        lambda _: dict.fromkeys(("normal", "unlabeled", "test"), 100_000),
    )
    first, second = of_preset(Stage1Config, "compact"), of_preset(Stage2Config, "compact")

    def memory(**labels: object) -> int:
        config = second.replace(pseudo_labels={"keep_percent": 10.0, **labels})
        return estimate_stage2_resources(small_project, config, first).memory

    more = memory(keep_abnormal_percent=50.0) - memory()
    assert more == 2 * 40_000 * small_project.pixels.side**2
    over_all = memory(keep_abnormal_percent=50.0, rule=KeepRule.OVER_ALL) - memory()
    assert over_all == 2 * 50_000 * small_project.pixels.side**2


def test_runs_of_another_k_are_not_alike() -> None:
    config = of_preset(Stage2Config, "compact")
    other = config.replace(pseudo_labels={"keep_abnormal_percent": 20.0})
    assert like("stage2", config.to_dict()) == like("stage2", config.to_dict())
    assert like("stage2", config.to_dict()) != like("stage2", other.to_dict())


def test_a_big_set_needs_more(small_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project = small_project
    config = of_preset(Stage1Config, "foundation")
    few = estimate_stage1_resources(project, config)
    monkeypatch.setattr(
        "amae_engine.jobs.planning.resource_estimate._counts",
        lambda _: dict.fromkeys(("normal", "unlabeled", "test"), 100000),
    )
    many = estimate_stage1_resources(project, config)
    # 256 tokens of 384 numbers of two bytes, and a feature of 1,152 floats, for 300,000 images
    assert many.disk == pytest.approx(300_000 * (256 * 384 * 2 + 1152 * 4), rel=0.01)
    assert many.memory > few.memory + 100_000 * 256**2
