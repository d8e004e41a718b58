"""Where to call an image abnormal: rules that choose a threshold from labelled images.

An image is called abnormal at or above the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from amae_engine.errors import BadInput
from amae_engine.evaluation.agreement import Proportion
from amae_engine.evaluation.roc import Truth, Values, roc_curve


class Rule(StrEnum):
    """How a threshold is chosen."""

    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"
    YOUDEN = "youden"
    COST = "cost"
    NORMALS = "normals"

    @property
    def label(self) -> str:
        """What the reader sees."""
        return _TEXTS[self]


_TEXTS = {
    Rule.SENSITIVITY: "sensitivity of at least",
    Rule.SPECIFICITY: "specificity of at least",
    Rule.YOUDEN: "sensitivity + specificity highest (Youden)",
    Rule.COST: "cost lowest; a missed one costs as many false alarms as",
    Rule.NORMALS: "from normal images alone: specificity of at least",
}


@dataclass(frozen=True, slots=True)
class RuleChoice:
    """A rule with its target.

    Attributes:
        target: A share in (0, 1) for sensitivity, specificity and normals; for cost, how many
            false alarms a missed abnormal image costs; unused by Youden.
        prevalence: Of abnormal images where the score will be used; for cost.
    """

    rule: Rule
    target: float = 0.95
    prevalence: float = 0.5

    @property
    def text(self) -> str:
        """The rule with what it asks for: "sensitivity of at least 95 %"."""
        if self.rule is Rule.YOUDEN:
            return self.rule.label
        asked = f"{100 * self.target:g} %" if self._is_share else f"{self.target:g}"
        return f"{self.rule.label} {asked}"

    @property
    def _is_share(self) -> bool:
        return self.rule in (Rule.SENSITIVITY, Rule.SPECIFICITY, Rule.NORMALS)

    def __post_init__(self) -> None:
        if self._is_share and not 0 < self.target < 1:
            raise BadInput(f"A {self.rule} target lies between 0 and 1; it is {self.target:g}.")
        if self.rule is Rule.COST and not (self.target > 0 and math.isfinite(self.target)):
            raise BadInput(f"The cost of a missed image must be above 0; it is {self.target:g}.")
        require_prevalence(self.prevalence)


def require_prevalence(prevalence: float) -> None:
    """A share of abnormal images that can be.

    Raises:
        BadInput: It is not between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise BadInput(f"A prevalence lies between 0 and 1; it is {prevalence:g}.")


def choose_threshold(truth: Truth, scores: Values, choice: RuleChoice) -> float:
    """The threshold that a rule takes from labelled images.

    Where a rule is met by a range of scores, the threshold is the lowest score of an image that is
    called abnormal, so that it does not depend on how finely the scores lie.

    Args:
        truth: (n,) of 0 and 1; for `NORMALS` all 0.
        scores: (n,).
        choice: The rule.

    Raises:
        BadInput: A class that the rule needs is missing.
    """
    normal, abnormal = scores[truth == 0], scores[truth == 1]
    if choice.rule is Rule.NORMALS:
        return _above(normal, choice.target)
    if not len(normal) or not len(abnormal):
        raise BadInput(
            f"An operating point by {choice.rule} needs normal and abnormal images; there are "
            f"{len(normal)} normal and {len(abnormal)} abnormal. 'From normal images alone' needs "
            f"no abnormal one."
        )
    curve = roc_curve(truth, scores)  # thresholds fall, sensitivity rises
    if choice.rule is Rule.SENSITIVITY:
        return float(curve.thresholds[int(np.argmax(curve.y >= choice.target - 1e-12))])
    if choice.rule is Rule.SPECIFICITY:
        fits = np.flatnonzero(1 - curve.x >= choice.target - 1e-12)
        return _finite(curve.thresholds, int(fits[-1]), scores)
    if choice.rule is Rule.YOUDEN:
        return _finite(curve.thresholds, int(np.argmax(curve.y - curve.x)), scores)
    missed = choice.prevalence * choice.target * (1 - curve.y)
    alarms = (1 - choice.prevalence) * curve.x
    return _finite(curve.thresholds, int(np.argmin(missed + alarms)), scores)


def _above(normal: Values, specificity: float) -> float:
    """The lowest threshold that spares such a share of the normal images."""
    if not len(normal):
        raise BadInput("An operating point from normal images needs some; there are none.")
    ordered = np.sort(normal)
    spared = math.ceil(specificity * len(ordered) - 1e-9)  # images that must lie below
    if spared >= len(ordered):
        return float(np.nextafter(ordered[-1], np.inf))
    threshold = ordered[spared]
    if int((normal < threshold).sum()) < spared:  # ties at the threshold would be called
        threshold = np.nextafter(threshold, np.inf)
    return float(threshold)


def _finite(thresholds: npt.NDArray[np.float64], place: int, scores: Values) -> float:
    """A threshold; that of calling nothing abnormal lies just above every score."""
    found = float(thresholds[place])
    return found if math.isfinite(found) else float(np.nextafter(scores.max(), np.inf))


@dataclass(frozen=True, slots=True)
class Predictive:
    """What a call means where abnormal images are as frequent as stated; NaN where none is called.

    Attributes:
        ppv: P(abnormal | called abnormal).
        npv: P(normal | called normal).
    """

    ppv: Proportion
    npv: Proportion


def predictive_values(
    sensitivity: Proportion, specificity: Proportion, prevalence: float
) -> Predictive:
    """Bayes' rule from sensitivity and specificity, with the interval of their likelihood ratio.

    The ratio's interval is made of those of its two parts on the logarithmic scale (MOVER: Donner and
    Zou, 2012), so that it is by patients where they are.

    Raises:
        BadInput: The prevalence is not between 0 and 1.
    """
    require_prevalence(prevalence)
    missed, alarm = _rest(sensitivity), _rest(specificity)
    return Predictive(
        _posterior(sensitivity, alarm, prevalence),
        _posterior(specificity, missed, 1 - prevalence),
    )


def _rest(share: Proportion) -> Proportion:
    return Proportion(1 - share.value, 1 - share.high, 1 - share.low)


def _posterior(right: Proportion, wrong: Proportion, prior: float) -> Proportion:
    """P(class | called so) of the shares of either class that are called so."""
    if math.isnan(right.value + wrong.value) or right.value + wrong.value <= 0:
        return Proportion(math.nan, math.nan, math.nan)

    def posterior(ratio: float) -> float:
        return 1.0 if math.isinf(ratio) else prior * ratio / (prior * ratio + 1 - prior)

    def divided(one: float, other: float) -> float:
        return one / other if other > 0 else math.inf

    if math.isnan(right.low + wrong.low):
        return Proportion(posterior(divided(right.value, wrong.value)), math.nan, math.nan)
    low, high = divided(right.low, wrong.high), divided(right.high, wrong.low)
    if right.value > 0 and wrong.value > 0:
        ratio = right.value / wrong.value
        if right.low > 0:
            down = math.hypot(math.log(right.value / right.low), math.log(wrong.high / wrong.value))
            low = ratio * math.exp(-down)
        if wrong.low > 0:
            up = math.hypot(math.log(right.high / right.value), math.log(wrong.value / wrong.low))
            high = ratio * math.exp(up)
    values = (divided(right.value, wrong.value), low, high)
    return Proportion(*(posterior(value) for value in values))
