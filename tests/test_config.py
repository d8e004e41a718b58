"""Settings: what a preset and `--paper` choose."""

import pytest
from demo_images import ROOT

from amae_engine.catalog.tables import RunKind
from amae_engine.cli.arguments import make_parser
from amae_engine.cli.training_commands import _config
from amae_engine.config import (
    PRESETS,
    STEPS,
    MaskPlan,
    PseudoLabelConfig,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    Synthesis,
    as_in_the_paper,
    of_preset,
    rows_of,
)
from amae_engine.config.peers import PeerConfig
from amae_engine.config.settings_document import settings_document
from amae_engine.errors import BadSetting
from amae_engine.project import Project


@pytest.mark.parametrize("preset", PRESETS)
def test_the_paper_s_method_keeps_network_and_schedule(preset: str):
    first, second = of_preset(Stage1Config, preset), of_preset(Stage2Config, preset)
    assert as_in_the_paper(first) == Stage1Config(
        preset=preset, weights=first.weights, training=first.training, validation_percent=0
    )
    assert as_in_the_paper(second) == Stage2Config(training=second.training)
    assert as_in_the_paper(of_preset(ScoreConfig, preset)) == ScoreConfig()


def test_the_paper_s_preset_is_the_paper_s_method():
    assert of_preset(Stage2Config, "paper").pseudo_labels == PseudoLabelConfig()
    # but that h learns from all of N, and no image is held out for a curve
    every = of_preset(Stage1Config, "paper").replace(validation_percent=0)
    assert as_in_the_paper(of_preset(Stage1Config, "paper")) == every
    assert of_preset(ScoreConfig, "paper") == ScoreConfig()


def test_paper_takes_another_synthesis_back():
    other = of_preset(Stage1Config, "compact").replace(synthesis="nsa")
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


def test_the_document_of_the_settings_is_made_from_them():
    text = (ROOT / "resources" / "docs" / "settings.md").read_text(encoding="utf-8")
    assert text == settings_document(), "python resources/docs/make_documents.py"
    assert "| `training.epochs` | 150 | compact 40, foundation 40 | at least 1 |" in text
    for kind in (*STEPS.values(), PeerConfig):
        for row in rows_of("", kind()):
            assert row.why, (kind, row.path)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.epochs", 0, "epochs must be at least 1; it is 0"),
        ("training.learning_rate", 0.0, r"learning_rate must be above 0; it is 0\.0"),
        ("pseudo_labels.keep_percent", 0.0, r"keep_percent \(K\) must lie in \(0, 100\]; it is 0"),
        ("mask_ratio", float("nan"), r"mask_ratio must lie in \(0, 1\); it is nan"),
        ("training.epoch", 3, "unknown setting 'epoch'; known settings are epochs"),
        ("training", 3, "must be TrainingConfig; it is 3"),
    ],
)
def test_a_value_outside_its_range_is_refused(path: str, value: object, message: str):
    with pytest.raises(BadSetting, match=message):
        Stage2Config().changed({path: value})


def test_settings_change_together():
    changed = Stage2Config().changed({"training.epochs": 3, "pseudo_labels.keep_percent": 30.0})
    assert (changed.training.epochs, changed.training.warmup_epochs) == (3, 3)
    assert changed.pseudo_labels.keep_percent == 30
    both = Stage2Config().changed({"training.epochs": 3, "training.warmup_epochs": 1})
    assert both.training.warmup_epochs == 1
