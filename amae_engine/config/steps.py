"""The settings of each step; the paper's values are the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from amae_engine.config.json_config import JsonConfig, require
from amae_engine.config.networks import PRESETS, ModelConfig, require_preset


class Precision(StrEnum):
    """Number format of the matrix products."""

    AUTO = "auto"  # bf16 where the hardware has it, else float32
    BF16 = "bf16"
    FLOAT32 = "float32"


class Compile(StrEnum):
    """Whether a training step is compiled into one graph (torch.compile)."""

    AUTO = "auto"  # on CUDA devices with Triton
    ON = "on"
    OFF = "off"


class KeepRule(StrEnum):
    """Which confidences the top K % is taken from (section 2.2, two readings)."""

    WITHIN_CLASS = "within_class"
    OVER_ALL = "over_all"


class PseudoLabelSource(StrEnum):
    """What ranks the unlabeled images."""

    PROXY = "proxy"  # the paper: stage 1's probability
    DENSITY = "density"  # Mahalanobis distance to N in the frozen features
    UNLABELED = "unlabeled"  # a cross-fitted linear probe of N against U in the same features
    ROUNDS = "rounds"  # that probe, fitted again with readers' decisions, and a finished stage 2

    @property
    def label(self) -> str:
        """The source's name as the reader sees it."""
        return _SOURCE_TEXTS[self]


_SOURCE_TEXTS = {
    PseudoLabelSource.PROXY: "stage 1 classifier (paper)",
    PseudoLabelSource.DENSITY: "feature distance",
    PseudoLabelSource.UNLABELED: "normal against unlabeled",
    PseudoLabelSource.ROUNDS: "probe and stage 2 (second round)",
}


class MatchingMethod(StrEnum):
    """What is done about confounders: properties other than disease by which N and U differ."""

    AUTO = "auto"  # WEIGHT, where it halves the difference and enough images are left
    OFF = "off"
    WEIGHT = "weight"  # normal images count as much as gives N the strata of U
    WITHIN = "within"  # an image is compared with the normal images of its own stratum
    LEAVE_OUT = (
        "leave_out"  # as many normal as unlabeled images of each stratum, the rest is left out
    )

    @property
    def label(self) -> str:
        """Its name as the reader sees it."""
        return _CURE_TEXTS[self]


_CURE_TEXTS = {
    MatchingMethod.AUTO: "match where it helps",
    MatchingMethod.OFF: "do nothing",
    MatchingMethod.WEIGHT: "weight normal images",
    MatchingMethod.WITHIN: "compare within strata",
    MatchingMethod.LEAVE_OUT: "leave surplus images out",
}


class Synthesis(StrEnum):
    """How a synthetic anomaly is made from a normal image."""

    ANATPASTE = "anatpaste"  # the paper
    CUTPASTE = "cutpaste"
    CUTPASTE_SCAR = "cutpaste_scar"
    CUTPASTE_UNION = "cutpaste_union"
    FPI = "fpi"
    PII = "pii"
    NSA = "nsa"
    PERLIN_TEXTURE = "perlin_texture"  # DRAEM's

    @property
    def label(self) -> str:
        """Its name as its authors write it."""
        return _SYNTHESIS_TEXTS[self]


_SYNTHESIS_TEXTS = {
    Synthesis.ANATPASTE: "AnatPaste",
    Synthesis.CUTPASTE: "CutPaste",
    Synthesis.CUTPASTE_SCAR: "CutPaste Scar",
    Synthesis.CUTPASTE_UNION: "CutPaste Union",
    Synthesis.FPI: "FPI",
    Synthesis.PII: "PII",
    Synthesis.NSA: "NSA",
    Synthesis.PERLIN_TEXTURE: "DRAEM",
}


class ModuleBLearns(StrEnum):
    """Which images module B adapts to."""

    ABNORMAL = "abnormal"  # the paper: pseudo-abnormal images only
    WITH_NORMALS = "with_normals"  # those of module A too: both modules then know the normal


class Reconstructs(StrEnum):
    """What the modules of stage 2 reconstruct."""

    PIXELS = "pixels"  # the paper
    TOKENS = "tokens"  # those of stage 1's frozen encoder: minutes on a CPU


class MaskPlan(StrEnum):
    """How the L test masks are drawn."""

    INDEPENDENT = "independent"  # the paper
    COMPLEMENTARY = "complementary"  # every patch is visible equally often


