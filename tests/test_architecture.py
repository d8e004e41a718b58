"""What importing must not do, and that settings are documented."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from demo_images import ROOT

from amae_engine import config
from amae_engine.errors import BadSetting

_HEAVY = ("torch", "timm", "sklearn", "scipy", "skimage", "matplotlib")


@pytest.mark.parametrize("module", ["amae_app.main_window", "amae_engine.cli"])
def test_start_up_loads_no_heavy_library(module: str):
    code = f"import sys, {module}; print([m for m in {_HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin", "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "made",
    [
        config.PretrainConfig(),
        config.Stage1Config(),
        config.Stage2Config(),
        config.ScoreConfig(),
        config.PseudoLabelConfig(),
    ],
)
def test_configs_survive_json(made: config.JsonConfig):
    import json

    assert type(made).from_dict(json.loads(made.to_json())) == made


def test_unknown_and_impossible_settings_are_named():
    with pytest.raises(BadSetting, match="Stage2Config: unknown setting 'mask'; known settings"):
        config.Stage2Config.from_dict({"mask": 1})
    with pytest.raises(BadSetting, match=r"mask_ratio must lie in \(0, 1\); it is 1\.5"):
        config.Stage2Config(mask_ratio=1.5)
    with pytest.raises(BadSetting, match="precision must be one of auto, bf16, float32"):
        config.TrainingConfig.from_dict({"precision": "half"})


def test_the_paper_s_values_are_the_defaults():
    stage2 = config.Stage2Config()
    assert (stage2.training.epochs, stage2.training.warmup_epochs) == (150, 20)
    assert (stage2.training.batch_size, stage2.training.learning_rate) == (16, 2.5e-4)
    assert (stage2.masks_per_image, stage2.mask_ratio) == (2, 0.75)
    assert config.ScoreConfig().masks_per_image == 4
    assert config.PseudoLabelConfig().keep_percent == 50


def test_no_widget_opens_a_catalog_session():
    may = {"window_context.py", "project_queue.py"}  # they pass acts on, off the event thread
    found = [
        path.name
        for path in (ROOT / "amae_app").rglob("*.py")
        if re.search(r"\.(in_)?session\(", path.read_text("utf-8"))
    ]
    assert [n for n in found if not n.endswith("_state.py") and n not in may] == []
    assert "pipeline_state.py" in found


def test_every_workspace_has_a_help_page():
    from amae_app.workspaces import WORKSPACES

    for row in WORKSPACES:
        page = (ROOT / "resources" / row.help_page).read_text()
        assert "Research use only" in page


def test_every_setting_shown_in_the_window_exists():
    from amae_app.training.settings_panel import SHOWN

    for row in SHOWN:
        assert row.value_in(config.STEPS[row.step]()) is not None
        assert row.why, row.path
    labels = {row.label for row in SHOWN}
    assert {"Epochs, stage 1", "Epochs, pre-training", "Seed", "Masked share"} <= labels


def test_the_demo_set_is_small_attributed_and_patient_disjoint():
    import csv

    demo = ROOT / "resources" / "demo"
    size = sum(p.stat().st_size for p in demo.rglob("*") if p.is_file())
    assert size < 4_000_000
    assert "CC BY 4.0" in (demo / "README.md").read_text()
    with (demo / "manifest.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert 150 <= len(lines) <= 250
    assert len({line["patient"] for line in lines}) == len(lines)
    assert all((demo / line["file"]).is_file() for line in lines)
    weights = ROOT / "resources" / "weights" / "compact.safetensors"
    assert weights.stat().st_size < 16_000_000
    assert Path(weights.parent / "README.md").is_file()


def test_no_file_is_too_long():
    for package in ("amae_engine", "amae_app"):
        for file in (ROOT / package).rglob("*.py"):
            assert len(file.read_text().splitlines()) <= 350, file.name


def test_the_word_is_image():
    """DICOM's and the paper's word."""
    found = []
    for package in ("amae_engine", "amae_app", "resources"):
        for file in [*(ROOT / package).rglob("*.py"), *(ROOT / package).rglob("*.md")]:
            found += [line for line in file.read_text().splitlines() if "film" in line.lower()]
    assert found == []
