"""Every setting: one frozen dataclass a step, JSON in and out; presets; the scores' names."""

from amae_engine.config.choices import (
    Choice,
    Compile,
    KeepRule,
    MaskPlan,
    MatchingMethod,
    ModuleBLearns,
    Precision,
    PseudoLabelSource,
    Reconstructs,
    Synthesis,
)
from amae_engine.config.json_config import JsonConfig
from amae_engine.config.networks import PRESETS, ModelConfig, require_preset
from amae_engine.config.presets import (
    STEPS,
    SettingRow,
    as_in_the_paper,
    of_preset,
    pixel_preset,
    rows_of,
)
from amae_engine.config.scores import ScoreKind, ScoreStep
from amae_engine.config.steps import (
    PretrainConfig,
    PseudoLabelConfig,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
    UnlabeledDraw,
)

__all__ = [
    "PRESETS",
    "STEPS",
    "Choice",
    "Compile",
    "JsonConfig",
    "KeepRule",
    "MaskPlan",
    "MatchingMethod",
    "ModelConfig",
    "ModuleBLearns",
    "Precision",
    "PretrainConfig",
    "PseudoLabelConfig",
    "PseudoLabelSource",
    "Reconstructs",
    "ScoreConfig",
    "ScoreKind",
    "ScoreStep",
    "SettingRow",
    "Stage1Config",
    "Stage2Config",
    "Synthesis",
    "TrainingConfig",
    "UnlabeledDraw",
    "as_in_the_paper",
    "of_preset",
    "pixel_preset",
    "require_preset",
    "rows_of",
]
