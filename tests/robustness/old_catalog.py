"""A project as AMAE 0.1 left it, to be migrated and killed meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

import amae_engine.catalog

OLD_IMAGES = 3000
_AT = "2026-11-23T20:00:00.000+00:00"
_SPLITS = ("normal", "unlabeled", "test")


def write_old_project(folder: Path) -> None:
    """Its first schema, and rows of made-up images; no pixels."""
    for part in ("pixels", "runs", "exports", "private"):
        (folder / part).mkdir(parents=True)
    (folder / "private" / "key").write_bytes(b"k" * 32)
    facts = {"format": 1, "name": "Old", "catalog_url": ""}
    (folder / "project.json").write_text(json.dumps(facts), encoding="utf-8")
    engine = create_engine(f"sqlite:///{folder / 'catalog.sqlite'}")
    config = Config()
    scripts = Path(amae_engine.catalog.__file__).parent / "migrations"
    config.set_main_option("script_location", str(scripts))
    config.attributes["engine"] = engine
    command.upgrade(config, "0001")
    numbers = [{"n": n, "p": f"p{n}", "s": f"s{n}", "name": f"CXR-{n:05d}", "h": f"h{n}",
                "split": _SPLITS[n % 3], "truth": n % 2} for n in range(1, OLD_IMAGES + 1)]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO patient (id, key) VALUES (:n, :p)"), numbers)
        connection.execute(
            text("INSERT INTO study (id, patient_id, key) VALUES (:n, :n, :s)"), numbers
        )
        connection.execute(
            text(
                "INSERT INTO image (id, name, patient_id, study_id, split, truth, source, sop_key, "
                "pixel_hash, store_row, rows, columns, bits_stored, photometric, modality, view, "
                "body_part, transfer_syntax, pixel_spacing_mm, flags, added_at) VALUES (:n, :name, "
                ":n, :n, :split, :truth, 'ward', NULL, :h, :n, 256, 256, 8, 'MONOCHROME2', 'DX', "
                f"'PA', 'CHEST', '', NULL, '', '{_AT}')"
            ),
            numbers,
        )
    engine.dispose()
