"""What settings choose from; every choice with its name for the reader."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Choice(StrEnum):
    """One of several values; `label` is what the reader sees."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        """A value, and its label where that is another one."""
        choice = str.__new__(cls, value)
        choice._value_ = value
        choice.label = label or value
        return choice


class Precision(Choice):
    """Number format of the matrix products."""

    AUTO = "auto"  # bf16 where the hardware has it, else float32
    BF16 = "bf16"
    FLOAT32 = "float32"


class Compile(Choice):
    """Whether a training step is compiled into one graph (torch.compile)."""

    AUTO = "auto"  # on CUDA devices with Triton
    ON = "on"
    OFF = "off"


class KeepRule(Choice):
    """Which confidences the top K % is taken from (section 2.2, two readings)."""

    WITHIN_CLASS = "within_class"
    OVER_ALL = "over_all"
    # Fig. 3 (b): module A as within each class, module B on every unlabeled image
    B_ON_ALL = "b_on_all", "within each class for module A, all of U for module B"


class PseudoLabelSource(Choice):
    """What ranks the unlabeled images."""

    PROXY = "proxy", "stage 1 classifier (paper)"
    DENSITY = "density", "feature distance"  # Mahalanobis, to N in the frozen features
    UNLABELED = (
        "unlabeled",
        "normal against unlabeled",
    )  # a cross-fitted linear probe of N against U
    ROUNDS = "rounds", "probe and stage 2 (second round)"  # fitted again with readers' decisions


class MatchingMethod(Choice):
    """What is done about confounders: properties other than disease by which N and U differ."""

    AUTO = (
        "auto",
        "match where it helps",
    )  # WEIGHT, where it halves the difference and leaves enough
    OFF = "off", "do nothing"
    WEIGHT = "weight", "weight normal images"  # so that N has the strata of U
    WITHIN = "within", "compare within strata"  # with the normal images of an image's own stratum
    LEAVE_OUT = "leave_out", "leave surplus images out"  # as many of N as of U in each stratum


class Synthesis(Choice):
    """How a synthetic anomaly is made from a normal image."""

    ANATPASTE = "anatpaste", "AnatPaste"  # the paper
    CUTPASTE = "cutpaste", "CutPaste"
    CUTPASTE_SCAR = "cutpaste_scar", "CutPaste Scar"
    CUTPASTE_UNION = "cutpaste_union", "CutPaste Union"
    FPI = "fpi", "FPI"
    PII = "pii", "PII"
    NSA = "nsa", "NSA"
    PERLIN_TEXTURE = "perlin_texture", "DRAEM"


class ModuleBLearns(Choice):
    """Which images module B adapts to."""

    ABNORMAL = "abnormal", "abnormal only (paper)"
    WITH_NORMALS = "with_normals", "abnormal and normal"  # module A's: both then know the normal


class Reconstructs(Choice):
    """What the modules of stage 2 reconstruct."""

    PIXELS = "pixels", "pixels (paper)"
    TOKENS = "tokens", "the encoder's tokens"  # those of stage 1's frozen encoder


class MaskPlan(Choice):
    """How the L test masks are drawn."""

    INDEPENDENT = "independent", "independent (paper)"
    COMPLEMENTARY = "complementary"  # every patch is visible equally often
