"""The shortcut check before training: by what N and U differ, and what is done about it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import decisions, image_tables
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import ShortcutCure, Stage1Config
from amae_engine.errors import BadSetting
from amae_engine.events import Event, Progress
from amae_engine.jobs.shortcuts.image_facts import FACTS, gather_facts
from amae_engine.jobs.shortcuts.matching_file import Matched
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs

if TYPE_CHECKING:
    from amae_engine.evaluation.shortcuts import Difference, Fact, Matching

STEP = "Shortcut check"
_SIDES = {Label.NORMAL: 0, Label.EXCLUDE: -1}
Sides = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class ShortcutCheck:
    """By what N and U differ, and what is done about it.

    Attributes:
        differences: Of every fact, the strongest first.
        cure: What is done: `OFF` where nothing is.
        matched_by: The facts that N and U are matched by; () where nothing is done.
        why: A sentence for the reader.
    """

    differences: tuple[Difference, ...]
    cure: ShortcutCure
    matched_by: tuple[str, ...]
    why: str

    @property
    def headline(self) -> str:
        """The check in a line or two."""
        shortcuts = [each for each in self.differences if each.differs and not each.may_be_disease]
        if not any(each.auc for each in self.differences):
            return "too few images to tell whether N and U differ by more than disease"
        if not shortcuts and not self.matched_by:
            return "N and U differ by nothing that is no disease"
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
            "cure": self.cure,
            "matched_by": list(self.matched_by),
            "why": self.why,
            "differences": [asdict(found) for found in self.differences],
        }


def sides_of(images: InputImages, decided: Mapping[int, Label], split: Split) -> Sides:
    """(n,) 0 for a normal image, 1 for an unlabeled one, −1 for any other.

    Unlabeled images that a reader called normal count as normal, those excluded as neither.
    """
    if split is not Split.UNLABELED:
        return np.full(len(images), 0 if split is Split.NORMAL else -1, dtype=np.int8)
    labels = [decided.get(i, Label.NONE) for i in images.ids.tolist()]
    return np.array([_SIDES.get(label, 1) for label in labels], dtype=np.int8)


def check_shortcuts(
    project: Project, config: Stage1Config, most: int = 0
) -> Generator[Event, None, ShortcutCheck]:
    """Check a project's N against its U as they stand now, before anything is trained.

    Args:
        project: Whose images.
        config: What stage 1 would be started with.
        most: Images of each side that are looked at, drawn by seed; 0 for all.

    Raises:
        BadSetting: A fact to match by is unknown.
    """
    with project.session() as session:
        tables = {split: image_tables.images_in(session, split) for split in Split}
        decided = decisions.current(session)
    random = np.random.default_rng(config.training.seed)
    images = {}
    for split, table in tables.items():
        kept = np.ones(len(table.ids), dtype=bool)
        if split is Split.TEST:
            kept[:] = False
        elif 0 < most < len(kept):
            kept[random.permutation(len(kept))[most:]] = False
        images[str(split)] = InputImages.of(table, kept)
    check, _ = yield from shortcuts_of(project, RunInputs(images, decided), config)
    return check


def shortcuts_of(
    project: Project, seen: RunInputs, config: Stage1Config
) -> Generator[Event, None, tuple[ShortcutCheck, Matched | None]]:
    """The check of what a run sees; and how its images are matched, None where they are not."""
    from amae_engine.evaluation.shortcuts import differences

    unknown = [name for name in config.match_by if name not in FACTS]
    if unknown:
        raise BadSetting(
            f"match_by: there is no fact '{unknown[0]}'; facts are {', '.join(FACTS)}."
        )
    splits = (Split.NORMAL, Split.UNLABELED, Split.TEST)
    ids, rows, patients = (
        np.concatenate([getattr(seen.images[split], name) for split in splits])
        for name in ("ids", "store_rows", "patient_ids")
    )
    side = np.concatenate([sides_of(seen.images[s], seen.decisions, s) for s in splits])
    job = gather_facts(project, ids, rows)
    facts = yield from _with_progress(job, len(ids))
    seed = config.training.seed
    found = differences(facts, side, patients, seed)
    cure, matching, why = _choose(config, found, facts, side, patients)
    check = ShortcutCheck(tuple(found), cure, matching.facts if matching else (), why)
    return check, _matched(cure, matching, ids, side, seed) if matching else None


def _with_progress(
    job: Generator[int, None, list[Fact]], total: int
) -> Generator[Event, None, list[Fact]]:
    while True:
        try:
            done = next(job)
        except StopIteration as stop:
            facts: list[Fact] = stop.value
            return facts
        yield Progress(STEP, done, total)


def _choose(
    config: Stage1Config,
    found: Sequence[Difference],
    facts: Sequence[Fact],
    side: Sides,
    patients: npt.NDArray[np.int64],
) -> tuple[ShortcutCure, Matching | None, str]:
    """What is done about the differences, by which strata, and why."""
    from amae_engine.evaluation.shortcuts import match

    by_name = {each.name: each for each in found}
    shortcuts = [each.name for each in found if each.differs and not each.may_be_disease]
    said = _differ_text(found, side)
    if config.shortcuts is ShortcutCure.OFF:
        return ShortcutCure.OFF, None, f"{said} Nothing is done about it (shortcuts=off)."
    is_auto = config.shortcuts is ShortcutCure.AUTO
    wanted = list(config.match_by) or shortcuts
    if not wanted:
        return ShortcutCure.OFF, None, said
    named, seed = {fact.name: fact for fact in facts}, config.training.seed
    usable: list[str] = []
    refused: list[str] = []
    for name in wanted:
        reason = _against(match([named[name]], side, patients, seed), name, side, is_auto)
        (refused if reason else usable).append(reason or name)
    matching = None
    if usable:
        matching = match([named[name] for name in usable], side, patients, seed)
        reason = _against(matching, " and ".join(usable), side, is_auto)
        if reason:
            refused, matching = [*refused, reason], None
    if matching is None:
        return ShortcutCure.OFF, None, f"{said} Nothing is changed: {'; '.join(refused)}."
    cure = ShortcutCure.WEIGHT if is_auto else config.shortcuts
    text = f"{said} {_cure_text(cure, matching, side)}"
    by_choice = [n for n in usable if by_name[n].may_be_disease]
    if by_choice:
        text += (
            f" Disease changes {' and '.join(by_choice)} too: what is matched away may be disease."
        )
    return cure, matching, text + (f" Not matched: {'; '.join(refused)}." if refused else "")


def _against(matching: Matching | None, name: str, side: Sides, is_auto: bool) -> str:
    """Why N and U cannot be matched by a fact; "" where they can."""
    from amae_engine.evaluation.shortcuts import FEWEST

    unlabeled = int((side == 1).sum())
    if matching is None:
        return f"{name} is known of fewer than {FEWEST} images of a side"
    few = min(matching.pairs, int(matching.effective))
    if few < FEWEST:
        return f"by {name} only {few} images would be left, and {FEWEST} are needed"
    if not is_auto:
        return ""
    if 2 * matching.unmatched > unlabeled:
        return f"by {name} {matching.unmatched} of {unlabeled} unlabeled images have no match in N"
    if 2 * matching.unknown > int((side >= 0).sum()):
        return f"{name} is unknown of {matching.unknown} images, more than half"
    return "" if matching.helps else f"strata of {name} would not halve the difference"


def _differ_text(found: Sequence[Difference], side: Sides) -> str:
    normal, unlabeled = int((side == 0).sum()), int((side == 1).sum())
    parts = {False: [], True: []}  # type: dict[bool, list[str]]
    for each in found:
        if each.differs and each.auc is not None:
            auc = each.auc
            parts[each.may_be_disease].append(
                f"{each.name} (AUC {auc.value:.2f}, {auc.low:.2f}–{auc.high:.2f}, on {each.normal} "
                f"normal + {each.unlabeled} unlabeled images)"
            )
    tried = [each.name for each in found if each.auc is not None and not each.may_be_disease]
    if not tried:
        return (
            f"Whether N and U differ by more than disease cannot be told: there are {normal} normal "
            f"and {unlabeled} unlabeled images, and 30 of each are needed."
        )
    text = f"N and U do not differ by what is no disease (tried: {', '.join(tried)})."
    if parts[False]:
        text = f"N and U differ by {', '.join(parts[False])}: no disease, but a score can learn it."
    if parts[True]:
        text += f" They differ by {', '.join(parts[True])}, which may be disease."
    return text


def _cure_text(cure: ShortcutCure, matching: Matching, side: Sides) -> str:
    by = " and ".join(matching.facts)
    how = {
        ShortcutCure.WEIGHT: f"Normal images are weighted to match the unlabeled ones by {by}",
        ShortcutCure.WITHIN: f"Images are compared within strata of {by}",
        ShortcutCure.LEAVE_OUT: f"Surplus images are left out, so that N and U match by {by}",
    }[cure]
    left = {
        ShortcutCure.WEIGHT: f"{int((side == 0).sum())} normal images count as "
        f"{matching.effective:.0f}",
        ShortcutCure.WITHIN: f"{int((matching.strata[side >= 0] >= 0).sum())} images have a stratum",
        ShortcutCure.LEAVE_OUT: f"{matching.pairs} images of each side are left",
    }[cure]
    unmatched = f", {matching.unmatched} unlabeled ones have no match" if matching.unmatched else ""
    unknown = f", of {matching.unknown} it is unknown" if matching.unknown else ""
    return (
        f"{how}: its AUC falls from {matching.before.value:.2f} to {matching.after.value:.2f}; "
        f"{left}{unmatched}{unknown}."
    )


def _matched(
    cure: ShortcutCure,
    matching: Matching,
    ids: npt.NDArray[np.int64],
    side: Sides,
    seed: int,
) -> Matched:
    from amae_engine.evaluation.shortcuts import one_to_one

    weights = matching.weights
    if cure is ShortcutCure.LEAVE_OUT:
        weights = one_to_one(matching, side, seed).astype(np.float64)
    elif cure is ShortcutCure.WITHIN:
        weights = (matching.strata >= 0).astype(np.float64)
    return Matched(ids, weights, matching.strata, cure is ShortcutCure.WITHIN)
