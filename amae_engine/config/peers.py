"""The methods that AMAE is compared with, and their settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from amae_engine.config.choices import Precision
from amae_engine.config.json_config import JsonConfig, require
from amae_engine.config.setting import setting
from amae_engine.config.steps import UnlabeledDraw


class PeerMethod(StrEnum):
    """A method of the paper's Table 2 or of its ablations."""

    AE = "ae"
    AE_U = "ae_u"
    F_ANOGAN = "f_anogan"
    IGD = "igd"
    DRAEM = "draem"
    DDAD_AE = "ddad_ae"
    CUTPASTE = "cutpaste"
    CUTPASTE_SCAR = "cutpaste_scar"
    CUTPASTE_UNION = "cutpaste_union"
    ANATPASTE = "anatpaste"
    FPI = "fpi"
    PII = "pii"
    NSA = "nsa"
    MASK_RECONSTRUCTION = "mask_reconstruction"
    NO_PSEUDO_LABELS = "no_pseudo_labels"

    @property
    def facts(self) -> PeerFacts:
        """Its name, its score and its own settings."""
        return _FACTS[self]

    @property
    def starts_from_mae(self) -> bool:
        """Whether it trains on from AMAE's starting weights: the paper's own ablations."""
        return self in (PeerMethod.MASK_RECONSTRUCTION, PeerMethod.NO_PSEUDO_LABELS)


class Protocol(StrEnum):
    """Which training images a method may see (Table 2)."""

    N = "N"  # normal images only
    Y = "Y"  # normal and unlabeled images


class PeerSize(StrEnum):
    """How large a peer's network and images are."""

    PUBLISHED = "published"
    COMPACT = "compact"  # what a laptop trains; said wherever its numbers stand


class Backbone(StrEnum):
    """The network whose features a synthetic-anomaly method learns (timm's names)."""

    RESNET18 = "resnet18"
    DENSENET121 = "densenet121"


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """What a method is, with the settings of its own publication or code.

    Attributes:
        label: As readers know it.
        taxonomy: Table 2's: "Rec.", "SSL" or both.
        score: What its image-level score is.
        epochs: Of each phase, over all training images.
        image_size: Side in pixels; 0 where the starting weights decide.
        width: Channels of the first layer; 0 where the network is fixed.
        phases: Networks or steps trained one after the other, under protocol N and Y.
        compact: Image size and width at the compact size; None where the published one is small.
        updates: Of the weights that the publication or its code makes, in one phase; 0 where neither
            says. With the same epochs a smaller set of images makes fewer.
    """

    label: str
    taxonomy: str
    score: str
    epochs: int
    batch_size: int
    learning_rate: float
    image_size: int
    width: int = 0
    phases: tuple[int, int] = (1, 1)
    compact: tuple[int, int] | None = None
    updates: int = 0


