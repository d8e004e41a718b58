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
    as_in_the_paper,
    score_preset,
    stage1_preset,
    stage2_preset,
)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_paper_s_method_keeps_network_and_schedule(preset: str):
    first, second = stage1_preset(preset), stage2_preset(preset)
    assert as_in_the_paper(first) == Stage1Config(preset=preset, training=first.training)
    assert as_in_the_paper(second) == Stage2Config(training=second.training)
    assert as_in_the_paper(score_preset(preset)) == ScoreConfig()


def test_the_paper_s_preset_is_the_paper_s_method():
    assert stage2_preset("paper").pseudo_labels == PseudoLabelConfig()
    assert as_in_the_paper(stage1_preset("paper")) == stage1_preset("paper")
    assert score_preset("paper") == ScoreConfig()


def test_the_command_line_takes_paper_and_single_settings_win():
    words = [
        "score",
        "--project",
        "p",
        "--preset",
        "compact",
        "--paper",
        "--set",
        "masked_only=true",
    ]
    options = make_parser().parse_args(words)
    chosen = _config(RunKind.SCORE, options)
    assert isinstance(chosen, ScoreConfig)
    assert (chosen.mask_plan, chosen.masked_only) == (MaskPlan.INDEPENDENT, True)
