"""A catalog of made-up images, to measure how it grows; used by `amae bench catalog` alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from amae_engine.catalog.tables import Image, Patient, Study

_AT_ONCE = 20_000
_IMAGES_A_PATIENT = 2


def add_synthetic_images(session: Session, count: int) -> None:
    """Add `count` images of half as many patients, to an empty catalog."""
    people = -(-count // _IMAGES_A_PATIENT)
    for start in range(1, people + 1, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, people + 1))
        session.execute(insert(Patient), [{"id": n, "key": f"p{n}"} for n in numbers])
        rows = [{"id": n, "patient_id": n, "key": f"s{n}"} for n in numbers]
        session.execute(insert(Study), rows)
    images = _images(count)
    for start in range(0, count, _AT_ONCE):
        rows = [next(images) for _ in range(min(_AT_ONCE, count - start))]
        session.execute(insert(Image), rows)


def _images(count: int) -> Iterator[dict[str, Any]]:
    draw = random.Random(0)
    for number in range(1, count + 1):
        patient = -(-number // _IMAGES_A_PATIENT)
        side = draw.randint(1000, 3000)
        yield {
            "id": number,
            "name": f"CXR-{number:05d}",
            "patient_id": patient,
            "patient_known": True,
            "study_id": patient,
            "split": ("normal", "unlabeled", "unlabeled", "unlabeled", "test")[patient % 5],
            "truth": draw.choice((0, 1, None)),
            "source": f"hospital-{draw.randint(1, 20)}",
            "sop_key": f"o{number}",
            "pixel_hash": f"h{number}",
            "store_row": number,
            "rows": side,
            "columns": side,
            "bits_stored": 12,
            "photometric": "MONOCHROME2",
            "modality": "DX",
            "view": draw.choice(("PA", "AP")),
            "body_part": "CHEST",
            "transfer_syntax": "JPEG 2000",
            "pixel_spacing_mm": 0.139,
            "column_spacing_mm": 0.139,
            "spacing_tag": "PixelSpacing",
            "flags": "no-window" if number % 50 == 0 else "",
            "added_at": f"2026-11-{1 + number % 28:02d}T12:00:00.{number % 1000:03d}+00:00",
        }