LATENT = 16  # of [5]'s autoencoder
_WITH_LATENT = (PeerMethod.AE, PeerMethod.AE_U, PeerMethod.DDAD_AE)
_DENSITY = "negative log density of the features under a KDE of the training images"
_PIXELS = "mean of the predicted label map"
_DDAD_UPDATES = 250 * 61  # of RSNA's 3,851 normal images (Cai et al., MICCAI 2022)
_MVTEC = 3629 / 15  # training images of a category, in the mean
_OWN_UPDATES = {  # by the methods' own code and their own training images
    "igd": round(256 * _MVTEC / 2),
    "draem": round(700 * _MVTEC / 8),
    "fpi": 50 * 400 * 16,  # pairs of 800 volumes, 2 × 8 batches of slices each
    "pii": 50 * 1973,  # NIH's men: a step an image
    "nsa": 240 * 31,  # the same in batches of 64
}
_FACTS = {
    PeerMethod.AE: PeerFacts(
        "AE", "Rec.", "mean squared error", 250, 64, 5e-4, 64, updates=_DDAD_UPDATES
    ),
    PeerMethod.AE_U: PeerFacts(
        "AE-U", "Rec.", "mean squared error over predicted variance", 250, 64, 5e-4, 64,
        updates=_DDAD_UPDATES,
    ),
    PeerMethod.F_ANOGAN: PeerFacts(
        "f-AnoGAN", "Rec.", "squared error of image and critic features", 250, 64, 1e-4, 64, 64, (2, 2),
        (64, 8)
    ),
    PeerMethod.IGD: PeerFacts(
        "IGD", "Rec.", "half MS-SSIM and L1, half Gaussian descriptor", 256, 64, 1e-4, 64, 32, (1, 1), (64, 8),
        _OWN_UPDATES["igd"],
    ),
    PeerMethod.DRAEM: PeerFacts(
        "DRAEM", "Rec.+SSL", "maximum of the smoothed anomaly map", 700, 8, 1e-4, 256, 64, (1, 1), (64, 16),
        _OWN_UPDATES["draem"],
    ),
    PeerMethod.DDAD_AE: PeerFacts(
        "DDAD-AE", "Rec.", "A_intra under N, A_inter under Y", 250, 64, 5e-4, 64, 0, (3, 6),
        updates=_DDAD_UPDATES,
    ),
    PeerMethod.MASK_RECONSTRUCTION: PeerFacts(
        "AMAE (Mask Rec.)", "Rec.", "mean squared error of the mean reconstruction", 150, 16, 2.5e-4, 0
    ),
    PeerMethod.NO_PSEUDO_LABELS: PeerFacts(
        "AMAE without pseudo-labels", "Rec.", "A_inter", 150, 16, 2.5e-4, 0, 0, (2, 2)
    ),
    **{
        PeerMethod(kind): PeerFacts(
            label, "SSL", _DENSITY, 256, 32, 0.03, 256, 0, (1, 1), (64, 0), 256 * 256
        )
        for kind, label in (
            ("cutpaste", "CutPaste"),
            ("cutpaste_scar", "CutPaste (scar)"),
            ("cutpaste_union", "CutPaste (union)"),
            ("anatpaste", "AnatPaste"),
        )
    },
    **{
        PeerMethod(kind): PeerFacts(
            label, "SSL", _PIXELS, epochs, 16, 1e-3, 256, 0, (1, 1), (64, 0), _OWN_UPDATES[kind]
        )
        for kind, label, epochs in (("fpi", "FPI", 50), ("pii", "PII", 50), ("nsa", "NSA", 240))
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PeerConfig(JsonConfig):
    """How a peer is trained; 0 stands for the method's own value."""

    method: PeerMethod = setting(PeerMethod.AE, why="Which one")
    protocol: Protocol = setting(
        Protocol.N, why="N: normal images alone; Y: unlabeled ones too (Table 2)"
    )
    size: PeerSize = setting(
        PeerSize.PUBLISHED,
        why="As published, or what a laptop trains; said wherever its numbers stand",
    )
    epochs: int = setting(0, low=0, why="Of each phase")
    minutes: float = setting(
        0.0, low=0, why="As many of the method's epochs as fit; 0 for all of them"
    )
    batch_size: int = setting(0, low=0, unit="images", why="Images in one step")
    learning_rate: float = setting(0.0, low=0, why="Of each optimizer")
    image_size: int = setting(0, low=0, unit="pixels", why="Side of the images; a multiple of 32")
    width: int = setting(0, low=0, why="Channels of the first layer")
    latent: int = setting(
        0,
        low=0,
        why="Of AE, AE-U and DDAD-AE; 4 is known to be better than their 16 on chests",
    )
    backbone: Backbone = setting(Backbone.RESNET18, why="Of the synthetic-anomaly methods")
    backbone_weights: str = setting(
        "", why="None at random, imagenet (timm fetches them), or a file"
    )
    weights: str = setting("bundled", why="AMAE's own variants start from these, as stage 1 does")
    heads: tuple[int, ...] = setting(
        (), why="Attention heads of encoder and decoder, where these weights do not tell"
    )
    unlabeled: UnlabeledDraw = field(default_factory=UnlabeledDraw)
    seed: int = setting(0, low=0, why="Same seed, same result")
    device: str = setting("auto", why="auto takes a GPU where there is one")
    precision: Precision = setting(
        Precision.AUTO, why="auto takes bf16 where the hardware multiplies it"
    )

    def _require(self) -> None:
        require(self.batch_size != 1, "batch_size must be 0 or at least 2; it is 1.")
        require(
            self.image_size % 32 == 0,
            f"image_size must be a multiple of 32; it is {self.image_size}.",
        )
        require(
            self.method is not PeerMethod.NO_PSEUDO_LABELS or self.protocol is Protocol.Y,
            "no_pseudo_labels trains module B on all unlabeled images; choose --protocol Y.",
        )

    @property
    def completed(self) -> PeerConfig:
        """The same with the method's own values in place of every 0."""
        facts = self.method.facts
        image_size, width = facts.image_size, facts.width
        if self.size is PeerSize.COMPACT and facts.compact is not None:
            image_size, width = facts.compact
        latent = LATENT if self.method in _WITH_LATENT else 0
        return self.replace(
            epochs=self.epochs or facts.epochs,
            batch_size=self.batch_size or facts.batch_size,
            learning_rate=self.learning_rate or facts.learning_rate,
            image_size=self.image_size or image_size,
            width=self.width or width,
            latent=self.latent or latent,
        )

    @property
    def all_epochs(self) -> int:
        """Epochs over all phases."""
        return self.epochs * self.method.facts.phases[self.protocol is Protocol.Y]

    def updates(self, images: int) -> int:
        """Of the weights in one phase that learns from so many images."""
        return self.epochs * -(-images // self.batch_size)

    def within_minutes(self, seconds: float) -> PeerConfig:
        """As many of the method's epochs as fit into the minutes, at least one.

        Args:
            seconds: That one epoch of each phase takes together.
        """
        most = int(60 * self.minutes / seconds)
        return self.replace(epochs=min(self.epochs, max(most, 1)))

    @property
    def title(self) -> str:
        """The method, what of it is not as published, and its protocol, for tables."""
        return f"{self.label} ({self.protocol})"

    @property
    def label(self) -> str:
        """The method's name, with its size where that is not the published one."""
        facts, own = self.method.facts, self.completed
        parts = [facts.label]
        if self.size is PeerSize.COMPACT and facts.compact is not None:
            narrower = f", width {own.width}" if own.width else ""
            parts.append(f"compact: {own.image_size} px{narrower}")
        if self.method in _WITH_LATENT and own.latent != LATENT:
            parts.append(f"latent {own.latent}")
        return ", ".join(parts)
