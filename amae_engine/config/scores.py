"""The image-level scores, a row each: whatever lists, exports, reports or explains scores follows."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from amae_engine.errors import BadSetting

_PEER = "Peer method"


class ScoreStep(StrEnum):
    """Which step rates the images by a score."""

    STAGE1 = "stage1"
    STAGE2 = "stage2"  # when its modules are compared; a run without stage 2 has none
    SCORE = "score"  # of the stored images alone
    PEER = "peer"


class ScoreKind(StrEnum):
    """An image-level anomaly score; larger is more abnormal. The value names it in exports.

    Attributes:
        label: As the reader sees it.
        origin: Whose it is: "paper", "ours", "baseline" or "peer".
        step: What rates images by it.
        help: What it is, in a sentence.
        map_text: What its map shows; "" for a score without one.
        has_signed_map: Whether its map has both signs: below 0 speaks for normal.
    """

    label: str
    origin: str
    step: ScoreStep
    help: str
    map_text: str
    has_signed_map: bool

    def __new__(
        cls,
        value: str,
        label: str = "",
        origin: str = "",
        step: ScoreStep = ScoreStep.SCORE,
        help: str = "",
        map_text: str = "",
        has_signed_map: bool = False,
    ) -> Self:
        """One row of the table below."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.label, kind.origin, kind.step, kind.help = label, origin, step, help
        kind.map_text, kind.has_signed_map = map_text, has_signed_map
        return kind

    STAGE1_PROBABILITY = (
        "stage1_probability",
        "Stage 1 classifier",
        "paper",
        ScoreStep.STAGE1,
        "P(synthetic anomaly) by the classifier that learned from AnatPaste",
    )
    DISCREPANCY = (
        "discrepancy",
        "Stage 2 A_inter",
        "paper",
        ScoreStep.STAGE2,
        "Mean of |μA − μB|: how far the two modules' reconstructions lie apart",
        "|μA − μB| (Eq. 4)",
    )
    MAHALANOBIS = (
        "mahalanobis",
        "Feature distance",
        "ours",
        ScoreStep.STAGE1,
        "Mahalanobis distance of the frozen features from the normal images; needs no unlabeled one",
    )
    LIKELIHOOD_RATIO = (
        "likelihood_ratio",
        "Likelihood ratio",
        "ours",
        ScoreStep.STAGE2,
        "Error of module A less that of module B: which of them explains the image better",
        "error of A − error of B (signed)",
        True,
    )
    UNLABELED_PROBE = (
        "unlabeled_probe",
        "Normal against unlabeled",
        "ours",
        ScoreStep.STAGE1,
        "A cross-fitted probe of what sets the unlabeled images apart from the normal ones",
        "what each patch adds, above normal images at its place",
    )
    RERANKED = (
        "reranked",
        "Probe and stage 2",
        "ours",
        ScoreStep.STAGE2,
        "The probe and the likelihood ratio together, on the unlabeled images of a second round",
    )
    GREY_STATISTICS = (
        "grey_statistics",
        "Grey statistics",
        "baseline",
        ScoreStep.SCORE,
        "Eleven grey-value statistics: a score that does not beat them has learned little",
    )
    PEER = (
        "peer",
        _PEER,
        "peer",
        ScoreStep.PEER,
        "The method's own score",
        "this method's own map",
    )
    PEER_RECONSTRUCTION = (
        "peer_reconstruction",
        f"{_PEER}, A_rec",
        "peer",
        ScoreStep.PEER,
        "DDAD's reconstruction error",
    )
    PEER_INTRA = (
        "peer_intra",
        f"{_PEER}, A_intra",
        "peer",
        ScoreStep.PEER,
        "DDAD's spread over the normal module's ensemble",
    )
    PEER_SOFTMAX = (
        "peer_softmax", f"{_PEER}, softmax", "peer", ScoreStep.PEER,
        "P(synthetic anomaly) by the peer's classifier",
    )  # fmt: skip

    @classmethod
    def of(cls, name: str) -> ScoreKind:
        """A score by its value.

        Raises:
            BadSetting: There is no such score.
        """
        if name not in set(cls):
            raise BadSetting(f"There is no score '{name}'; scores are {', '.join(cls)}.")
        return cls(name)

    def named(self, method: str) -> str:
        """Its label; a peer's with the name of its method, "" for none, in the place of "Peer method"."""
        return self.label.replace(_PEER, method) if method else self.label

    @classmethod
    def of_step(cls, step: ScoreStep) -> tuple[ScoreKind, ...]:
        """The scores by which a step rates images."""
        return tuple(kind for kind in cls if kind.step is step)
