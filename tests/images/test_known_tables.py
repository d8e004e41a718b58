"""Ready mappings, on small made-up tables with the public sets' real columns."""

from pathlib import Path

import pytest

from amae_engine.errors import BadInput
from amae_engine.images import csv_table
from amae_engine.images.known_tables import from_known_table, recognise
from amae_engine.images.sources import Selection, TruthWord

_NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
_LABELS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
    "Support Devices"
)


def _read(table: Path, role: str = "", **values: TruthWord) -> Selection:
    known = recognise(csv_table.header(table))
    assert known is not None
    said = {name.replace("_", " "): word for name, word in values.items()}
    return from_known_table(table, known, table.parent, role, said)


def _facts(selection: Selection) -> list[tuple[str, str, int | None, str]]:
    return [(f.path.name, f.role, f.truth, f.patient) for f in selection.files]


def _labels(**given: str) -> str:
    names = _LABELS.split(",")
    unknown = given.keys() - {name.replace(" ", "_") for name in names}
    assert not unknown
    return ",".join(given.get(name.replace(" ", "_"), "") for name in names)


def _rsna(folder: Path) -> tuple[Path, Path]:
    labels = folder / "stage_2_train_labels.csv"
    labels.write_text(
        "patientId,x,y,width,height,Target\n"
        "aa-1,,,,,0\n"
        "bb-2,264.0,152.0,213.0,379.0,1\n"
        "bb-2,562.0,152.0,256.0,453.0,1\n"
        "cc-3,,,,,0\n"
    )
    classes = folder / "stage_2_detailed_class_info.csv"
    classes.write_text(
        "patientId,class\naa-1,No Lung Opacity / Not Normal\nbb-2,Lung Opacity\n"
        "bb-2,Lung Opacity\ncc-3,Normal\n"
    )
    return labels, classes


def test_rsna_is_one_image_a_patient_and_its_classes_tell_the_truth(tmp_path: Path):
    labels, classes = _rsna(tmp_path)
    wanted = [("aa-1", "test", 1, "aa-1"), ("bb-2", "test", 1, "bb-2"), ("cc-3", "test", 0, "cc-3")]
    assert _facts(_read(labels, "test")) == wanted
    assert _facts(_read(classes, "test")) == wanted


def test_rsna_s_target_0_alone_does_not_mean_normal(tmp_path: Path):
    labels, classes = _rsna(tmp_path)
    classes.unlink()
    assert [f.truth for f in _read(labels, "unlabeled").files] == [None, 1, None]
    selection = _read(labels, "normal")
    assert selection.files == ()
    assert selection.left_out == (("not known to be normal", 3),)


def test_a_reader_can_leave_a_class_out_as_the_paper_does(tmp_path: Path):
    _, classes = _rsna(tmp_path)
    values = {"No Lung Opacity / Not Normal": TruthWord.SKIP}
    selection = _read(classes, "unlabeled", **values)
    assert [f.path.name for f in selection.files] == ["bb-2", "cc-3"]
    assert selection.left_out == (("left out by its truth value", 1),)


def test_vindr_is_normal_when_most_of_three_readers_found_nothing(tmp_path: Path):
    table = tmp_path / "train.csv"
    lines = ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"]
    for image, readings in {
        "all": ("No finding", "No finding", "No finding"),
        "most": ("No finding", "No finding", "Nodule/Mass"),
        "one": ("No finding", "Cardiomegaly", "Cardiomegaly"),
        "none": ("Cardiomegaly", "Pleural effusion", "Nodule/Mass"),
    }.items():
        for number, finding in enumerate(readings):
            lines.append(f"{image},{finding},0,R{number},1,2,3,4")
            if finding == "Cardiomegaly":  # several boxes of one reader are one vote
                lines.append(f"{image},Aortic enlargement,0,R{number},1,2,3,4")
    table.write_text("\n".join(lines) + "\n")
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "most.dicom").write_bytes(b"")
    selection = _read(table, "test")
    assert [f.truth for f in selection.files] == [0, 0, 1, 1]
    assert selection.files[1].path == tmp_path / "dicom" / "most.dicom"
    assert [f.path.name for f in _read(table, "normal").files] == ["all", "most.dicom"]


def test_nih_takes_the_paper_s_subset(tmp_path: Path):
    table = tmp_path / "Data_Entry_2017.csv"
    rows = [
        ("00000001_000.png", "No Finding", "1", "058Y", "PA"),
        ("00000002_000.png", "Cardiomegaly|Emphysema", "2", "19", "PA"),
        ("00000003_000.png", "No Finding", "3", "060Y", "AP"),
        ("00000004_000.png", "No Finding", "4", "018Y", "PA"),
        ("00000005_000.png", "No Finding", "5", "011M", "PA"),
    ]
    text = [f"{n},{f},0,{p},{age},F,{view},2682,2749,0.143,0.143," for n, f, p, age, view in rows]
    table.write_text("\n".join([_NIH_HEADER, *text]) + "\n")
    selection = _read(table, "unlabeled")
    assert _facts(selection) == [
        ("00000001_000.png", "unlabeled", 0, "00000001"),
        ("00000002_000.png", "unlabeled", 1, "00000002"),
    ]
    assert dict(selection.left_out) == {"view AP, not PA": 1, "age 18 or younger": 2}


