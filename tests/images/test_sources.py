"""Folders, tables and repartitions: which image has which role and truth."""

import gzip
import io
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from demo_images import finish
from dicom_files import demo_image, write_dicom
from PIL import Image
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset

from amae_engine.catalog import studies
from amae_engine.errors import BadInput, BadSetting
from amae_engine.images.csv_table import CsvColumns, from_csv, patients_of
from amae_engine.images.file_index import FileIndex
from amae_engine.images.repartition import from_curated_lists, from_repartition
from amae_engine.images.sources import TruthWord, from_paths
from amae_engine.jobs.importing.import_plan import ImportPlan, import_plan


def _images(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (64, 64)).save(path)


def test_folder_names_give_role_and_truth(tmp_path: Path):
    for place in ("normal", "unlabeled", "test/normal", "test/abnormal"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        Image.new("L", (64, 64)).save(folder / "a.png")
    found = {(f.role, f.truth) for f in from_paths([tmp_path])}
    assert found == {("normal", 0), ("unlabeled", None), ("test", 0), ("test", 1)}


def test_an_empty_folder_says_what_to_choose(tmp_path: Path):
    with pytest.raises(BadInput, match="holds no DICOM, PNG, JPEG or TIFF file; choose"):
        from_paths([tmp_path])


def test_images_without_a_role_say_how_to_give_one(tmp_path: Path):
    Image.new("L", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="nothing says which role it has; choose normal, unlabeled"):
        from_paths([tmp_path])


def test_csv_errors_name_the_line_and_the_column(tmp_path: Path):
    table = tmp_path / "images.csv"
    table.write_text("file,split,truth\na.png,test,maybe\n")
    with pytest.raises(BadInput, match=r"images\.csv, line 2: truth must be .* it is 'maybe'"):
        from_csv(table, CsvColumns())
    table.write_text("name,split\na.png,test\n")
    with pytest.raises(BadInput, match="no column 'file' .*its columns are name, split"):
        from_csv(table, CsvColumns())


def test_repartition_takes_the_first_images_of_each_pool(shared: Path):
    table = shared / "data" / "repartitions" / "RSNA.json"
    files = from_repartition(table, table.parent, 4000, 0.6)
    chosen = [f for f in files if f.role == "unlabeled"]
    assert sum(f.truth == 1 for f in chosen) == 2400
    assert sum(f.truth == 0 for f in chosen) == 1600
    assert sum(f.role == "normal" for f in files) == 3851
    assert sum(f.role == "test" for f in files) == 2000


def test_an_anomaly_ratio_beyond_the_pool_is_an_error(shared: Path):
    table = shared / "data" / "repartitions" / "VinCXR.json"
    from_repartition(table, table.parent, 4000, 0.848)
    with pytest.raises(BadSetting, match="needs 3400 abnormal images, .* has 3394"):
        from_repartition(table, table.parent, 4000, 0.85)


def test_folder_names_can_be_given_a_meaning(tmp_path: Path):
    _images(tmp_path, "Controls/a.png", "val/NORMAL/b.png", "val/Sick/c.png", "ward 3/d.png")
    words = {"controls": "normal", "val": "test", "sick": "abnormal", "Ward 3": "unlabeled"}
    found = {f.path.name: (f.role, f.truth) for f in from_paths([tmp_path], "", words)}
    assert found == {
        "a.png": ("normal", 0),
        "b.png": ("test", 0),
        "c.png": ("test", 1),
        "d.png": ("unlabeled", None),
    }
    with pytest.raises(BadSetting, match="'val' must mean normal, .*, train; it is 'validation'"):
        from_paths([tmp_path], "", {"val": "validation"})


def test_truth_values_of_a_table_can_be_given_a_meaning(tmp_path: Path):
    table = tmp_path / "images.csv"
    table.write_text("name,set,finding\na.png,test,COVID\nb.png,test,Clear\nc.png,test,Poor\n")
    values = {
        "covid": TruthWord.ABNORMAL,
        "Clear": TruthWord.NORMAL,
        "poor": TruthWord.SKIP,
    }
    files = from_csv(table, CsvColumns("name", "set", "finding", "", values))
    assert [(f.path.name, f.truth) for f in files] == [("a.png", 1), ("b.png", 0)]
    values.pop("poor")
    with pytest.raises(BadInput, match="line 4: .* it is 'Poor'. Say what it means"):
        from_csv(table, CsvColumns("name", "set", "finding", "", values))


def test_an_abnormal_image_cannot_be_a_normal_one(tmp_path: Path):
    table = tmp_path / "images.csv"
    table.write_text("file,split,truth\na.png,normal,1\n")
    with pytest.raises(BadInput, match="line 2: an image with the role normal cannot be abnormal"):
        from_csv(table, CsvColumns())


def test_packed_tables_and_short_lines_are_read(tmp_path: Path):
    table = tmp_path / "images.csv.gz"
    table.write_bytes(gzip.compress(b"\xef\xbb\xbffile,split,truth,patient\na.png,test\n"))
    (image,) = from_csv(table, CsvColumns())
    assert (image.role, image.truth, image.patient) == ("test", None, "")
    table.write_bytes(b"no gzip")
    with pytest.raises(BadInput, match=r"images\.csv\.gz cannot be read as a CSV table"):
        from_csv(table, CsvColumns())


def test_files_are_found_by_path_by_name_and_by_stem_but_never_guessed(tmp_path: Path):
    _images(
        tmp_path, "train/p1/view.png", "train/p2/view.png", "deep/down/one.png", "1.2.840.7.png"
    )
    index = FileIndex(tmp_path)
    assert index.find("CheXpert-v1.0/train/p2/view.png") == tmp_path / "train/p2/view.png"
    assert index.find("one.png") == tmp_path / "deep/down/one.png"
    assert index.find("one.dcm") == tmp_path / "deep/down/one.png"
    assert index.find("1.2.840.7") == tmp_path / "1.2.840.7.png"
    assert not index.find("view.png").exists()
    assert not index.find("1.2.840.9").exists()


def test_the_number_of_abnormals_is_cut_as_in_ddad(shared: Path):
    table = shared / "data" / "repartitions" / "RSNA.json"
    files = from_repartition(table, table.parent, 1001, 0.6)
    chosen = [f for f in files if f.role == "unlabeled"]
    assert sum(f.truth == 1 for f in chosen) == 600  # int(600.6), where rounding would say 601
    assert sum(f.truth == 0 for f in chosen) == 401
    names = [f.path.name for f in chosen if f.truth == 1]
    assert names[0].startswith("8d1a4fe3")  # the first of the pool, in the file's order


def test_an_impossible_ratio_says_which_are_possible(shared: Path):
    vindr = shared / "data" / "repartitions" / "VinCXR.json"
    with pytest.raises(BadSetting, match=r"M = 4000 allows AR from 0 to 0\.848"):
        from_repartition(vindr, vindr.parent, 4000, 0.9)
    with pytest.raises(BadSetting, match=r"M = 6000 allows AR from 0\.066 to 0\.565"):
        from_repartition(vindr, vindr.parent, 6000, 0.0)
    with pytest.raises(BadSetting, match="choose M of at most 9000"):
        from_repartition(vindr, vindr.parent, 9001, 0.5)
    with pytest.raises(BadSetting, match="M must be at least 1; it is -4"):
        from_repartition(vindr, vindr.parent, -4, 0.5)


def test_the_repartitions_are_the_paper_s_table_1(shared: Path):
    for name, normal, pool, test in (
        ("RSNA.json", 3851, (4000, 5012), 2000),
        ("VinCXR.json", 4000, (5606, 3394), 2000),
    ):
        table = shared / "data" / "repartitions" / name
        files = from_repartition(table, table.parent)
        unlabeled = [f.truth for f in files if f.role == "unlabeled"]
        assert sum(f.role == "normal" for f in files) == normal
        assert (unlabeled.count(0), unlabeled.count(1)) == pool
        assert sum(f.role == "test" for f in files) == test


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"train": {"0": "abc", "unlabeled": {"0": [], "1": []}}}', "no json"]
)
def test_what_is_no_repartition_is_said_to_be_none(tmp_path: Path, content: str):
    table = tmp_path / "data.json"
    table.write_text(content)
    with pytest.raises(BadInput, match=r"data\.json is not a DDAD repartition"):
        from_repartition(table, tmp_path)


