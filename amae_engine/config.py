"""Settings: one frozen dataclass a step, the paper's values as defaults, JSON in and out."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self, get_args, get_origin, get_type_hints

from amae_engine.errors import BadSetting


class ScoreKind(StrEnum):
    """An image-level anomaly score; larger is more abnormal."""

    STAGE1_PROBABILITY = "stage1_probability"
    DISCREPANCY = "discrepancy"
    MAHALANOBIS = "mahalanobis"
    LIKELIHOOD_RATIO = "likelihood_ratio"
    UNLABELED_PROBE = "unlabeled_probe"
    GREY_STATISTICS = "grey_statistics"
    PEER = "peer"
    PEER_RECONSTRUCTION = "peer_reconstruction"
    PEER_INTRA = "peer_intra"
    PEER_SOFTMAX = "peer_softmax"

    @property
    def label(self) -> str:
        """The score's name as the reader sees it."""
        return _SCORE_TEXTS[self][0]

    @property
    def origin(self) -> str:
        """Whose score it is: "paper", "ours" or "baseline"."""
        return _SCORE_TEXTS[self][1]

    @property
    def has_map(self) -> bool:
        """Whether the score comes with a value per pixel."""
        return self in (
            ScoreKind.DISCREPANCY,
            ScoreKind.LIKELIHOOD_RATIO,
            ScoreKind.UNLABELED_PROBE,
        )


_SCORE_TEXTS = {
    ScoreKind.STAGE1_PROBABILITY: ("Stage 1 classifier", "paper"),
    ScoreKind.DISCREPANCY: ("Stage 2 A_inter", "paper"),
    ScoreKind.MAHALANOBIS: ("Feature distance", "ours"),
    ScoreKind.LIKELIHOOD_RATIO: ("Likelihood ratio", "ours"),
    ScoreKind.UNLABELED_PROBE: ("Normal against unlabeled", "ours"),
    ScoreKind.GREY_STATISTICS: ("Grey statistics", "baseline"),
    ScoreKind.PEER: ("Peer method", "peer"),
    ScoreKind.PEER_RECONSTRUCTION: ("Peer method, A_rec", "peer"),
    ScoreKind.PEER_INTRA: ("Peer method, A_intra", "peer"),
    ScoreKind.PEER_SOFTMAX: ("Peer method, softmax", "peer"),
}


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

    @property
    def label(self) -> str:
        """The source's name as the reader sees it."""
        return _SOURCE_TEXTS[self]


