"""The original behind an image: shown, gone, changed, unreadable."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish
from images_in_dicom import image, write_dicom
from PIL import Image

from amae_engine.catalog import image_tables
from amae_engine.catalog.tables import Split
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.curation.original_images import OriginalReader, OriginalState
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project


@pytest.fixture
def copies(project: Project, tmp_path: Path) -> list[tuple[int, Path]]:
    """Images whose originals may be spoilt: ids and paths."""
    files = []
    for number, file in enumerate(demo_files(4, 0, 0)):
        path = tmp_path / f"copy{number}{file.path.suffix}"
        shutil.copy(file.path, path)
        files.append(SourceFile(path, "normal"))
    finish(import_images(project, files, "copies"))
    with project.session() as session:
        ids = image_tables.images_in(session, Split.NORMAL).ids.tolist()
    return list(zip(ids, [file.path for file in files], strict=True))


def test_an_original_is_shown_or_the_reader_is_reported_why_not(project, copies):
    reader = OriginalReader(project)
    try:
        (first, _), (second, gone), (third, changed), (fourth, broken) = copies
        gone.unlink()
        other = np.asarray(Image.open(changed).convert("L"))[:, ::-1]
        Image.fromarray(other).save(changed)
        broken.write_bytes(broken.read_bytes()[:500])
        found = {i: reader.read(i).result() for i, _ in copies}
        assert found[first].state is OriginalState.SHOWN
        assert found[first].grey.codes.shape == (224, 224)
        assert found[first].bytes >= found[first].grey.codes.nbytes
        assert found[second].state is OriginalState.GONE
        assert "moved" in found[second].message
        assert found[third].state is OriginalState.CHANGED
        assert "changed" in found[third].message
        assert found[fourth].state is OriginalState.UNREADABLE
        for image in found.values():  # no message names a path, which may be a patient's
            assert "copy" not in image.message
    finally:
        reader.close()


@pytest.fixture
def dicom_original(project: Project, tmp_path: Path) -> int:
    """An imported 16-bit DICOM file."""
    stored = image(1).astype(np.uint16) * 16
    deep = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelData": stored.tobytes()}
    geometry = {"ImagerPixelSpacing": [0.15, 0.2], "PatientOrientation": ["L", "F"]}
    path = write_dicom(tmp_path, 1, **deep, **geometry)
    finish(import_images(project, [SourceFile(path, "normal")], "files"))
    with project.session() as session:
        return int(image_tables.images_in(session, Split.NORMAL).ids[0])


def test_a_dicom_original_comes_from_a_process(project, dicom_original):
    reader = OriginalReader(project)
    try:
        found = reader.read(dicom_original).result()
        assert found.state is OriginalState.SHOWN
        assert found.grey.codes.dtype == np.uint16
        assert int(np.ptp(found.grey.values[found.grey.codes])) > 255
        assert (found.spacing.row_mm, found.spacing.column_mm) == (0.15, 0.2)
        assert found.sides == ("R", "L")
    finally:
        reader.close()


def test_a_file_of_30000_squared_is_refused_before_it_is_decoded(project, copies):
    image_id, path = copies[0]
    Image.new("1", (30_000, 30_000)).save(path, format="PNG")
    reader = OriginalReader(project)
    try:
        found = reader.read(image_id).result()
        assert found.state is OriginalState.UNREADABLE
        assert "larger than any image" in found.message
    finally:
        reader.close()
