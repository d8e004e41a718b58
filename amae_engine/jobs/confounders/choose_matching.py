"""What is done about shortcuts: by which facts N and U are matched, how, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from amae_engine.config import MatchingMethod, Stage1Config
from amae_engine.errors import BadSetting
from amae_engine.jobs.confounders.image_facts import FACTS
from amae_engine.jobs.confounders.matching_file import Matched

if TYPE_CHECKING:
    from amae_engine.evaluation.delong import Auc
    from amae_engine.evaluation.shortcuts import Difference, Fact, Matching

Sides = npt.NDArray[np.int8]
Scores = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Facts of images and what they tell; arrays are (n,).

    Attributes:
        side: 0 for N, 1 for U, −1 for an image that only gets its stratum.
        patients: A number a patient.
        seed: Of every fold.
        found: A difference for each fact, the strongest first.
    """

    ids: npt.NDArray[np.int64]
    side: Sides
    patients: npt.NDArray[np.int64]
    seed: int
    facts: tuple[Fact, ...]
    found: tuple[Difference, ...]

    def match(self, names: Sequence[str]) -> Matching | None:
        """N and U matched by facts; None where too few images have them."""
        from amae_engine.evaluation.shortcuts import match

        chosen = [fact for fact in self.facts if fact.name in names]
        return match(chosen, self.side, self.patients, self.seed)

    def learned(self, name: str, scores: Scores) -> Auc | None:
        """How well scores (n,) tell normal images that are like U by a fact from other normal ones."""
        from amae_engine.evaluation.shortcuts import learned

        fact = next(fact for fact in self.facts if fact.name == name)
        return learned(fact, self.side, self.patients, self.seed, scores)


@dataclass(frozen=True, slots=True)
class ShortcutCheck:
    """By what N and U differ, and what is done about it.

    Attributes:
        differences: Of every fact, the strongest first.
        method: How N and U are matched: `OFF` where they are not.
        matched_by: The facts that N and U are matched by; () where nothing is done.
        why: A sentence for the reader.
        learned: How well a probe without matching tells normal images that are like U by a fact from
            other normal ones, for facts that were to be matched.
    """

    differences: tuple[Difference, ...]
    method: MatchingMethod
    matched_by: tuple[str, ...]
    why: str
    learned: Mapping[str, Auc] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The check in a line or two."""
        shortcuts = [each for each in self.differences if each.differs and not each.may_be_disease]
        if not any(each.auc for each in self.differences):
            return "too few images to look for confounders"
        if not shortcuts and not self.matched_by:
            return "No confounder found: normal and unlabeled images do not differ by view, source or any other recorded property"
        parts = [f"{each.name}: AUC {each.auc.value:.2f}" for each in shortcuts if each.auc]
        said = f"N and U differ by {', '.join(parts)}" if parts else "N and U"
        if not self.matched_by:
            return f"{said}; a score can learn it, and nothing is done about it"
        return f"{said}; stage 1 matches them by {' and '.join(self.matched_by)}"

    @property
    def is_clean(self) -> bool:
        """Whether no shortcut is left open."""
        open_ones = {
            each.name for each in self.differences if each.differs and not each.may_be_disease
        }
        return any(each.auc for each in self.differences) and open_ones <= set(self.matched_by)

    def facts(self) -> dict[str, Any]:
        """As JSON values, for a run's folder and `--json`."""
        return {
            "cure": self.method,
            "matched_by": list(self.matched_by),
            "why": self.why,
            "learned": {name: asdict(auc) for name, auc in self.learned.items()},
            "differences": [asdict(found) for found in self.differences],
        }


def choose_matching(
    shortcuts: Shortcuts, config: Stage1Config, scores: Scores | None = None
) -> tuple[ShortcutCheck, Matched | None]:
    """The result of the check, and how images are matched; None where they are not.

    Args:
        shortcuts: What was found.
        config: The method, and the facts to match by.
        scores: (n,) of a probe without matching: `AUTO` then matches only by facts that it has
            learned. Without them, by all that differ.

    Raises:
        BadSetting: A fact to match by is unknown.
    """
    unknown = [name for name in config.match_by if name not in FACTS]
    if unknown:
        raise BadSetting(
            f"match_by: there is no fact '{unknown[0]}'; facts are {', '.join(FACTS)}."
        )
    side, is_auto = shortcuts.side, config.shortcuts is MatchingMethod.AUTO
    said = _differ_text(shortcuts.found, side)
    nothing = ShortcutCheck(shortcuts.found, MatchingMethod.OFF, (), said)
    if config.shortcuts is MatchingMethod.OFF:
        return replace(nothing, why=f"{said} Nothing is done about it (shortcuts=off)."), None
    differ = [each.name for each in shortcuts.found if each.differs and not each.may_be_disease]
    wanted = list(config.match_by) or differ
    if not wanted:
        return nothing, None
    learned = {n: shortcuts.learned(n, scores) for n in wanted} if scores is not None else {}
    usable: list[str] = []
    refused: list[str] = []
    for name in wanted:
        reason = _against(shortcuts.match([name]), name, side, is_auto)
        if not reason and is_auto and name in learned:
            reason = _not_learned(name, learned[name])
        (refused if reason else usable).append(reason or name)
    matching = shortcuts.match(usable) if usable else None
    if usable and (reason := _against(matching, " and ".join(usable), side, is_auto)):
        refused, matching = [*refused, reason], None
    known = {name: auc for name, auc in learned.items() if auc is not None}
    if matching is None:
        why = f"{said} Nothing is changed: {'; '.join(refused)}."
        return replace(nothing, why=why, learned=known), None
    method = MatchingMethod.WEIGHT if is_auto else config.shortcuts
    parts = [said, *(_learned_text(name, known[name]) for name in usable if name in known)]
    if is_auto and scores is None:
        parts.append("Stage 1 does this where its score has learned it:")
    parts.append(_matching_text(method, matching, side))
    by_choice = [d.name for d in shortcuts.found if d.may_be_disease and d.name in usable]
    if by_choice:
        both = " and ".join(by_choice)
        parts.append(f"Disease changes {both} too: what is matched away may be disease.")
    if refused:
        parts.append(f"Not matched: {'; '.join(refused)}.")
    check = ShortcutCheck(shortcuts.found, method, matching.facts, " ".join(parts), known)
    matched = _matched(method, matching, shortcuts.ids, side, shortcuts.seed)
    chosen = [fact for fact in shortcuts.facts if fact.name in matching.facts]
    if len(chosen) == 1 and chosen[0].values:
        matched = replace(matched, fact=chosen[0].name, values=chosen[0].values)
    return check, matched