def test_a_repartition_of_png_names_finds_dicom_files(tmp_path: Path):
    table = tmp_path / "data.json"
    table.write_text(
        '{"train": {"0": ["a.png"], "unlabeled": {"0": [], "1": []}}, "test": {"0": [], "1": []}}'
    )
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.dcm").write_bytes(b"")
    (image,) = from_repartition(table, tmp_path, patients={"a.png": "p1"})
    assert (image.path.name, image.patient) == ("a.dcm", "p1")


def test_the_curated_nih_lists_are_the_paper_s(shared: Path):
    files = from_curated_lists(shared / "data" / "repartitions" / "NIH_NSA", shared)
    roles = [(f.role, f.truth) for f in files]
    assert roles.count(("normal", 0)) == 3614
    assert roles.count(("test", 0)) == 543
    assert roles.count(("test", 1)) == 262
    assert len(roles) == 3614 + 805
    trained = {f.patient for f in files if f.role == "normal"}
    assert "" not in trained
    assert trained.isdisjoint(f.patient for f in files if f.role == "test")


def test_another_list_of_names_is_not_taken_for_a_curated_one(tmp_path: Path):
    (tmp_path / "names.txt").write_text("a.png\n")
    with pytest.raises(BadInput, match=r"names\.txt is not a curated list"):
        from_curated_lists(tmp_path / "names.txt", tmp_path)


