"""Copy a project for colleagues elsewhere: without `private/`, and without what readers typed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from amae_engine.catalog import bundle_rows, looks, studies
from amae_engine.catalog.audit import audit
from amae_engine.config.json_config import without_paths
from amae_engine.errors import ProjectError
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.project import Project
from amae_engine.project_links import require_no_links
from amae_engine.runs.run_files import copy_weights

_OWN = ("lease.lock", "files.json")


@dataclass(frozen=True, slots=True)
class Shared:
    """What came of it.

    Attributes:
        images: In the copy.
        words: Notes and tags that stayed behind.
        burnt_in: Images whose file says that text is burnt into their pixels.
    """

    folder: Path
    images: int
    words: int
    burnt_in: int


def share_project(
    project: Project, folder: Path, reader: str = ""
) -> Generator[Event, None, Shared]:
    """Copy catalog, stored images and runs into a new project with a key of its own.

    Left out: `private/` (originals' paths, sources' names, the key), exports, backups, notes, tags,
    saved filters, queued jobs, error messages and the folders of files that settings name. The chain
    of the copy starts anew.

    Args:
        project: What is copied; its catalog may lie on a server, the copy's is a file.
        folder: Missing or empty.
        reader: Who asks, for the audit.

    Raises:
        ProjectError: The folder is not empty, or lies inside the project.
    """
    project.require_writable()  # its audit says who shared
    if project.folder.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise ProjectError("A copy to share must lie outside the project's own folder.")
    require_no_links(project.folder)
    with project.session() as session:
        looks.require_open(session, "A copy to share")
        looks.note_all(session, [looks.TRUTH], reader, "a copy to share")
    copy = Project.create(folder, project.name)
    try:
        yield Progress("Sharing", 0, 3)
        with project.session() as source, copy.session() as target:
            bundle_rows.copy_rows(source, target)
            words = bundle_rows.words_in(source)
            images = len(studies.page_of_ids(source))
            burnt_in = len(studies.page_of_ids(source, "flag:burnt-in-text"))
        with copy.session() as session:
            bundle_rows.shorten_configs(session, without_paths)
        yield Progress("Sharing", 1, 3)
        for path in project.pixels.files:
            shutil.copy2(path, copy.folder / "pixels" / path.name)
        yield Progress("Sharing", 2, 3)
        for run in sorted((project.folder / "runs").iterdir()):
            _copy_run(run, copy.folder / "runs" / run.name)
        with copy.session() as session:
            bundle_rows.forget_run_files(session)
    except BaseException:
        copy.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    copy.close()
    with project.session() as session:
        audit(session, reader, "share", f"{images} images, without private")
    if burnt_in:
        yield Notice(
            f"{burnt_in} images have text burnt into their pixels, as their files say: look at them "
            f"before you share the copy (Studies, flag:burnt-in-text).",
            Level.WARNING,
        )
    return Shared(folder, images, words, burnt_in)


def _copy_run(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if not path.is_file() or path.name in _OWN:
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "run.json":
            facts = without_paths(json.loads(path.read_text(encoding="utf-8")))
            place.write_text(json.dumps(facts, indent=1), encoding="utf-8")
        elif path.suffix == ".safetensors":
            with place.open("wb") as file:
                copy_weights(path, file, without_paths)
        else:
            shutil.copy2(path, place)
