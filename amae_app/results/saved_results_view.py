"""How Results was left: run, score, operating point, list and image, for the next start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amae_engine.config import ScoreKind

_NAMES = ("run", "score", "threshold", "listed", "image")


@dataclass(frozen=True, slots=True)
class SavedResultsView:
    """What a reader looked at.

    Attributes:
        run: The score run.
        threshold: Of the operating point of `score`.
        listed: Which images were listed.
        image: Id of the image that was shown; 0 for none.
    """

    run: int
    score: ScoreKind
    threshold: float
    listed: str
    image: int

    def texts(self) -> dict[str, str]:
        """As settings keep it."""
        values = (self.run, self.score, repr(self.threshold), self.listed, self.image)
        return {f"results.{name}": str(value) for name, value in zip(_NAMES, values, strict=True)}

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> SavedResultsView | None:
        """What settings have kept; None where they have nothing that can be used."""
        try:
            run, score, threshold, listed, image = (texts[f"results.{name}"] for name in _NAMES)
            return cls(int(run), ScoreKind(score), float(threshold), listed, int(image))
        except (KeyError, ValueError):
            return None