def test_patients_come_from_a_manifest(tmp_path: Path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,patient\nimages/a.png,p7\n")
    assert patients_of(manifest) == {"a.png": "p7"}
    manifest.write_text("name,patient\na.png,p7\n")
    with pytest.raises(BadInput, match="has no column 'file'; it needs file and patient"):
        patients_of(manifest)


def test_a_column_role_serves_where_there_is_no_split(tmp_path: Path):
    _images(tmp_path, "a.png")
    table = tmp_path / "t.csv"
    table.write_text("file,role\na.png,unlabeled\n")
    assert [file.role for file in from_csv(table, CsvColumns())] == ["unlabeled"]
    table.write_text("file,split,role\na.png,normal,technician\n")
    assert [file.role for file in from_csv(table, CsvColumns())] == ["normal"]


@pytest.mark.parametrize("name", [
    "images\\x1.png", ".\\images\\x1.png", "C:\\data\\images\\x1.png", "Images/X1.PNG", "X1.png",
    "other/images/x1.png", "images/x1.dcm",
])  # fmt: skip
def test_tables_of_other_systems_name_the_same_file(tmp_path: Path, name: str):
    _images(tmp_path, "images/x1.png", "images/x2.png")
    assert FileIndex(tmp_path).find(name) == tmp_path / "images" / "x1.png"


def test_letters_and_accents_may_be_apart_or_together(tmp_path: Path):
    apart, together = (unicodedata.normalize(form, "Thorax_ü.png") for form in ("NFD", "NFC"))
    for on_disk, in_table in ((apart, together), (together, apart)):
        folder = tmp_path / on_disk.encode().hex()[:24]
        _images(folder, f"images/{on_disk}")
        assert FileIndex(folder).find(in_table).is_file()


def test_a_name_that_two_files_share_is_found_by_its_folder_or_not_at_all(tmp_path: Path):
    _images(tmp_path, "a/x.png", "b/x.png", "c/X.png")
    files = FileIndex(tmp_path)
    assert files.find("old\\B\\x.PNG") == tmp_path / "b" / "x.png"
    assert files.find("X.png") == tmp_path / "c" / "X.png"  # letters as they are
    assert not files.find("z/x.png").is_file()


def test_linked_folders_come_in_once_and_a_circle_ends(tmp_path: Path):
    _images(tmp_path, "store/a.png", "store/b.png", "set/test/abnormal/c.png")
    (tmp_path / "set" / "normal").symlink_to(tmp_path / "store")
    (tmp_path / "set" / "test" / "around").symlink_to(tmp_path / "set")
    found = from_paths([tmp_path / "set"])
    assert sorted(f.path.name for f in found) == ["a.png", "b.png", "c.png"]
    assert {f.path.name: f.role for f in found}["a.png"] == "normal"


def test_every_file_of_a_folder_has_a_line_also_one_that_is_passed_over(project, tmp_path: Path):
    folder = tmp_path / "set"
    folder.mkdir()
    grey = demo_image()
    with_mark = write_dicom(folder / "IM0001", grey)
    bare = pydicom.dcmread(with_mark)
    without = io.BytesIO()
    writer = DicomFileLike(without)
    writer.is_little_endian = writer.is_implicit_VR = True
    del bare.SOPInstanceUID
    bare.SOPInstanceUID = "1.2.3.4"
    bare.PixelData = np.flipud(grey).copy().tobytes()
    write_dataset(writer, bare)
    (folder / "IM0002").write_bytes(without.getvalue())  # neither preamble nor suffix
    (folder / "notes.txt").write_text("ward 3")
    (folder / ".DS_Store").write_bytes(b"\0" * 8)
    plan = ImportPlan((folder,), role="unlabeled")
    report, _ = finish(import_plan(project, plan, "AB"))
    assert {fate.path.name: str(fate.outcome) for fate in report.fates} == {
        "IM0001": "imported", "IM0002": "imported",
        "notes.txt": "passed over", ".DS_Store": "passed over",
    }  # fmt: skip
    assert report.summary().endswith("0 refused, 2 passed over as no images.")


def test_an_archive_that_was_packed_on_windows_keeps_its_folders(project, tmp_path: Path):
    packed = tmp_path / "set.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, turned in (("test\\abnormal\\a.png", 0), ("test\\normal\\b.png", 1)):
            stream = io.BytesIO()
            Image.fromarray(np.rot90(demo_image(), 2 * turned)).save(stream, "PNG")
            member = zipfile.ZipInfo("x")
            member.filename = name  # as packers on Windows write it
            archive.writestr(member, stream.getvalue())
    finish(import_plan(project, ImportPlan((packed,)), "AB"))
    with project.session() as session:
        rows = studies.rows(session, [1, 2])
    assert [(row.split, row.truth) for row in rows] == [("test", 1), ("test", 0)]