@dataclass(frozen=True, slots=True)
class TrainingConfig(JsonConfig):
    """The schedule that every training step shares; the paper's one schedule is the default."""

    epochs: int = 150
    warmup_epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 2.5e-4
    weight_decay: float = 0.05
    seed: int = 0
    device: str = "auto"  # stage 2: also one for A and one for B, "cuda:0,cuda:1"
    precision: Precision = Precision.AUTO
    compile: Compile = Compile.AUTO
    deterministic: bool = False  # on a GPU: only kernels that add in one order, bit for bit again

    def __post_init__(self) -> None:
        require(self.epochs >= 1, f"epochs must be at least 1; it is {self.epochs}.")
        require(
            0 <= self.warmup_epochs <= self.epochs,
            f"warmup_epochs must lie in 0…epochs ({self.epochs}); it is {self.warmup_epochs}.",
        )
        require(self.batch_size >= 2, f"batch_size must be at least 2; it is {self.batch_size}.")
        require(
            self.learning_rate > 0, f"learning_rate must be above 0; it is {self.learning_rate}."
        )


@dataclass(frozen=True, slots=True)
class PretrainConfig(JsonConfig):
    """Stage 0: masked pre-training on the project's own normal and unlabeled images ([30])."""

    model: ModelConfig = field(default_factory=lambda: PRESETS["compact"])
    training: TrainingConfig = field(
        # lr here is the rate for a batch of 256; the step's own is scaled by batch / 256
        default_factory=lambda: TrainingConfig(
            epochs=800, warmup_epochs=40, batch_size=64, learning_rate=1.5e-4
        )
    )
    mask_ratio: float = 0.90
    smallest_crop: float = 0.5
    weights: str = ""  # a checkpoint to start from; "" starts at random
    heads: tuple[int, ...] = ()  # of encoder and decoder, where that checkpoint does not tell

    def __post_init__(self) -> None:
        _require_ratio(self.mask_ratio)


@dataclass(frozen=True, slots=True)
class UnlabeledDraw(JsonConfig):
    """Which of the unlabeled images a run sees: all, or some by their hidden truth, for sweeps."""

    count: int = 0  # M; 0: all
    anomaly_ratio: float = -1.0  # AR of those M by hidden truth; below 0: as they are
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.count >= 0, f"count (M) must be 0 or more; it is {self.count}.")
        require(
            self.anomaly_ratio <= 1,
            f"anomaly_ratio must be at most 1; it is {self.anomaly_ratio}.",
        )


@dataclass(frozen=True, slots=True)
class Stage1Config(JsonConfig):
    """Stage 1: a classifier on frozen features learns to see AnatPaste anomalies (Eq. 1, 2)."""

    preset: str = ""  # the network that the weights must be; "" accepts any
    weights: str = "bundled"  # "bundled", "adults", "run:N" (a pretrain run) or a checkpoint's path
    heads: tuple[int, ...] = ()  # of encoder and decoder, where that checkpoint does not tell
    encoder: str = ""  # next to that of the weights: none, "foundation" (bundled), a file, "timm:…"
    training: TrainingConfig = field(default_factory=TrainingConfig)
    validation_percent: int = 10  # of N, held out for the curve only
    redraw_every: int = 1  # epochs that an image's synthetic anomaly is kept; the paper draws anew
    synthesis: Synthesis = Synthesis.ANATPASTE
    shortcuts: MatchingMethod = MatchingMethod.OFF
    match_by: tuple[str, ...] = ()  # facts; (): the confounders that N and U differ by
    unlabeled: UnlabeledDraw = field(default_factory=UnlabeledDraw)

    def __post_init__(self) -> None:
        require(
            self.redraw_every >= 1, f"redraw_every must be at least 1; it is {self.redraw_every}."
        )
        if self.preset:
            require_preset(self.preset)
        require(
            0 <= self.validation_percent <= 50,
            f"validation_percent must lie in 0…50; it is {self.validation_percent}.",
        )