def _not_learned(name: str, learned: Auc | None) -> str:
    """Why a fact needs no matching; "" where the score has learned it, or that is unknown."""
    from amae_engine.evaluation.shortcuts import DIFFERS

    if learned is None or not learned.low <= DIFFERS:
        return ""
    return (
        f"the score has not learned {name} (it tells normal images that are like U by it from others "
        f"with AUC {learned.text()})"
    )


def _learned_text(name: str, learned: Auc) -> str:
    return (
        f"Unmatched, the score learns {name}: it tells normal images that are like U by it from "
        f"other normal ones with AUC {learned.text()}."
    )


def _against(matching: Matching | None, name: str, side: Sides, is_auto: bool) -> str:
    """Why N and U cannot be matched by a fact; "" where they can."""
    from amae_engine.evaluation.shortcuts import FEWEST

    unlabeled = int((side == 1).sum())
    if matching is None:
        return f"{name} is recorded for fewer than {FEWEST} normal or unlabeled images"
    few = min(matching.pairs, int(matching.effective))
    if few < FEWEST:
        return f"by {name} only {few} images would be left, and {FEWEST} are needed"
    if not is_auto:
        return ""
    if 2 * matching.unmatched > unlabeled:
        return f"by {name} {matching.unmatched} of {unlabeled} unlabeled images have no match in N"
    if 2 * matching.unknown > int((side >= 0).sum()):
        return f"{name} is unknown for {matching.unknown} images, more than half"
    return "" if matching.helps else f"strata of {name} would not halve the difference"


def _differ_text(found: Sequence[Difference], side: Sides) -> str:
    from amae_engine.evaluation.shortcuts import FEWEST

    normal, unlabeled = int((side == 0).sum()), int((side == 1).sum())
    parts = {False: [], True: []}  # type: dict[bool, list[str]]
    for each in found:
        if each.differs and each.auc is not None:
            auc = each.auc
            parts[each.may_be_disease].append(
                f"{each.name} (AUC {auc.value:.2f}, {auc.interval()}, on {each.normal} "
                f"normal + {each.unlabeled} unlabeled images)"
            )
    tried = [each.name for each in found if each.auc is not None and not each.may_be_disease]
    if not tried:
        return (
            f"Confounders cannot be looked for: there are {normal} normal "
            f"and {unlabeled} unlabeled images, and {FEWEST} of each are needed."
        )
    text = f"No confounder found: normal and unlabeled images do not differ by the recorded properties ({', '.join(tried)})."
    if parts[False]:
        text = f"N and U differ by {', '.join(parts[False])}, which is not disease; a score can learn it."
    if parts[True]:
        text += f" They differ by {', '.join(parts[True])}, which may be disease."
    return text


def _matching_text(method: MatchingMethod, matching: Matching, side: Sides) -> str:
    by = " and ".join(matching.facts)
    how = {
        MatchingMethod.WEIGHT: f"Normal images are weighted to match the unlabeled ones by {by}",
        MatchingMethod.WITHIN: f"Images are compared within strata of {by}",
        MatchingMethod.LEAVE_OUT: f"Surplus images are left out, so that N and U match by {by}",
    }[method]
    left = {
        MatchingMethod.WEIGHT: f"{int((side == 0).sum())} normal images count as "
        f"{matching.effective:.0f}",
        MatchingMethod.WITHIN: f"{int((matching.strata[side >= 0] >= 0).sum())} images have a stratum",
        MatchingMethod.LEAVE_OUT: f"{matching.pairs} images each of N and U are left",
    }[method]
    unmatched = f", {matching.unmatched} unlabeled ones have no match" if matching.unmatched else ""
    unknown = f", for {matching.unknown} it is unknown" if matching.unknown else ""
    return (
        f"{how}: N against U by that alone falls from AUC {matching.before.value:.2f} to {matching.after.value:.2f}; "
        f"{left}{unmatched}{unknown}."
    )


def _matched(
    method: MatchingMethod,
    matching: Matching,
    ids: npt.NDArray[np.int64],
    side: Sides,
    seed: int,
) -> Matched:
    from amae_engine.evaluation.shortcuts import one_to_one

    weights = matching.weights
    if method is MatchingMethod.LEAVE_OUT:
        weights = one_to_one(matching, side, seed).astype(np.float64)
    elif method is MatchingMethod.WITHIN:
        weights = (matching.strata >= 0).astype(np.float64)
    return Matched(ids, weights, matching.strata, method is MatchingMethod.WITHIN)
