"""From the first release's schema, with data, to today's; on SQLite and PostgreSQL."""

import json
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text

import amae_engine.catalog
from amae_engine.catalog import decisions, runs, scores, studies
from amae_engine.catalog.tables import Base, Label, RunKind, Split
from amae_engine.config import ScoreKind
from amae_engine.errors import ProjectError
from amae_engine.project import Project

MIGRATIONS = Path(amae_engine.catalog.__file__).parent / "migrations"
AT = "2026-11-23T20:00:00.000+00:00"


def _engine(folder: Path, url: str) -> Engine:
    return create_engine(url or f"sqlite:///{folder / 'catalog.sqlite'}")


def _upgrade(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    command.upgrade(config, revision)


@pytest.fixture
def first_release(tmp_path: Path, catalog_url: str) -> Path:
    """A project folder as AMAE 0.1 left it: 6 images, a run, a score, a decision."""
    folder = tmp_path / "old"
    for part in ("pixels", "runs", "exports", "private"):
        (folder / part).mkdir(parents=True)
    (folder / "private" / "key").write_bytes(b"k" * 32)
    facts = {"format": 1, "name": "Old", "catalog_url": catalog_url}
    (folder / "project.json").write_text(json.dumps(facts))
    engine = _engine(folder, catalog_url)
    _upgrade(engine, "0001")
    with engine.begin() as connection:
        for n in range(1, 7):
            connection.execute(text(f"INSERT INTO patient (id, key) VALUES ({n}, 'p{n}')"))
            connection.execute(
                text(f"INSERT INTO study (id, patient_id, key) VALUES ({n}, {n}, 's{n}')")
            )
            split = ("normal", "unlabeled", "test")[n % 3]
            connection.execute(
                text(
                    "INSERT INTO image (id, name, patient_id, study_id, split, truth, source, "
                    "sop_key, pixel_hash, store_row, rows, columns, bits_stored, photometric, "
                    "modality, view, body_part, transfer_syntax, pixel_spacing_mm, flags, added_at)"
                    f" VALUES ({n}, 'CXR-0000{n}', {n}, {n}, '{split}', {n % 2}, 'ward', NULL, "
                    f"'h{n}', {n}, 256, 256, 8, 'MONOCHROME2', 'DX', 'PA', 'CHEST', '', NULL, '', "
                    f"'{AT}')"
                )
            )
        connection.execute(
            text(
                "INSERT INTO run (id, kind, state, config, epoch, epochs, created_at, "
                f"heartbeat_at, error) VALUES (1, 'stage1', 'finished', '{{}}', 3, 3, '{AT}', "
                f"'{AT}', '')"
            )
        )
        connection.execute(text("INSERT INTO score VALUES (1, 'mahalanobis', 3, 2.5)"))
        connection.execute(
            text(
                "INSERT INTO label_decision (id, image_id, reader, decided_at, run_id, before, "
                f"after, kind, batch) VALUES (1, 1, 'BB', '{AT}', 1, '', 'abnormal', 'decide', 1)"
            )
        )
    engine.dispose()
    return folder


def test_the_first_release_s_data_is_all_there_after_the_migration(first_release: Path):
    project = Project.open(first_release)
    with project.session() as session:
        assert studies.page_of_ids(session, "split:test").tolist() == [2, 5]
        assert studies.page_of_ids(session, "source:ward truth:abnormal").tolist() == [1, 3, 5]
        assert decisions.current(session) == {1: Label.ABNORMAL}
        assert runs.get(session, 1).kind is RunKind.STAGE1
        assert scores.load(session, 1, ScoreKind.MAHALANOBIS)[1].tolist() == [2.5]
        assert studies.split_counts(session)[Split.NORMAL].images == 2
    project.close()


def test_the_catalog_is_backed_up_before_it_is_migrated(first_release: Path):
    Project.open(first_release).close()
    backups = list(first_release.glob("catalog.before-*"))
    assert len(backups) == 1
    assert backups[0].stat().st_size > 1000


def test_the_migrations_build_what_the_models_say(project: Project, catalog_url: str):
    engine = _engine(project.folder, catalog_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


def test_a_newer_schema_is_refused_and_says_what_to_do(project: Project, catalog_url: str):
    project.close()
    engine = _engine(project.folder, catalog_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ProjectError, match=r"newer AMAE \(schema 9999\); update AMAE"):
        Project.open(project.folder)
