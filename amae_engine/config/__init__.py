"""Every setting: one frozen dataclass a step, JSON in and out; presets; the scores' names."""

from amae_engine.config.json_config import JsonConfig
from amae_engine.config.networks import PRESETS, ModelConfig, require_preset
from amae_engine.config.presets import (
    as_in_the_paper,
    pixel_preset,
    pretrain_preset,
    score_preset,
    stage1_preset,
    stage2_preset,
)
from amae_engine.config.scores import ScoreKind, ScoreStep
from amae_engine.config.steps import (
    Compile,
    KeepRule,
    MaskPlan,
    MatchingMethod,
    ModuleBLearns,
    Precision,
    PretrainConfig,
    PseudoLabelConfig,
    PseudoLabelSource,
    Reconstructs,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    Synthesis,
    TrainingConfig,
    UnlabeledDraw,
)

__all__ = [
    "PRESETS",
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
    "Stage1Config",
    "Stage2Config",
    "Synthesis",
    "TrainingConfig",
    "UnlabeledDraw",
    "as_in_the_paper",
    "pixel_preset",
    "pretrain_preset",
    "require_preset",
    "score_preset",
    "stage1_preset",
    "stage2_preset",
]
