"""The settings of each step; the paper's values are the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from amae_engine.config.choices import (
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
from amae_engine.config.json_config import JsonConfig, require
from amae_engine.config.networks import PRESETS, ModelConfig, require_preset
from amae_engine.config.setting import setting

_HEADS = "Attention heads of encoder and decoder, where a checkpoint does not tell them"
_DEVICE = "auto takes a GPU where there is one"
_PRECISION = "auto takes bf16 where the hardware multiplies it"
_SEED = "Same seed, same result; another one shows how much of a result is chance"
_MASKED = (
    "Share of patches the network must fill; at three quarters it must know chests, not neighbours"
)
_RATIO: dict[str, Any] = {"low": 0, "high": 1, "is_open": (True, True), "decimals": 2}
_RISE = "Epochs in which the rate rises, so that the first steps do not undo "


# a setting is read as a line of a table
# fmt: off

@dataclass(frozen=True, slots=True)
class TrainingConfig(JsonConfig):
    """The schedule that every training step shares; the paper's one schedule is the default."""

    epochs: int = setting(150, label="Epochs", low=1, why="Passes over the step's images")
    warmup_epochs: int = setting(20, label="Warm-up", low=0, unit="epochs", why=f"{_RISE}the start")
    batch_size: int = setting(
        16, label="Batch size", low=2, unit="images",
        why="Images in one step; more make it smoother and need more memory",
    )
    learning_rate: float = setting(
        2.5e-4, label="Rate", low=0, is_open=(True, False), decimals=6,
        why="AdamW's highest learning rate; lower it where the loss jumps",
    )
    weight_decay: float = setting(0.05, low=0, why="AdamW's, on weights alone")
    seed: int = setting(0, label="Seed", is_shared=True, low=0, why=_SEED)
    device: str = setting(
        "auto",
        label="Device", is_shared=True, texts={d: d for d in ("auto", "cpu", "cuda")},
        why=f"{_DEVICE}; stage 2 takes also one for A and one for B, “cuda:0,cuda:1”",
    )
    precision: Precision = setting(
        Precision.AUTO, label="Precision", is_shared=True, why=_PRECISION,
    )
    compile: Compile = setting(
        Compile.AUTO, why="One graph a training step; auto compiles on CUDA devices with Triton",
    )
    deterministic: bool = setting(
        False, why="On a GPU only kernels that add in one order: the same result bit for bit",
    )

    def _require(self) -> None:
        require(
            self.warmup_epochs <= self.epochs,
            f"warmup_epochs must lie in 0…epochs ({self.epochs}); it is {self.warmup_epochs}.",
        )

    def changed(self, changes: Mapping[str, Any]) -> TrainingConfig:
        """See `JsonConfig`; a warm-up that is not given is no longer than the epochs that are."""
        epochs = changes.get("epochs")
        clipped = {}
        if isinstance(epochs, int) and 1 <= epochs < self.warmup_epochs:
            clipped = {"warmup_epochs": epochs}
        return JsonConfig.changed(self, {**clipped, **changes})


@dataclass(frozen=True, slots=True)
class PretrainConfig(JsonConfig):
    """Stage 0: masked pre-training on the project's own normal and unlabeled images ([30])."""

    model: ModelConfig = field(default_factory=lambda: PRESETS["compact"])
    training: TrainingConfig = setting(
        # the rate is that of a batch of 256; the step's own is scaled by batch / 256
        factory=lambda: TrainingConfig(
            epochs=800, warmup_epochs=40, batch_size=64, learning_rate=1.5e-4
        ),
        label="pre-training",
        whys={
            "epochs": "Passes over N and U; a network from scratch needs hundreds, as it sees a tenth "
            "of each image",
            "learning_rate": "For a batch of 256 images, scaled to yours; higher for a small network "
            "and few images",
        },
        hides=("warmup_epochs", "batch_size"),
        presets=dict.fromkeys(
            ("compact", "foundation"),  # a small network and a project's few images, on a laptop
            TrainingConfig(epochs=80, warmup_epochs=4, batch_size=64, learning_rate=2e-3),
        ),
    )
    mask_ratio: float = setting(
        0.90, label="Masked, pre-training", is_method=True, **_RATIO,
        presets=dict.fromkeys(("compact", "foundation"), 0.75),
        why="Share of patches to fill; the more, the less a neighbour gives the answer away",
    )
    smallest_crop: float = setting(
        0.5, is_method=True, low=0, high=1, is_open=(True, False),
        why="The smallest share of an image's area that a training view shows",
    )
    weights: str = setting("", why="A checkpoint to start from; none starts at random")
    heads: tuple[int, ...] = setting((), why=_HEADS)


