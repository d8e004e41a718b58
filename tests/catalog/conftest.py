"""Every catalog test runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from amae_engine.project import Project


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest) -> str:
    """Where a new project's catalog lies; "" for SQLite."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgres").new_url()
    return url


@pytest.fixture
def project(tmp_path: Path, catalog_url: str) -> Generator[Project, None, None]:
    """An empty project."""
    made = Project.create(tmp_path / "project", "Test", catalog_url)
    yield made
    made.close()
