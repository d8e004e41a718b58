"""What to look for in a PACS, and how it is found: studies, then series, then images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from amae_engine.errors import BadSetting

_MODALITY = re.compile(r"[A-Z]{2,16}")  # PS3.3 C.7.3.1.1.1
_DATE = re.compile(r"[0-9]{8}")
_UID = re.compile(r"[0-9.]{1,64}")  # PS3.5 9.1


class Level(StrEnum):
    """The information model's levels (PS3.4 C.6.2.1)."""

    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


ANSWERED = {
    Level.STUDY: ("StudyInstanceUID", "StudyDate", "PatientID"),
    Level.SERIES: ("SeriesInstanceUID", "Modality", "BodyPartExamined"),
    Level.IMAGE: ("SOPInstanceUID",),
}
"""What a query asks for at each level, by keyword; nobody's name or date of birth."""

Keys = Mapping[str, str]
Search = Callable[[Level, Keys], Iterable[Keys]]


@dataclass(frozen=True, slots=True)
class PacsQuery:
    """Which images are wanted.

    Attributes:
        modalities: Such as CR and DX.
        since, until: Study dates, both included; None for no bound.
        body_part: Images that state another one are left out; those that state none are kept.
        patients: Patient IDs; () for all. They are sent to the PACS and go nowhere else.
        studies: Of those that match, the UIDs of the wanted ones; () for all.
    """

    modalities: tuple[str, ...] = ("CR", "DX")
    since: date | None = None
    until: date | None = None
    body_part: str = ""
    patients: tuple[str, ...] = field(default=(), repr=False)
    studies: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.modalities:
            raise BadSetting("Name at least one modality to look for, such as CR or DX.")
        for modality in self.modalities:
            if not _MODALITY.fullmatch(modality):
                raise BadSetting(f"A modality must be a code such as CR or DX, not '{modality}'.")
        if self.since and self.until and self.since > self.until:
            raise BadSetting(f"The dates end ({self.until}) before they begin ({self.since}).")
        for number, patient in enumerate(self.patients, start=1):
            if not patient or len(patient) > 64 or set(patient) & set("*?\\"):
                raise BadSetting(
                    f"Patient {number} of the list is no patient ID: it must have 1 to 64 "
                    f"characters and none of * ? \\."
                )

    def study_keys(self) -> Iterator[dict[str, str]]:
        """One matching request a modality and patient (PS3.4 C.2.2.2)."""
        days = ""
        if self.since or self.until:
            first, last = (f"{day:%Y%m%d}" if day else "" for day in (self.since, self.until))
            days = f"{first}-{last}"
        for patient in self.patients or ("",):
            for modality in self.modalities:
                keys = {"ModalitiesInStudy": modality, "StudyDate": days, "PatientID": patient}
                yield {name: value for name, value in keys.items() if value}

    def wants(self, series: Keys) -> bool:
        """Whether a series is of the modalities and the body part."""
        part = series.get("BodyPartExamined", "").upper()
        fits = not part or self.body_part.upper() in part
        return fits and series.get("Modality", "") in self.modalities


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """One image in the PACS. Its UIDs and patient are for asking and hashing only."""

    study: str = field(repr=False)
    series: str = field(repr=False)
    sop: str = field(repr=False)
    patient: str = field(repr=False)
    study_date: str  # YYYYMMDD, "" where the PACS does not say
    modality: str
    body_part: str


def find_images(
    search: Search, query: PacsQuery, left_out: Counter[str] | None = None
) -> Iterator[RemoteImage]:
    """Walk down from the studies to the images; each image comes once.

    Args:
        search: Asks the PACS at one level.
        query: Which images are wanted.
        left_out: Counts answers without a UID that can be asked for again, by the UID's keyword.

    Raises:
        PacsError: The PACS cannot be asked.
    """
    seen: set[str] = set()
    counted = Counter() if left_out is None else left_out
    for keys in query.study_keys():
        for study in _valid(search(Level.STUDY, keys), "StudyInstanceUID", counted, seen):
            uid = study["StudyInstanceUID"]
            if uid in seen:
                continue  # it has two modalities
            seen.add(uid)
            if query.studies and uid not in query.studies:
                continue
            for image in _images_of(study, search, query, counted, seen):
                if image.sop not in seen:
                    seen.add(image.sop)
                    yield image


def left_out_text(counts: Mapping[str, int]) -> str:
    """What was left out, for the reader; "" where nothing was."""
    levels = {
        "StudyInstanceUID": "studies",
        "SeriesInstanceUID": "series",
        "SOPInstanceUID": "images",
    }
    parts = [f"{count} {levels[keyword]}" for keyword, count in counts.items()]
    if not parts:
        return ""
    return (
        f"Left out: {', '.join(parts)} whose UID is no valid one (PS3.5 9.1), so that they cannot be "
        f"asked for; ask the PACS's administrator about them."
    )


def _images_of(
    study: Keys, search: Search, query: PacsQuery, left_out: Counter[str], seen: set[str]
) -> Iterator[RemoteImage]:
    study_uid = study["StudyInstanceUID"]
    every = search(Level.SERIES, {"StudyInstanceUID": study_uid})
    wanted = (series for series in every if query.wants(series))
    for series in _valid(wanted, "SeriesInstanceUID", left_out, seen):
        series_uid = series["SeriesInstanceUID"]
        parents = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
        for image in _valid(search(Level.IMAGE, parents), "SOPInstanceUID", left_out, seen):
            yield RemoteImage(
                study=study_uid,
                series=series_uid,
                sop=image["SOPInstanceUID"],
                patient=study.get("PatientID", ""),
                study_date=_date(study.get("StudyDate", "")),
                modality=series["Modality"],
                body_part=series.get("BodyPartExamined", ""),
            )


def _date(text: str) -> str:
    """A study's date; "" where it is none: what stands there else could be anything."""
    digits = text.strip().replace(".", "").replace("-", "")
    return digits if _DATE.fullmatch(digits) else ""


def _valid(
    rows: Iterable[Keys], keyword: str, left_out: Counter[str], seen: set[str]
) -> Iterator[Keys]:
    """The answers whose UID is safe to ask for again, also as a part of an address.

    The others are counted, each once: a study answers for each of its modalities.
    """
    for row in rows:
        uid = row.get(keyword, "")
        if _UID.fullmatch(uid):
            yield row
        elif uid not in seen:
            left_out[keyword] += 1
            seen |= {uid} - {""}
