"""Undo the last import."""

from __future__ import annotations

from amae_engine.catalog import imports
from amae_engine.project import Project


def undo_import(project: Project, reader: str = "") -> imports.ImportRow:
    """Take the newest import back; its files can be imported again.

    Their pixels stay in the store as unused rows: it only ever grows. The truth that it brought for
    older images is unknown again.

    Raises:
        NotReady: There is no import, a run has used its images, or a reader decided on them.
    """
    with project.session() as session:
        undone, image_ids = imports.undo(session, reader)
    project.forget_originals(image_ids)
    return undone
