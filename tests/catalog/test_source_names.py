"""Sources are numbers in the catalog; what readers call them stays in the private folder."""

import csv
from contextlib import closing
from pathlib import Path

from demo_images import DEMO, demo_files, finish
from sqlalchemy import select

from amae_engine.catalog import imports, studies
from amae_engine.catalog.tables import Audit, Image
from amae_engine.cli import main
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project

NAME = "MUELLER_HANS_1955"


def test_a_table_named_after_a_patient_leaves_no_trace_in_the_catalog(
    project: Project, tmp_path: Path
):
    table = tmp_path / f"{NAME}.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "split", "truth", "patient"))
        for image in demo_files(4, 4, 0):
            writer.writerow((image.path.relative_to(DEMO), image.role, "", image.patient))
    place = ("--project", str(project.folder), "--images", str(DEMO))
    assert main(["import", "--csv", str(table), *place]) == 0
    assert main(["undo-import", *place[:2]]) == 0
    assert main(["import", "--csv", str(table), *place]) == 0
    with project.session() as session:
        assert set(session.scalars(select(Image.source))) == {"source 1"}
        audits = " ".join(session.scalars(select(Audit.detail)))
        assert NAME not in audits
        # readers still see and search it by its label
        assert len(studies.page_of_ids(session, f"source:{NAME.lower()}")) == 8
        assert studies.rows(session, [1, 9])[0].source == NAME
        assert imports.newest(session).source == NAME
    for path in project.folder.rglob("*"):
        if path.is_file() and "private" not in path.relative_to(project.folder).parts:
            assert NAME.encode() not in path.read_bytes(), path


def test_without_the_private_folders_names_a_source_is_its_number(project: Project):
    finish(import_images(project, demo_files(2, 2, 0), "ward 3"))
    (project.folder / "private" / "sources.json").unlink()
    with closing(Project.open(project.folder)) as shared, shared.session() as session:
        assert studies.rows(session, [1])[0].source == "source 1"


def test_what_an_import_leaves_in_private_is_closed_to_others(project: Project, catalog_url: str):
    finish(import_images(project, demo_files(2, 2, 0), "ward 3"))
    private = project.folder / "private"
    of_file, of_folder = (0o660, 0o770) if catalog_url else (0o600, 0o700)
    modes = {path: path.stat().st_mode & 0o777 for path in (private, *private.rglob("*"))}
    assert len(modes) > 6
    for path, mode in modes.items():
        assert mode == (of_folder if path.is_dir() else of_file), path
