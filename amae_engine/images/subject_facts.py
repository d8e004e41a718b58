"""What a table or a file says of a person for subgroups: sex, a coarse age, known findings.

Nothing here tells who it is: ages become bands, dates go no further, and of free text only the
findings of a fixed list are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydicom.dataset import Dataset

AGE_BANDS = ((0, "0–17"), (18, "18–39"), (40, "40–59"), (60, "60–79"), (80, "80+"))
_OLDEST = 130
_MOST = 120  # characters of an image's findings
_SEX_COLUMNS = ("sex", "gender", "patient gender", "patient sex", "patientsex")
_AGE_COLUMNS = ("age", "patient age", "patientage")
_FINDING_COLUMNS = ("finding", "findings", "finding labels", "class", "class_name", "rsna_class")
_VIEW_COLUMNS = ("view", "view position", "viewposition", "ap/pa")
_SEXES = {"f": "F", "female": "F", "w": "F", "m": "M", "male": "M", "o": "O", "other": "O"}
_PER_YEAR = {"Y": 1, "M": 12, "W": 52, "D": 365}
_AGE = re.compile(r"0*(\d{1,3})(?:\.\d+)?([YMWD]?)", re.IGNORECASE)
# NIH ChestX-ray14, CheXpert, VinDr-CXR and what the public sets of this decade add
_FINDINGS = (
    "aortic enlargement", "atelectasis", "calcification", "cardiomegaly", "clavicle fracture",
    "consolidation", "copd", "covid", "covid-19", "edema", "effusion", "emphysema",
    "enlarged cardiomediastinum", "enlarged pa", "fibrosis", "fracture", "hernia", "ild",
    "infiltration", "lung cavity", "lung cyst", "lung lesion", "lung opacity", "lung tumor",
    "mass", "mediastinal shift", "no finding", "no lung opacity", "nodule", "nodule/mass",
    "normal", "not normal", "other lesion", "pleural effusion", "pleural other",
    "pleural thickening", "pleural_thickening", "pneumonia", "pneumothorax",
    "pulmonary fibrosis", "rib fracture", "support devices", "tuberculosis",
    "bacterial", "viral", "bacteria", "virus", "abnormal",
)  # fmt: skip
_KNOWN = frozenset(_FINDINGS)


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """What is known; "" for what is not.

    Attributes:
        sex: F, M or O.
        age_band: One of `AGE_BANDS`.
        findings: Of the fixed list, with " | " between.
        view: PA or AP.
    """

    sex: str = ""
    age_band: str = ""
    findings: str = ""
    view: str = ""

    def or_of(self, other: SubjectFacts) -> SubjectFacts:
        """These, and the other's where these are unknown."""
        return SubjectFacts(
            self.sex or other.sex,
            self.age_band or other.age_band,
            self.findings or other.findings,
            self.view or other.view,
        )


NOTHING_KNOWN = SubjectFacts()


def facts_of_line(line: Mapping[str, str]) -> SubjectFacts:
    """What a table's line says, by the common column names."""
    found = (
        next((line[name] for name in names if line[name]), "") for names in _columns(tuple(line))
    )
    sex, age, findings, view = found
    view = view.strip().upper()
    return SubjectFacts(
        sex_of(sex), age_band(age), findings_of(findings), view if view in ("PA", "AP") else ""
    )


@lru_cache(maxsize=64)
def _columns(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Those of a table's columns that say the sex, the age, the findings and the view."""
    by_name = {name.strip().lower(): name for name in names}
    common = (_SEX_COLUMNS, _AGE_COLUMNS, _FINDING_COLUMNS, _VIEW_COLUMNS)
    return tuple(tuple(by_name[name] for name in each if name in by_name) for each in common)


def facts_of_header(header: Dataset) -> SubjectFacts:
    """What a DICOM header says: sex and age; a birth date is not read."""
    return SubjectFacts(
        sex_of(str(header.get("PatientSex") or "")), age_band(str(header.get("PatientAge") or ""))
    )


def sex_of(text: str) -> str:
    """F, M or O; "" for anything else."""
    return _SEXES.get(text.strip().lower(), "")


def age_band(text: str) -> str:
    """The band of an age such as 58, "058Y" or "011M"; "" for anything else."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        return ""
    years = int(found.group(1)) / _PER_YEAR[found.group(2).upper() or "Y"]
    if years > _OLDEST:
        return ""
    return [band for lowest, band in AGE_BANDS if years >= lowest][-1]


def findings_of(text: str) -> str:
    """The known findings in a text, in its order."""
    words = [word.strip().lower() for word in re.split(r"[|;,]| / ", text)]
    known = list(dict.fromkeys(word for word in words if word in _KNOWN))
    kept = " | ".join(known)
    return kept if len(kept) <= _MOST else kept[:_MOST].rsplit(" | ", 1)[0]
