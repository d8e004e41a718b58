"""What is known of an image: the facts of its file that say nothing about the person."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What lists, subgroups and the check for confounders read; "" or None where it is unknown.

    Attributes:
        rows, columns: Of the original.
        pixel_spacing_mm, column_spacing_mm: From one row or column to the next; `spacing_tag` is what
            says so.
        sex, age_band, findings: For subgroups, coarse.
    """

    rows: int
    columns: int
    bits_stored: int
    photometric: str
    modality: str
    view: str
    body_part: str
    transfer_syntax: str
    pixel_spacing_mm: float | None
    column_spacing_mm: float | None
    spacing_tag: str
    sex: str = ""
    age_band: str = ""
    findings: str = ""


# what readers call a fact, and where it stands
RECORDED = {
    "view": "view",
    "source": "source",
    "modality": "modality",
    "file format": "transfer_syntax",
    "bits": "bits_stored",
    "sex": "sex",
    "age": "age_band",
}
