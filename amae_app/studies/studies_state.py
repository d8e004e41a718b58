"""What the Studies workspace shows beside its table; knows no Qt."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.events import Event
from amae_engine.jobs.find_remote_images import RemoteCounts, find_remote_images
from amae_engine.jobs.import_plan import ImportPlan
from amae_engine.jobs.import_preview import ImportPreview, preview_import
from amae_engine.jobs.retrieve_images import Retrieval
from amae_engine.project import Project

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StudiesState:
    """Counts of the whole project."""

    counts: dict[Split, studies.SplitCount]
    shared_patients: int

    @property
    def images(self) -> int:
        """Images in every split."""
        return sum(count.images for count in self.counts.values())

    @property
    def patients(self) -> int:
        """Patients, counted in each split they are in."""
        return sum(count.patients for count in self.counts.values()) - self.shared_patients

    def splits_html(self) -> str:
        """A small table: split, images, what is known about them."""
        lines = []
        for split, count in self.counts.items():
            known = ""
            if split is Split.TEST and count.normal + count.abnormal:
                known = f"{count.normal} normal + {count.abnormal} abnormal"
            elif split is Split.UNLABELED and count.normal + count.abnormal:
                share = 100 * count.abnormal / (count.normal + count.abnormal)
                known = f"{share:.0f} % abnormal in hidden truth"
            lines.append(
                f"<tr><td>{split}&nbsp;&nbsp;</td><td align='right'><b>{count.images}</b>"
                f"&nbsp;&nbsp;</td><td>{known}</td></tr>"
            )
        return f"<table>{''.join(lines)}</table>"

    def leak_text(self) -> str:
        """Whether a patient is in two splits."""
        if self.images == 0:
            return ""
        if self.shared_patients == 0:
            return "✓ No patient is in two splits"
        return (
            f"! {self.shared_patients} patients are in more than one split: no training before "
            f"each is in one (More → Put each patient into one split)."
        )


def read_studies_state(project: Project) -> StudiesState:
    """Read the counts."""
    with project.session() as session:
        return StudiesState(
            studies.split_counts(session), len(studies.patients_in_two_splits(session))
        )


def preview_of(project: Project, plan: ImportPlan) -> ImportPreview:
    """What an import would do; reads up to 256 of its files."""
    return _finish(preview_import(plan, project))


def remote_counts(project: Project, retrieval: Retrieval, password: str) -> RemoteCounts:
    """What a PACS has of the images that a retrieval means; nothing is fetched."""
    job = find_remote_images(project, retrieval.server, retrieval.query, password)
    found = _finish(job)
    known = sum(bool(image.name) for image in found)
    return RemoteCounts.of([image.remote for image in found], known)


def _finish(job: Generator[Event, None, T]) -> T:
    while True:
        try:
            next(job)
        except StopIteration as stop:
            result: T = stop.value
            return result
