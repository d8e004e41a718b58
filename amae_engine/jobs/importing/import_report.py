"""What became of every file of an import."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from amae_engine.errors import BadInput
from amae_engine.reports.table import write_csv
from amae_engine.words import plural

NAMES_FOLDER = "private/imports"  # the only place where the names of refused files are kept
_REASONS_TOLD = 5


class Outcome(StrEnum):
    """What became of a file."""

    IMPORTED = "imported"
    DUPLICATE = "duplicate"
    COMPLETED = "truth added"  # the same as an image whose truth nobody knew: this file's is taken
    CONFLICT = "conflict"  # the same as an image that has another split or truth
    SUSPECT = "suspect"  # probably an image that is there, in another format: the reader decides
    LARGER = "larger twin"  # probably an image that is there, but larger: offered in its place
    REPLACED = "in its twin's place"  # of a smaller one, whose decisions stay
    HELD = "held back"  # looks unlike a frontal chest: the reader lets it in or leaves it out
    REFUSED = "refused"
    PASSED_OVER = "passed over"  # a folder's file that is no image


STORED = (
    Outcome.IMPORTED,
    Outcome.HELD,
    Outcome.REPLACED,
)  # the project has the image, and needs its original


class Twins(StrEnum):
    """What becomes of an image that is probably there in another format."""

    LEAVE_OUT = "leave out"
    KEEP = "keep both"
    REPLACE = "replace"  # the one that is there, where the new one is larger


@dataclass(frozen=True, slots=True)
class FileFate:
    """One file's fate; `reason` names the cause, or the image it became or repeats."""

    path: Path
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Every file's fate, in the order given."""

    fates: tuple[FileFate, ...]

    def count(self, outcome: Outcome) -> int:
        """How many files ended so."""
        return sum(fate.outcome is outcome for fate in self.fates)

    def summary(self) -> str:
        """One sentence for the reader."""
        completed, larger = self.count(Outcome.COMPLETED), self.count(Outcome.LARGER)
        text = (
            f"{plural(self.count(Outcome.IMPORTED), 'image')} imported, "
            f"{self.count(Outcome.DUPLICATE) + completed} already there"
            f"{f' ({completed} got the truth that they lacked)' if completed else ''}, "
            f"{self.count(Outcome.REFUSED)} refused"
        )
        for files, fate in (
            (self.count(Outcome.PASSED_OVER), "passed over as no images"),
            (self.count(Outcome.CONFLICT), "already there with another label"),
            (self.count(Outcome.HELD), "held back for a reader"),
            (self.count(Outcome.REPLACED), "in the place of a smaller twin"),
            (
                self.count(Outcome.SUSPECT) + larger,
                "left out as probably the same as another image"
                + (f" ({larger} larger than it)" if larger else ""),
            ),
        ):
            text += f", {files} {fate}" if files else ""
        return text + "."

    def refusals(self) -> str:
        """The refusals by reason, most frequent first, each with one file as an example."""
        refused = [fate for fate in self.fates if fate.outcome is Outcome.REFUSED]
        examples = {fate.reason: fate.path.name for fate in reversed(refused)}
        counts = Counter(fate.reason for fate in refused).most_common()
        parts = [
            f"{count} × {reason.rstrip('.')} ({examples[reason]})"
            for reason, count in counts[:_REASONS_TOLD]
        ]
        others = sum(count for _, count in counts[_REASONS_TOLD:])
        return "; ".join([*parts, f"{others} for other reasons"] if others else parts)

    def write_csv(self, path: Path, names: bool = False) -> None:
        """Write the report as a table: file, outcome, reason.

        A file is its number in the order given, as on the screen: its name may be a patient's.

        Args:
            path: Of the table.
            names: Add a column with the files' names, where the reader asked for them.
        """
        columns = ("file", "outcome", "reason", "name")[: 4 if names else 3]
        lines = (
            (number, fate.outcome, fate.reason, str(fate.path))[: len(columns)]
            for number, fate in enumerate(self.fates, start=1)
        )
        write_csv(path, (columns, *lines))


class NothingImported(BadInput):
    """Every file was refused; `report` says why, file by file."""

    def __init__(self, report: ImportReport) -> None:
        self.report = report
        super().__init__(
            f"None of the {report.count(Outcome.REFUSED)} files could be imported: "
            f"{report.refusals()}."
        )