_SOURCE_TEXTS = {
    PseudoLabelSource.PROXY: "stage 1 classifier (paper)",
    PseudoLabelSource.DENSITY: "feature distance",
    PseudoLabelSource.UNLABELED: "normal against unlabeled",
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


class MaskPlan(StrEnum):
    """How the L test masks are drawn."""

    INDEPENDENT = "independent"  # the paper
    COMPLEMENTARY = "complementary"  # every patch is visible equally often


@dataclass(frozen=True, slots=True)
class JsonConfig:
    """JSON in and out for every config; an unknown key is an error."""

    def to_dict(self) -> dict[str, Any]:
        """This config as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a config from JSON values.

        Raises:
            BadSetting: A key is unknown or a value cannot be what the key needs.
        """
        hints = get_type_hints(cls)
        known = [f.name for f in dataclasses.fields(cls)]
        built: dict[str, Any] = {}
        for key, value in values.items():
            if key not in known:
                raise BadSetting(
                    f"{cls.__name__}: unknown setting '{key}'; known settings are {', '.join(known)}."
                )
            built[key] = _as_type(hints[key], value, f"{cls.__name__}.{key}")
        return cls(**built)

    def to_json(self) -> str:
        """This config as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed; unknown names are errors."""
        return type(self).from_dict({**self.to_dict(), **changes})


def _as_type(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return kind.from_dict(value)  # type: ignore[union-attr]
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        return tuple(_as_type(get_args(kind)[0], item, name) for item in value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        try:
            return kind(value)
        except ValueError:
            allowed = ", ".join(member.value for member in kind)
            raise BadSetting(f"{name} must be one of {allowed}; it is {value!r}.") from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    allowed_types = get_args(kind) or (kind,)
    if not isinstance(value, allowed_types) or (
        isinstance(value, bool) and bool not in allowed_types
    ):
        wanted = " or ".join(t.__name__ for t in allowed_types)
        raise BadSetting(f"{name} must be {wanted}; it is {value!r}.")
    return value


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise BadSetting(message)


@dataclass(frozen=True, slots=True)
class ModelConfig(JsonConfig):
    """The shape of a masked autoencoder (one grey channel, square images)."""

    image_size: int = 224
    patch_size: int = 16
    encoder_width: int = 384
    encoder_depth: int = 12
    encoder_heads: int = 6
    decoder_width: int = 512
    decoder_depth: int = 2
    decoder_heads: int = 16

    def __post_init__(self) -> None:
        for part, width, heads in (
            ("encoder", self.encoder_width, self.encoder_heads),
            ("decoder", self.decoder_width, self.decoder_heads),
        ):
            _require(
                width % heads == 0 and width % 4 == 0,
                f"{part}_width must be a multiple of 4 and of {part}_heads ({heads}); it is {width}.",
            )
        _require(
            self.image_size % self.patch_size == 0,
            f"image_size must be a multiple of patch_size ({self.patch_size}); "
            f"it is {self.image_size}.",
        )

    @property
    def patches(self) -> int:
        """T, the number of patches of one image."""
        return (self.image_size // self.patch_size) ** 2


PRESETS: dict[str, ModelConfig] = {
    "paper": ModelConfig(),
    "base": ModelConfig(
        encoder_width=768, encoder_heads=12, decoder_width=512, decoder_depth=8, decoder_heads=16
    ),
    "compact": ModelConfig(
        image_size=128,
        encoder_width=192,
        encoder_heads=3,
        decoder_width=96,
        decoder_depth=4,
        decoder_heads=3,
    ),
}


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

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, f"epochs must be at least 1; it is {self.epochs}.")
        _require(
            0 <= self.warmup_epochs <= self.epochs,
            f"warmup_epochs must lie in 0…epochs ({self.epochs}); it is {self.warmup_epochs}.",
        )
        _require(self.batch_size >= 2, f"batch_size must be at least 2; it is {self.batch_size}.")
        _require(
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

    def __post_init__(self) -> None:
        _require_ratio(self.mask_ratio)


@dataclass(frozen=True, slots=True)
class Stage1Config(JsonConfig):
    """Stage 1: a classifier on frozen features learns to see AnatPaste anomalies (Eq. 1, 2)."""

    preset: str = ""  # the network that the weights must be; "" accepts any
    weights: str = "bundled"  # "bundled", "run:N" (a pretrain run) or a checkpoint's path
    training: TrainingConfig = field(default_factory=TrainingConfig)
    validation_percent: int = 10  # of N, held out for the curve only
    redraw_every: int = 1  # epochs that an image's synthetic anomaly is kept; the paper draws anew
    synthesis: Synthesis = Synthesis.ANATPASTE

    def __post_init__(self) -> None:
        _require(
            self.redraw_every >= 1, f"redraw_every must be at least 1; it is {self.redraw_every}."
        )
        if self.preset:
            require_preset(self.preset)
        _require(
            0 <= self.validation_percent <= 50,
            f"validation_percent must lie in 0…50; it is {self.validation_percent}.",
        )


@dataclass(frozen=True, slots=True)
class PseudoLabelConfig(JsonConfig):
    """Which unlabeled images count as reliable (section 2.2)."""

    source: PseudoLabelSource = PseudoLabelSource.PROXY
    keep_percent: float = 50.0
    rule: KeepRule = KeepRule.WITHIN_CLASS

    def __post_init__(self) -> None:
        _require(
            0 < self.keep_percent <= 100,
            f"keep_percent (K) must lie in (0, 100]; it is {self.keep_percent}.",
        )


@dataclass(frozen=True, slots=True)
class Stage2Config(JsonConfig):
    """Stage 2: module A on N and Un, module B on Ua (Eq. 3)."""

    stage1_run: int = 0  # 0: the newest finished stage-1 run
    pseudo_labels: PseudoLabelConfig = field(default_factory=PseudoLabelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    masks_per_image: int = 2
    mask_ratio: float = 0.75
    smallest_crop: float = 0.5

    def __post_init__(self) -> None:
        _require_ratio(self.mask_ratio)
        _require(
            self.masks_per_image >= 1,
            f"masks_per_image (L) must be at least 1; it is {self.masks_per_image}.",
        )


@dataclass(frozen=True, slots=True)
class ScoreConfig(JsonConfig):
    """Scores and maps of the test images (Eq. 4)."""

    stage2_run: int = 0  # 0: the newest finished stage-2 run
    splits: tuple[str, ...] = ("test",)
    masks_per_image: int = 4
    mask_ratio: float = 0.75
    mask_plan: MaskPlan = MaskPlan.INDEPENDENT
    masked_only: bool = False  # average only predictions of removed patches
    batch_size: int = 32
    seed: int = 0
    device: str = "auto"
    precision: Precision = Precision.AUTO

    def __post_init__(self) -> None:
        _require_ratio(self.mask_ratio)


def _require_ratio(mask_ratio: float) -> None:
    _require(
        0 < mask_ratio < 1, f"mask_ratio must lie between 0 and 1 (exclusive); it is {mask_ratio}."
    )


def stage1_preset(name: str) -> Stage1Config:
    """Stage 1's settings for a preset name.

    Raises:
        BadSetting: There is no such preset.
    """
    if name == "compact":
        training = TrainingConfig(epochs=40, warmup_epochs=4)
        return Stage1Config(preset=name, training=training, redraw_every=5)
    require_preset(name)
    return Stage1Config(preset=name, redraw_every=1 if name == "paper" else 5)


def stage2_preset(name: str) -> Stage2Config:
    """Stage 2's settings for a preset name.

    Outside the paper's preset the unlabeled images are rated by the probe of normal against
    unlabeled: with a small encoder its pseudo-labels are purer than the proxy task's.

    Raises:
        BadSetting: There is no such preset.
    """
    require_preset(name)
    if name == "paper":
        return Stage2Config()
    labels = PseudoLabelConfig(source=PseudoLabelSource.UNLABELED)
    if name == "compact":
        short = TrainingConfig(epochs=40, warmup_epochs=4)
        return Stage2Config(pseudo_labels=labels, training=short)
    return Stage2Config(pseudo_labels=labels)


def score_preset(name: str) -> ScoreConfig:
    """Scoring's settings for a preset name.

    Outside the paper's preset every patch is hidden equally often and only predictions of hidden
    patches count: a module never learns to predict what it sees.

    Raises:
        BadSetting: There is no such preset.
    """
    require_preset(name)
    if name == "paper":
        return ScoreConfig()
    return ScoreConfig(mask_plan=MaskPlan.COMPLEMENTARY, masked_only=True)


def as_in_the_paper(config: JsonConfig) -> JsonConfig:
    """The same network, schedule, seed and device, with every choice of the method the paper's."""
    if isinstance(config, Stage1Config):
        return config.replace(redraw_every=Stage1Config().redraw_every)
    if isinstance(config, Stage2Config):
        paper = Stage2Config()
        return config.replace(
            pseudo_labels=paper.pseudo_labels.to_dict(),
            masks_per_image=paper.masks_per_image,
            mask_ratio=paper.mask_ratio,
            smallest_crop=paper.smallest_crop,
        )
    if isinstance(config, ScoreConfig):
        paper_score = ScoreConfig()
        return config.replace(
            masks_per_image=paper_score.masks_per_image,
            mask_ratio=paper_score.mask_ratio,
            mask_plan=paper_score.mask_plan,
            masked_only=paper_score.masked_only,
        )
    return config


def require_preset(name: str) -> ModelConfig:
    """The network of a preset.

    Raises:
        BadSetting: There is no such preset.
    """
    if name not in PRESETS:
        raise BadSetting(f"preset must be one of {', '.join(PRESETS)}; it is {name!r}.")
    return PRESETS[name]
