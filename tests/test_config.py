"""Settings: what a preset and `--paper` choose."""

import pytest

from amae_engine.catalog.tables import RunKind
from amae_engine.cli.arguments import make_parser
from amae_engine.cli.training_commands import _config
from amae_engine.config import (
    PRESETS,
    MaskPlan,
    PseudoLabelConfig,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    Synthesis,
    as_in_the_paper,
    score_preset,
    stage1_preset,
    stage2_preset,
)
from amae_engine.errors import BadSetting
from amae_engine.project import Project


@pytest.mark.parametrize("preset", PRESETS)
def test_the_paper_s_method_keeps_network_and_schedule(preset: str):
    first, second = stage1_preset(preset), stage2_preset(preset)
    assert as_in_the_paper(first) == Stage1Config(
        preset=preset, weights=first.weights, training=first.training, validation_percent=0
    )
    assert as_in_the_paper(second) == Stage2Config(training=second.training)
    assert as_in_the_paper(score_preset(preset)) == ScoreConfig()


def test_the_paper_s_preset_is_the_paper_s_method():
    assert stage2_preset("paper").pseudo_labels == PseudoLabelConfig()
    # but that h learns from all of N, and no image is held out for a curve
    every = stage1_preset("paper").replace(validation_percent=0)
    assert as_in_the_paper(stage1_preset("paper")) == every
    assert score_preset("paper") == ScoreConfig()


def test_paper_takes_another_synthesis_back():
    other = stage1_preset("compact").replace(synthesis="nsa")
    assert as_in_the_paper(other).synthesis is Synthesis.ANATPASTE


@pytest.mark.parametrize("wrong", [{"masks_per_image": 0}, {"batch_size": 0}])
def test_scoring_needs_a_mask_and_an_image(wrong: dict[str, int]):
    with pytest.raises(BadSetting, match="must be at least 1; it is 0"):
        ScoreConfig(**wrong)


def test_the_command_line_takes_paper_and_single_settings_win(project: Project):
    words = [
        "score",
        "--project",
        str(project.folder),
        "--preset",
        "compact",
        "--paper",
        "--set",
        "masked_only=true",
    ]
    options = make_parser().parse_args(words)
    chosen = _config(project, RunKind.SCORE, options).config
    assert isinstance(chosen, ScoreConfig)
    assert (chosen.mask_plan, chosen.masked_only) == (MaskPlan.INDEPENDENT, True)
