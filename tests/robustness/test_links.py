"""A received project with a link in any place: nothing outside is read, written, deleted or opened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from demo_images import DEMO

from amae_engine.cli import main
from amae_engine.errors import ProjectError
from amae_engine.project import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="makes symbolic links")

_COMMANDS = (
    ["import", "{demo}", "--role", "normal"], ["undo-import"], ["fix-patients"], ["relink", "{demo}"],
    ["shortcuts"], ["pretrain"], ["stage1"], ["pseudo"], ["stage2"], ["score"], ["maps", "--marked"],
    ["rounds"], ["sources"], ["decisions", "export", "{out}/d.csv"], ["agreement"], ["held"],
    ["regions"], ["evaluate"], ["validation", "--share", "0.5"], ["operating-point"], ["runs"],
    ["runs", "1"], ["peer", "ae"], ["synthetic-panel"], ["experiment", "table2"], ["queue", "list"],
    ["export"], ["report"], ["dicom"], ["bundle", "{out}/b.zip"], ["rerun", "1"],
    ["share", "{out}/copy"], ["verify"], ["run"], ["doctor"],
)  # fmt: skip


def _inside(folder: Path) -> Iterator[Path]:
    """Every file and folder of a project, but for the maps of single images, which are alike."""
    seen: set[Path] = set()
    for path in sorted(folder.rglob("*")):
        if path.parent.name == "maps":
            if path.parent in seen:
                continue
            seen.add(path.parent)
        yield path


def _facts(outside: Path) -> list[tuple[str, int, float, bytes]]:
    """What lies outside: names, rights, times, contents."""
    found = []
    for path in [outside, *sorted(outside.rglob("*"))]:
        facts = path.stat()
        content = b"" if path.is_dir() else path.read_bytes()
        found.append((path.name, facts.st_mode, facts.st_mtime, content))
    return found


@pytest.fixture
def outside(whole_path: Project, tmp_path: Path) -> Path:
    """A copy of the project, elsewhere: what a link could lead to that would be taken for its own."""
    whole_path.close()  # with today's backup
    folder = tmp_path / "outside"
    shutil.copytree(whole_path.folder, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def _replace_by_link(project: Path, path: Path, outside: Path) -> None:
    target = outside / path.relative_to(project)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(target)


def test_every_file_and_folder_as_a_link_is_refused_by_name(whole_path: Project, outside: Path):
    project, count = whole_path.folder, 0
    for path in list(_inside(project)):
        kept = project.with_name("kept")
        shutil.move(path, kept)
        path.symlink_to(outside / path.relative_to(project))
        before = _facts(outside)
        name = path.relative_to(project).as_posix()
        if name == "project.json" or (project / "project.json").is_file():
            with pytest.raises(ProjectError, match=rf"{name} is a link\. A project holds no links"):
                Project.open(project)
        assert _facts(outside) == before, name
        path.unlink()
        shutil.move(kept, path)
        count += 1
    assert count > 40
    Project.open(project).close()  # and without links it opens


@pytest.mark.parametrize(
    "name", ["pixels/images.u8", "runs/001", "backups", "private", "catalog.sqlite", "exports"]
)
def test_no_command_follows_a_link(
    whole_path: Project, outside: Path, tmp_path: Path, name: str, capsys
):
    project = whole_path.folder
    (project / "exports").mkdir(exist_ok=True)
    (outside / "exports").mkdir(exist_ok=True)
    _replace_by_link(project, project / name, outside)
    before = _facts(outside)
    for words in _COMMANDS:
        filled = [w.format(demo=DEMO / "images", out=tmp_path / "out") for w in words]
        assert main([*filled, "--project", str(project)]) == 1, words
        assert f"{name} is a link" in capsys.readouterr().err, words
        assert _facts(outside) == before, words
    assert not (tmp_path / "out").exists()


def test_a_link_that_comes_later_is_followed_neither(
    whole_path: Project, outside: Path, tmp_path: Path
):
    """While the project is open: at the store, at the backups, at private/, and when it is shared."""
    from amae_engine.jobs.sharing.share_project import share_project

    project = Project.open(whole_path.folder)
    store = project.folder / "pixels" / "images.u8"
    _replace_by_link(project.folder, store, outside)
    before = _facts(outside)
    with pytest.raises(OSError, match="symbolic links"), project.pixels.locked():
        project.pixels.append([np.zeros((256, 256), np.uint8)])
    with pytest.raises(ProjectError, match=r"pixels/images\.u8 is a link"):
        next(share_project(project, tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()
    for part in ("private", "backups"):
        _replace_by_link(project.folder, project.folder / part, outside)
    with pytest.raises(ProjectError, match="private is a link"):
        project.close_private()
    project.close()  # no backup, no old one deleted
    assert _facts(outside) == before


def test_the_project_s_own_place_may_be_a_link(whole_path: Project, tmp_path: Path):
    whole_path.close()
    (tmp_path / "shortcut").symlink_to(whole_path.folder)
    Project.open(tmp_path / "shortcut").close()
