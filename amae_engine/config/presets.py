"""Each step's settings for a preset, and every choice as in the paper."""

from __future__ import annotations

from amae_engine.config.json_config import JsonConfig
from amae_engine.config.networks import require_preset
from amae_engine.config.steps import (
    MaskPlan,
    MatchingMethod,
    ModuleBLearns,
    PretrainConfig,
    PseudoLabelConfig,
    PseudoLabelSource,
    Reconstructs,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)

_SMALL = ("compact", "foundation")  # pixel modules that a laptop trains


def pixel_preset(name: str) -> str:
    """The preset whose pixel modules a preset has: `foundation` has those of `compact`."""
    return "compact" if name == "foundation" else name


def pretrain_preset(name: str) -> PretrainConfig:
    """Pre-training's settings for a preset name: [30]'s recipe for the paper's networks.

    The small network of `compact` learns from a project's few images on a laptop: fewer epochs, a
    higher rate, and the share of patches hidden that stage 2 hides.

    Raises:
        BadSetting: There is no such preset.
    """
    model = require_preset(name)
    if name not in _SMALL:
        return PretrainConfig(model=model)
    short = TrainingConfig(epochs=80, warmup_epochs=4, batch_size=64, learning_rate=2e-3)
    return PretrainConfig(model=model, training=short, mask_ratio=0.75)


def stage1_preset(name: str) -> Stage1Config:
    """Stage 1's settings for a preset name.

    The encoder of `foundation` costs much more an image, so an anomaly is kept for half of the
    epochs. Outside the paper's preset N and U are matched where they differ by confounders.
    `compact` starts from the weights that know adults too; those of `foundation` are the older ones.

    Raises:
        BadSetting: There is no such preset.
    """
    require_preset(name)
    if name == "paper":
        return Stage1Config(preset=name)
    auto = MatchingMethod.AUTO
    if name not in _SMALL:
        return Stage1Config(preset=name, redraw_every=5, shortcuts=auto)
    training = TrainingConfig(epochs=40, warmup_epochs=4)
    if name == "compact":
        return Stage1Config(
            preset=name, weights="adults", training=training, redraw_every=5, shortcuts=auto
        )
    return Stage1Config(
        preset=name,
        encoder=name,
        training=training,
        redraw_every=training.epochs // 2,
        shortcuts=auto,
    )


def stage2_preset(name: str) -> Stage2Config:
    """Stage 2's settings for a preset name.

    Outside the paper's preset the unlabeled images are rated by the probe of normal against
    unlabeled: with a small encoder its pseudo-labels are purer than the proxy task's. And module B
    learns the normal images too: a module that has only seen abnormal ones is wrong about normal
    ones, and these then differ most. The modules of `foundation` reconstruct its encoder's tokens;
    half of what its module B sees is pseudo-abnormal.

    Raises:
        BadSetting: There is no such preset.
    """
    require_preset(name)
    if name == "paper":
        return Stage2Config()
    labels = PseudoLabelConfig(source=PseudoLabelSource.UNLABELED)
    both = ModuleBLearns.WITH_NORMALS
    if name == "foundation":
        return Stage2Config(
            pseudo_labels=labels,
            training=TrainingConfig(epochs=20, warmup_epochs=2, batch_size=32, learning_rate=1e-3),
            reconstructs=Reconstructs.TOKENS,
            module_b_learns=both,
            abnormal_share=0.5,
            masks_per_image=1,
        )
    if name in _SMALL:
        # module B sees the normal images too, so an epoch is longer than the paper's
        short = TrainingConfig(epochs=20, warmup_epochs=4)
        return Stage2Config(pseudo_labels=labels, training=short, module_b_learns=both)
    return Stage2Config(pseudo_labels=labels, module_b_learns=both)


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
    """The same network, schedule, seed and device, with every choice of the method the paper's.

    The paper's h learns from all of N: no image is held out for a validation curve.
    """
    if isinstance(config, Stage1Config):
        # the paper's f0 is that of the masked autoencoder whose modules stage 2 trains
        paper_head = Stage1Config()
        return config.replace(
            redraw_every=paper_head.redraw_every,
            synthesis=paper_head.synthesis,
            encoder=paper_head.encoder,
            shortcuts=paper_head.shortcuts,
            match_by=paper_head.match_by,
            validation_percent=0,
        )
    if isinstance(config, PretrainConfig):
        recipe = PretrainConfig()
        return config.replace(mask_ratio=recipe.mask_ratio, smallest_crop=recipe.smallest_crop)
    if isinstance(config, Stage2Config):
        paper = Stage2Config()
        return config.replace(
            pseudo_labels=paper.pseudo_labels.to_dict(),
            reconstructs=paper.reconstructs,
            masks_per_image=paper.masks_per_image,
            mask_ratio=paper.mask_ratio,
            smallest_crop=paper.smallest_crop,
            module_b_learns=paper.module_b_learns,
            abnormal_share=paper.abnormal_share,
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