def test_a_damaged_age_is_named_with_its_line(tmp_path: Path):
    table = tmp_path / "Data_Entry_2017.csv"
    table.write_text(f"{_NIH_HEADER}\na.png,No Finding,0,1,old,F,PA,1,1,1,1,\n")
    with pytest.raises(
        BadInput, match="line 2: 'Patient Age' must be like 58 or 058Y; it is 'old'"
    ):
        _read(table, "test")


def test_chexpert_brings_roles_patients_and_frontal_images(tmp_path: Path):
    table = tmp_path / "train.csv"
    place = "CheXpert-v1.0-small/{}/patient00007/study1/view{}_{}.jpg"
    rows = [
        (place.format("train", 1, "frontal"), "Frontal", "AP", _labels(No_Finding="1.0")),
        (place.format("train", 2, "lateral"), "Lateral", "", _labels(No_Finding="1.0")),
        (place.format("train", 3, "frontal"), "Frontal", "PA", _labels(Edema="-1.0")),
        (place.format("valid", 1, "frontal"), "Frontal", "AP", _labels(Edema="1.0")),
        (place.format("train", 4, "frontal"), "Frontal", "AP",
         _labels(No_Finding="1.0", Support_Devices="1.0")),
    ]  # fmt: skip
    text = [f"{path},Female,68,{side},{view},{labels}" for path, side, view, labels in rows]
    header = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{_LABELS}"
    table.write_text("\n".join([header, *text]) + "\n")
    image = tmp_path / "train" / "patient00007" / "study1" / "view1_frontal.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"")
    selection = _read(table)
    assert [(f.role, f.truth) for f in selection.files] == [
        ("unlabeled", 0), ("unlabeled", None), ("test", 1), ("unlabeled", 0),
    ]  # fmt: skip
    assert selection.files[0].path == image
    assert {f.patient for f in selection.files} == {"patient00007"}
    assert selection.left_out == (("not frontal", 1),)


def _mimic(folder: Path) -> Path:
    table = folder / "mimic-cxr-2.0.0-chexpert.csv"
    labels = "Atelectasis,Cardiomegaly,No Finding,Support Devices"
    table.write_text(f"subject_id,study_id,{labels}\n10000032,50,,,1.0,\n10000764,51,1.0,,,\n")
    (folder / "mimic-cxr-2.0.0-metadata.csv").write_text(
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns\n"
        "d1,10000032,50,CHEST (PA AND LAT),PA,3056,2544\n"
        "d2,10000032,50,CHEST (PA AND LAT),LATERAL,3056,2544\n"
        "d3,10000764,51,CHEST (PORTABLE AP),AP,3056,2544\n"
        "d4,10000764,52,CHEST (PORTABLE AP),AP,3056,2544\n"
    )
    (folder / "mimic-cxr-2.0.0-split.csv").write_text(
        "dicom_id,study_id,subject_id,split\nd1,50,10000032,train\nd2,50,10000032,train\n"
        "d3,51,10000764,test\nd4,52,10000764,validate\n"
    )
    return table


def test_mimic_joins_labels_views_and_parts(tmp_path: Path):
    table = _mimic(tmp_path)
    image = tmp_path / "files" / "p10" / "p10000032" / "s50" / "d1.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"")
    selection = _read(table)
    assert _facts(selection) == [
        ("d1.jpg", "unlabeled", 0, "10000032"),
        ("d3.jpg", "test", 1, "10000764"),
        ("d4.jpg", "test", None, "10000764"),
    ]
    assert selection.files[0].path == image
    assert selection.left_out == (("view LATERAL, not frontal", 1),)


def test_mimic_names_the_table_that_is_missing(tmp_path: Path):
    table = _mimic(tmp_path)
    (tmp_path / "mimic-cxr-2.0.0-metadata.csv").unlink()
    with pytest.raises(BadInput, match=r"needs MIMIC-CXR-JPG's mimic-cxr-…-metadata\.csv"):
        _read(table)


def test_a_set_without_roles_of_its_own_asks_for_one(tmp_path: Path):
    labels, _ = _rsna(tmp_path)
    with pytest.raises(BadInput, match=r"labels\.csv \(RSNA .*nothing says which role it has"):
        _read(labels)


def test_a_table_of_one_s_own_is_not_taken_for_a_public_one():
    assert recognise(["file", "split", "truth", "patient"]) is None
    assert recognise(["Path", "label"]) is None
