"""What the Studies workspace shows next to its table; knows no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import held_images, looks, studies, tags
from amae_engine.catalog.database import Session
from amae_engine.catalog.studies import ImageRow
from amae_engine.catalog.tables import Split
from amae_engine.drive import drive
from amae_engine.jobs.importing.find_remote_images import RemoteCounts, find_remote_images
from amae_engine.jobs.importing.import_plan import ImportPlan
from amae_engine.jobs.importing.import_preview import ImportPreview, preview_import
from amae_engine.jobs.importing.retrieve_images import Retrieval
from amae_engine.project import Project
from amae_engine.words import plural

T = TypeVar("T")

ListedBy = tuple[str, str, bool]  # filter, sort, whether descending


@dataclass(frozen=True, slots=True)
class StudiesState:
    """Counts of the whole project."""

    counts: dict[Split, studies.SplitCount]
    shared_patients: int
    held: int
    saved_filters: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, int], ...]
    is_sealed: bool

    @property
    def images(self) -> int:
        """Images in every split."""
        return sum(count.images for count in self.counts.values())

    @property
    def patients(self) -> int:
        """Patients that are known, counted in each split they are in."""
        return sum(count.patients for count in self.counts.values()) - self.shared_patients

    @property
    def unknown(self) -> int:
        """Images of which nothing says who the patient is."""
        return sum(count.unknown for count in self.counts.values())

    def summary(self) -> str:
        """Images and patients, in a line."""
        known = plural(self.patients, "known patient" if self.unknown else "patient")
        rest = f" · patient unknown for {self.unknown}" if self.unknown else ""
        return f"{plural(self.images, 'image')} · {known}{rest}"

    def splits_html(self, shows_truth: bool) -> str:
        """A small table: split, images, what is known about them.

        Args:
            shows_truth: Of the unlabeled images too, for method developers.
        """
        lines = []
        for split, count in self.counts.items():
            known = ""
            if split is Split.TEST and count.normal + count.abnormal:
                known = f"{count.normal} normal + {count.abnormal} abnormal"
                if self.is_sealed:
                    known = "truth sealed"
                if count.validation:
                    known += f", {count.validation} for validation"
            elif split is Split.UNLABELED and shows_truth and count.normal + count.abnormal:
                share = 100 * count.abnormal / (count.normal + count.abnormal)
                known = f"{share:.0f} % abnormal in hidden truth"
            lines.append(
                f"<tr><td>{split}&nbsp;&nbsp;</td><td align='right'><b>{count.images}</b>"
                f"&nbsp;&nbsp;</td><td>{known}</td></tr>"
            )
        return f"<table>{''.join(lines)}</table>"

    def leak_text(self) -> str:
        """Whether a patient is in two splits, and what cannot be known of it."""
        if self.images == 0:
            return ""
        if self.shared_patients:
            shared = plural(self.shared_patients, "patient")
            return (
                f"! {shared} in more than one split: no training before each is in one (More → Put "
                f"each patient into one split)."
            )
        if self.unknown:
            return (
                f"No known patient is in two splits. Of {plural(self.unknown, 'image')} nothing "
                f"says who the patient is: AMAE cannot know whether one of them is in two."
            )
        return "✓ No patient is in two splits"

    def leak_state(self) -> str:
        """How the leak text looks: "good" only where it is certain."""
        if self.shared_patients:
            return "warning"
        return "" if self.unknown else "good"


Listed = tuple[StudiesState, npt.NDArray[np.int64], ListedBy]


def read_rows(session: Session, ids: Sequence[int], reader: str) -> list[ImageRow]:
    """Rows of the table: the truth of test images is noted as seen, or left out while it is sealed."""
    rows = studies.rows(session, ids)
    if looks.is_sealed(session):
        return [
            replace(row, truth=None) if row.split is Split.TEST and not row.is_validation else row
            for row in rows
        ]
    looks.note(session, [row.id for row in rows], [looks.TRUTH], reader, "Studies")
    return rows


def read_studies(session: Session, text: str, sort: str, descending: bool, reader: str) -> Listed:
    """The counts, and the ids of the images that a filter lets through, in order."""
    looks.note_list(session, text, sort, reader, "Studies")
    ids = studies.page_of_ids(session, text, sort, descending)
    return _counts(session), ids, (text, sort, descending)


def _counts(session: Session) -> StudiesState:
    return StudiesState(
        studies.split_counts(session),
        len(studies.patients_in_two_splits(session)),
        held_images.waiting_count(session),
        tuple(tags.saved_filters(session)),
        tuple(tags.all_tags(session)),
        looks.is_sealed(session),
    )


def preview_of(project: Project, plan: ImportPlan) -> ImportPreview:
    """What an import would do; reads up to 256 of its files."""
    return drive(preview_import(plan, project))


def remote_counts(project: Project, retrieval: Retrieval, password: str) -> RemoteCounts:
    """What a PACS has of the images that a retrieval means; nothing is fetched."""
    found = drive(find_remote_images(project, retrieval.server, retrieval.query, password))
    here = {image.remote.sop for image in found if image.name}
    return RemoteCounts.of([image.remote for image in found], here)