@dataclass(frozen=True, slots=True)
class UnlabeledDraw(JsonConfig):
    """Which of the unlabeled images a run sees: all, or some by their hidden truth, for sweeps."""

    count: int = setting(0, symbol="M", low=0, unit="images", why="So many of them; 0: all")
    anomaly_ratio: float = setting(
        -1.0, symbol="AR", high=1, why="Of those M, by hidden truth; below 0: as they are",
    )
    seed: int = setting(0, why="Of the draw")


@dataclass(frozen=True, slots=True)
class Stage1Config(JsonConfig):
    """Stage 1: a classifier on frozen features learns to see AnatPaste anomalies (Eq. 1, 2)."""

    preset: str = setting("", why="The network that the weights must be; none accepts any")
    weights: str = setting(
        "bundled",
        presets={"compact": "adults"},  # those of `foundation` are the older ones
        why="f0 and g0: bundled (children's images), adults (adults' too), run:N (your own "
        "pre-training) or an official checkpoint's path",
    )
    heads: tuple[int, ...] = setting((), why=_HEADS)
    encoder: str = setting(
        "",
        is_method=True, presets={"foundation": "foundation"},
        why="A frozen encoder next to that of the weights: none, foundation (bundled), a file, "
        "timm:MODEL",
    )
    training: TrainingConfig = setting(
        factory=TrainingConfig, label="stage 1",
        whys={"epochs": "Passes over the normal images; only the small head learns, so few are enough"},
        presets=dict.fromkeys(("compact", "foundation"), TrainingConfig(epochs=40, warmup_epochs=4)),
    )
    validation_percent: int = setting(
        10, paper=0, is_method=True, low=0, high=50, unit="%",
        why="Of N, held out for the validation curve alone",
    )
    redraw_every: int = setting(
        1,
        is_method=True,
        low=1,
        unit="epochs",
        # the encoder of `foundation` costs much more an image: half of its epochs
        presets={"ours": 5, "foundation": 20},
        why="Epochs that an image's synthetic anomaly is kept; the paper draws it anew",
    )
    synthesis: Synthesis = setting(
        Synthesis.ANATPASTE, is_method=True, why="How a synthetic anomaly is made",
    )
    shortcuts: MatchingMethod = setting(
        MatchingMethod.OFF, is_method=True, presets={"ours": MatchingMethod.AUTO},
        why="What is done where N and U differ by confounders",
    )
    match_by: tuple[str, ...] = setting(
        (), is_method=True,
        why="Facts that N and U are matched by; none: those that they differ by",
    )
    unlabeled: UnlabeledDraw = field(default_factory=UnlabeledDraw)

    def _require(self) -> None:
        if self.preset:
            require_preset(self.preset)


