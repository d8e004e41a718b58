"""How long both stages will take on this machine, from short trials of their steps."""

from __future__ import annotations

from dataclasses import dataclass

from amae_engine.bench.report import run_benchmarks
from amae_engine.bench.steps import Settings
from amae_engine.config import Stage2Config, stage1_preset, stage2_preset

_TRIAL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expected durations in seconds.

    Attributes:
        normals, unlabeled: Images that they are for.
        preset: Network and schedule.
        stage1: Features of every image once, and the epochs over N.
        stage2: The epochs of modules A and B.
    """

    normals: int
    unlabeled: int
    preset: str
    stage1: float
    stage2: float


def estimate(normals: int, unlabeled: int, preset: str) -> Estimate:
    """Time stage 1's and stage 2's steps for two seconds each and scale them up."""
    trials = run_benchmarks(["stage1", "stage2"], Settings(preset, _TRIAL_SECONDS))
    first, second = (trial.images_per_second for trial in trials)
    one, two = stage1_preset(preset), stage2_preset(preset)
    passes = normals * (one.training.epochs + 1) + unlabeled
    kept = normals + stage2_images(unlabeled, two)
    return Estimate(normals, unlabeled, preset, passes / first, two.training.epochs * kept / second)


def stage2_images(unlabeled: int, config: Stage2Config) -> int:
    """Unlabeled images that get a pseudo-label and train module A or B."""
    return round(unlabeled * config.pseudo_labels.keep_percent / 100)
