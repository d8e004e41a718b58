"""A project of today's first schema opens as it is; older and newer ones are refused untouched."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from amae_engine.catalog import (
    blind_readings,
    decisions,
    job_queue,
    locked_points,
    regions,
    runs,
    scores,
    studies,
    tags,
    undo,
)
from amae_engine.catalog.chain import verify_chains
from amae_engine.catalog.database import Catalog
from amae_engine.catalog.tables import Base, Label, RunKind, Split
from amae_engine.config import ScoreKind
from amae_engine.errors import ProjectError
from amae_engine.project import Project

# what `db34093` wrote: 7 images, decisions, an undo, runs, scores, a region, a tag, a locked point
CATALOG_0008 = Path(__file__).parent / "catalog_0008.sql"


@pytest.fixture
def folder_0008(tmp_path: Path) -> Path:
    """The project of the commit that made the first schema."""
    folder = tmp_path / "project"
    for part in ("pixels", "runs", "exports", "private"):
        (folder / part).mkdir(parents=True)
    (folder / "private" / "key").write_bytes(b"k" * 32)
    (folder / "project.json").write_text(json.dumps({"format": 1, "name": "0008"}))
    with sqlite3.connect(folder / "catalog.sqlite") as catalog:
        catalog.executescript(CATALOG_0008.read_text(encoding="utf-8"))
    catalog.close()
    return folder


def test_a_project_of_the_first_schema_opens_as_it_is(folder_0008: Path):
    project = Project.open(folder_0008)
    with project.session() as session:
        assert studies.split_counts(session)[Split.UNLABELED].images == 3
        assert decisions.current(session) == {3: Label.ABNORMAL, 4: Label.ABNORMAL}
        assert len(undo.redo(session, "CC").image_ids) == 1
        assert runs.get(session, 1).kind is RunKind.STAGE1
        assert scores.load(session, 2, ScoreKind.MAHALANOBIS)[1].tolist() == [1.5, 2.5]
        assert tags.tags_of(session, [3]) == {3: ("device",)}
        assert tags.saved_filters(session) == [("devices", "tag:device")]
        assert blind_readings.items(session, 1)[0].second is Label.NORMAL
        assert [each.note for each in regions.of_images(session)] == ["effusion?"]
        assert locked_points.of_run(session, 2)[0].threshold == 2.0
        assert job_queue.rows(session)[0].config == {"weights": "bundled"}
        assert verify_chains(session).problems == ()
    project.close()
    assert list(folder_0008.glob("catalog.before-0010*"))


def test_the_first_schema_becomes_what_the_tables_say(folder_0008: Path):
    Project.open(folder_0008).close()
    engine = create_engine(f"sqlite:///{folder_0008 / 'catalog.sqlite'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_a_new_catalog_is_what_the_tables_say(project: Project, catalog_url: str):
    engine = create_engine(catalog_url or f"sqlite:///{project.folder / 'catalog.sqlite'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ("0007", "schema 0007 of an older AMAE, and was left as it is. .* commit db34093"),
        ("9999", r"newer AMAE \(schema 9999\); update AMAE"),
    ],
)
def test_another_schema_is_refused_untouched(
    project: Project, catalog_url: str, schema: str, what: str
):
    project.close()
    engine = create_engine(catalog_url or f"sqlite:///{project.folder / 'catalog.sqlite'}")
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{schema}'"))
    file = project.folder / "catalog.sqlite"
    before = file.read_bytes() if file.is_file() else b""
    with pytest.raises(ProjectError, match=what):
        Project.open(project.folder)
    assert (file.read_bytes() if file.is_file() else b"") == before
    assert not list(project.folder.glob("catalog.before-*"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == schema
    engine.dispose()


def test_processes_that_open_a_new_catalog_together_make_it_once(
    tmp_path: Path, request: pytest.FixtureRequest
):
    url = request.getfixturevalue("postgres").new_url()
    folders = [tmp_path / f"{n}" for n in range(8)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(len(folders)) as pool:
        for catalog in pool.map(lambda folder: Catalog(folder, url), folders):
            with catalog.session() as session:
                assert studies.newest_addition(session) == ""
            catalog.close()