@dataclass(frozen=True, slots=True)
class PseudoLabelConfig(JsonConfig):
    """Which unlabeled images count as reliable (section 2.2)."""

    source: PseudoLabelSource = setting(
        PseudoLabelSource.PROXY,
        label="Pseudo-labels by",
        # with a small encoder its labels are purer than the proxy task's
        presets={"ours": PseudoLabelSource.UNLABELED},
        why="What rates the unlabeled images. The paper: stage 1's classifier. Normal against "
        "unlabeled: a cross-fitted probe of what sets the unlabeled images apart",
    )
    keep_percent: float = setting(
        50.0, symbol="K", low=0, high=100, is_open=(True, False), unit="%",
        why="Share of each class's images that is kept, the surest first",
    )
    keep_abnormal_percent: float = setting(
        0.0, low=0, high=100, unit="%", why="K of the abnormal class alone; 0: as keep_percent",
    )
    rule: KeepRule = setting(
        KeepRule.WITHIN_CLASS, why="What K is a share of: each class, or all images",
    )

    @property
    def keep_of_abnormal(self) -> float:
        """K of the abnormal class, in percent."""
        return self.keep_abnormal_percent or self.keep_percent

    @property
    def most_kept_percent(self) -> float:
        """The largest share of the unlabeled images that can count as reliable, in percent."""
        if self.rule is not KeepRule.OVER_ALL:
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

    stage1_run: int = setting(0, low=0, why="The stage-1 run; 0: the newest finished one")
    module_a_run: int = setting(
        0, low=0, why="A stage-2 run whose module A serves here too; 0: it is trained",
    )
    reconstructs: Reconstructs = setting(
        Reconstructs.PIXELS, label="Modules reconstruct", is_method=True,
        presets={"foundation": Reconstructs.TOKENS},
        why="Tokens take minutes on a laptop and show a map; pixels also show what each module "
        "makes of an image",
    )
    pseudo_labels: PseudoLabelConfig = setting(
        factory=PseudoLabelConfig, is_method=True, label="pseudo-labels",
    )
    training: TrainingConfig = setting(
        factory=TrainingConfig,
        label="stage 2",
        whys={
            "epochs": "Passes over each module's images; stop where the curve of unseen images rises",
            "warmup_epochs": f"{_RISE}the weights that the modules start from",
        },
        presets={
            # module B sees the normal images too, so an epoch is longer than the paper's
            "compact": TrainingConfig(epochs=20, warmup_epochs=4),
            "foundation": TrainingConfig(
                epochs=20, warmup_epochs=2, batch_size=32, learning_rate=1e-3
            ),
        },
    )
    module_b_learns: ModuleBLearns = setting(
        ModuleBLearns.ABNORMAL, label="Module B learns", is_method=True,
        presets={"ours": ModuleBLearns.WITH_NORMALS},
        why="A module that has only seen abnormal images is wrong about normal ones, and these "
        "then differ most",
    )
    abnormal_share: float = setting(
        0.0, label="Abnormal share of B", is_method=True, low=0, high=1, is_open=(False, True),
        decimals=2, presets={"foundation": 0.5},
        why="Of what module B sees, where it learns the normal too, in as many steps as A's; 0: "
        "as many as there are. The more, the further B is from A",
    )
    masks_per_image: int = setting(
        2, label="Masks per image, training", symbol="L", is_method=True, low=1,
        presets={"foundation": 1},
        why="L of Eq. 3; more masks make a step's loss less a matter of chance, and slower",
    )
    mask_ratio: float = setting(0.75, label="Masked share", is_method=True, why=_MASKED, **_RATIO)
    smallest_crop: float = setting(
        0.5, is_method=True, low=0, high=1, is_open=(True, False),
        why="The smallest share of an image's area that a training view shows",
    )


@dataclass(frozen=True, slots=True)
class ScoreConfig(JsonConfig):
    """Scores and maps of the test images (Eq. 4)."""

    stage2_run: int = setting(0, low=0, why="The stage-2 run; 0: the newest finished one")
    without_stage2: bool = setting(
        False, why="What stage 1 says alone: where stage 2 has nothing to learn from",
    )
    stage1_run: int = setting(
        0, low=0, why="Without stage 2 the stage-1 run; 0: the newest finished one",
    )
    splits: tuple[str, ...] = setting(("test",), why="Which images are scored")
    masks_per_image: int = setting(
        4, label="Masks per image, scoring", symbol="L", is_method=True, low=1,
        why="L of Eq. 4; more masks make scores steadier, and slower",
    )
    mask_ratio: float = setting(0.75, label="Masked share", is_method=True, why=_MASKED, **_RATIO)
    mask_plan: MaskPlan = setting(
        MaskPlan.INDEPENDENT, label="Scoring masks", is_method=True,
        presets={"ours": MaskPlan.COMPLEMENTARY},
        why="The paper draws masks independently; complementary ones hide every patch equally "
        "often",
    )
    masked_only: bool = setting(
        False, label="Averaged", is_method=True, presets={"ours": True},
        texts={True: "hidden patches", False: "all patches (paper)"},
        why="Which predictions of a patch are averaged: a module never learns to predict what it "
        "sees",
    )
    rerank: bool = setting(
        False, why="Re-rank the unlabeled images, by the probe and stage 2 together",
    )
    keep_maps: bool = setting(
        True, label="Maps", texts={True: "kept for every image", False: "made when asked for"},
        why="Maps of all images take 0.1 to 0.6 MB each. Made when asked for, a map takes seconds "
        "the first time it is looked at; scores are the same",
    )
    batch_size: int = setting(32, low=1, unit="images", why="Images that go through together")
    seed: int = setting(0, label="Seed", is_shared=True, low=0, why=_SEED)
    device: str = setting(
        "auto",
        label="Device", is_shared=True, texts={d: d for d in ("auto", "cpu", "cuda")}, why=_DEVICE,
    )
    precision: Precision = setting(
        Precision.AUTO, label="Precision", is_shared=True, why=_PRECISION,
    )

    def _require(self) -> None:
        require(
            not self.rerank or "unlabeled" in self.splits,
            f"rerank needs 'unlabeled' among the splits; they are {', '.join(self.splits)}.",
        )
        require(
            not (self.rerank and self.without_stage2),
            "rerank ranks by stage 2's likelihood ratio, which without_stage2 leaves out.",
        )