@dataclass(frozen=True, slots=True)
class PseudoLabelConfig(JsonConfig):
    """Which unlabeled images count as reliable (section 2.2)."""

    source: PseudoLabelSource = PseudoLabelSource.PROXY
    keep_percent: float = 50.0
    keep_abnormal_percent: float = 0.0  # K of the abnormal class alone; 0: as keep_percent
    rule: KeepRule = KeepRule.WITHIN_CLASS

    def __post_init__(self) -> None:
        require(
            0 < self.keep_percent <= 100,
            f"keep_percent (K) must lie in (0, 100]; it is {self.keep_percent}.",
        )
        require(
            0 <= self.keep_abnormal_percent <= 100,
            f"keep_abnormal_percent must lie in [0, 100]; it is {self.keep_abnormal_percent}.",
        )

    @property
    def keep_of_abnormal(self) -> float:
        """K of the abnormal class, in percent."""
        return self.keep_abnormal_percent or self.keep_percent

    @property
    def most_kept_percent(self) -> float:
        """The largest share of the unlabeled images that can count as reliable, in percent."""
        if self.rule is KeepRule.WITHIN_CLASS:
            return max(self.keep_percent, self.keep_of_abnormal)
        return min(self.keep_percent + self.keep_of_abnormal, 100.0)

    @property
    def keep_text(self) -> str:
        """Both K in a few characters: "50 %", or "50 % and 30 %" where they differ."""
        if self.keep_of_abnormal == self.keep_percent:
            return f"{self.keep_percent:g} %"
        return f"{self.keep_percent:g} % of normal and {self.keep_of_abnormal:g} % of abnormal"


@dataclass(frozen=True, slots=True)
class Stage2Config(JsonConfig):
    """Stage 2: module A on N and Un, module B on Ua, or on all of them (Eq. 3)."""

    stage1_run: int = 0  # 0: the newest finished stage-1 run
    module_a_run: int = 0  # a stage-2 run whose module A serves here too; 0: it is trained
    reconstructs: Reconstructs = Reconstructs.PIXELS
    pseudo_labels: PseudoLabelConfig = field(default_factory=PseudoLabelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    module_b_learns: ModuleBLearns = ModuleBLearns.ABNORMAL
    abnormal_share: float = 0.0  # of what B sees WITH_NORMALS, in A's steps; 0: as there are
    masks_per_image: int = 2
    mask_ratio: float = 0.75
    smallest_crop: float = 0.5

    def __post_init__(self) -> None:
        _require_ratio(self.mask_ratio)
        require(
            self.masks_per_image >= 1,
            f"masks_per_image (L) must be at least 1; it is {self.masks_per_image}.",
        )
        require(
            0 <= self.abnormal_share < 1,
            f"abnormal_share must lie in [0, 1); it is {self.abnormal_share}.",
        )


@dataclass(frozen=True, slots=True)
class ScoreConfig(JsonConfig):
    """Scores and maps of the test images (Eq. 4)."""

    stage2_run: int = 0  # 0: the newest finished stage-2 run
    without_stage2: bool = False  # what stage 1 says alone: where stage 2 has nothing to learn from
    stage1_run: int = 0  # then; 0: the newest finished stage-1 run
    splits: tuple[str, ...] = ("test",)
    masks_per_image: int = 4
    mask_ratio: float = 0.75
    mask_plan: MaskPlan = MaskPlan.INDEPENDENT
    masked_only: bool = False  # average only predictions of removed patches
    rerank: bool = False  # re-rank the unlabeled images, by the probe and stage 2 together
    keep_maps: bool = True  # of every image; else a map is made when it is asked for
    batch_size: int = 32
    seed: int = 0
    device: str = "auto"
    precision: Precision = Precision.AUTO

    def __post_init__(self) -> None:
        _require_ratio(self.mask_ratio)
        require(
            self.masks_per_image >= 1,
            f"masks_per_image (L) must be at least 1; it is {self.masks_per_image}.",
        )
        require(self.batch_size >= 1, f"batch_size must be at least 1; it is {self.batch_size}.")
        require(
            not self.rerank or "unlabeled" in self.splits,
            f"rerank needs 'unlabeled' among the splits; they are {', '.join(self.splits)}.",
        )
        require(
            not (self.rerank and self.without_stage2),
            "rerank ranks by stage 2's likelihood ratio, which without_stage2 leaves out.",
        )


def _require_ratio(mask_ratio: float) -> None:
    require(
        0 < mask_ratio < 1, f"mask_ratio must lie between 0 and 1 (exclusive); it is {mask_ratio}."
    )
