"""The image-level scores: their names, whose they are, which have a map."""

from __future__ import annotations

from enum import StrEnum


class ScoreKind(StrEnum):
    """An image-level anomaly score; larger is more abnormal."""

    STAGE1_PROBABILITY = "stage1_probability"
    DISCREPANCY = "discrepancy"
    MAHALANOBIS = "mahalanobis"
    LIKELIHOOD_RATIO = "likelihood_ratio"
    UNLABELED_PROBE = "unlabeled_probe"
    RERANKED = "reranked"
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
    def has_signed_map(self) -> bool:
        """Whether its map has both signs: below 0 speaks for normal."""
        return self is ScoreKind.LIKELIHOOD_RATIO


_SCORE_TEXTS = {
    ScoreKind.STAGE1_PROBABILITY: ("Stage 1 classifier", "paper"),
    ScoreKind.DISCREPANCY: ("Stage 2 A_inter", "paper"),
    ScoreKind.MAHALANOBIS: ("Feature distance", "ours"),
    ScoreKind.LIKELIHOOD_RATIO: ("Likelihood ratio", "ours"),
    ScoreKind.UNLABELED_PROBE: ("Normal against unlabeled", "ours"),
    ScoreKind.RERANKED: ("Probe and stage 2", "ours"),
    ScoreKind.GREY_STATISTICS: ("Grey statistics", "baseline"),
    ScoreKind.PEER: ("Peer method", "peer"),
    ScoreKind.PEER_RECONSTRUCTION: ("Peer method, A_rec", "peer"),
    ScoreKind.PEER_INTRA: ("Peer method, A_intra", "peer"),
    ScoreKind.PEER_SOFTMAX: ("Peer method, softmax", "peer"),
}
