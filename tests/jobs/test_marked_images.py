"""Marks of others: tables as RSNA's and VinDr-CXR's, masks, DICOM segmentations; maps against them."""

import csv
import json
from pathlib import Path

import highdicom
import numpy as np
import pytest
from demo_images import finish
from images_in_dicom import write_dicom
from PIL import Image
from pydicom import dcmread
from pydicom.sr.codedict import codes

from amae_engine.catalog import image_tables, regions
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import Split
from amae_engine.cli import main
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput
from amae_engine.evaluation.regions import box_outline, outlines_mask
from amae_engine.images.marks import read_marks
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.curation.image_regions import image_regions, judge_part
from amae_engine.jobs.curation.marked_images import import_marks
from amae_engine.jobs.evaluation.evaluate_maps import evaluate_maps, regions_by_image
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.runs.map_files import load_image_maps


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_three_tables_say_the_same(tmp_path):
    own = table(tmp_path / "own.csv", "file,x,y,width,height", "a/one.png,10,20,30,40")
    rsna = table(
        tmp_path / "rsna.csv",
        "patientId,x,y,width,height,Target",
        "one,10,20,30,40,1",
        "two,,,,,0",
    )
    vindr = table(
        tmp_path / "vindr.csv",
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max",
        "one,Nodule/Mass,8,R1,10,20,40,60",
        "two,No finding,14,R1,nan,nan,nan,nan",
    )
    (first,) = read_marks(own)
    assert (first.key, first.boxes[0][0]) == ("a/one.png", (10, 20, 30, 40))
    for source, label in ((rsna, ""), (vindr, "Nodule/Mass")):
        one, two = read_marks(source)
        assert (one.key, one.boxes[0][:2], two.boxes) == ("one", ((10, 20, 30, 40), label), ())


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("file,x,y", "a,1,2"), "needs the columns"),
        (("file,x,y,width,height", "a/b.png,1,2,three,4"), "line 2: a box must have four numbers"),
        (("file,x,y,width,height", "a/b.png,1,2,0,4"), "line 2: the box has no size"),
        (("file,x,y,width,height", "a/b.png,1,2,inf,4"), "line 2: the box has no size"),
    ],
)
def test_bad_tables_are_named(tmp_path, lines, said):
    with pytest.raises(BadInput, match=said):
        read_marks(table(tmp_path / "boxes.csv", *lines))


def test_what_holds_no_marks_is_said(tmp_path):
    with pytest.raises(BadInput, match="is not there"):
        read_marks(tmp_path / "gone")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme").write_text("x" * 200)
    with pytest.raises(BadInput, match="holds no marks"):
        read_marks(tmp_path / "notes")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(BadInput, match="cannot be read as a mask"):
        read_marks(tmp_path / "bad.png")


def test_masks_and_boxes_become_a_readers_regions_and_are_undone_at_once(
    whole_path, tmp_path, capsys, monkeypatch
):
    # so few unlabeled images tell nothing: the score with a map leads all the same
    monkeypatch.setattr("amae_engine.jobs.evaluation.leading_score._CHANCE", 0.4)
    with whole_path.session() as session:
        one, two = image_tables.images_in(session, Split.TEST).ids[:2].tolist()
    path = whole_path.original_path(one)
    mask = np.zeros((200, 300), dtype=np.uint8)
    mask[50:100, 60:120] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / f"{path.stem}.png")
    Image.fromarray(mask).save(tmp_path / "masks" / "elsewhere.png")
    taken = import_marks(whole_path, tmp_path / "masks", "AB")
    assert (taken.images, taken.regions, taken.unknown) == (1, 1, 1)
    with whole_path.session() as session:
        (row,) = regions.of_images(session, [one])
    assert row.state is RegionState.IMPORTED
    assert outlines_mask([row.outline], 200, 300).sum() == pytest.approx(3000, rel=0.01)
    boxes = table(
        tmp_path / "boxes.csv",
        "file,x,y,width,height",
        f"images/{whole_path.original_path(two).name},20,30,90,80",
    )
    arguments = ["regions", "--project", str(whole_path.folder), "--reader", "AB"]
    assert main([*arguments, "--import", str(boxes)]) == 0
    assert "1 regions on 1 images" in capsys.readouterr().out
    assert main(["evaluate", "--project", str(whole_path.folder), "--regions"]) == 0
    assert "2 test images with marked regions" in capsys.readouterr().out
    assert main(["undo", *arguments[1:]]) == 0
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out.split("\n", 1)[1])["regions"]
    assert [line["state"] for line in found] == ["imported"]
    assert found[0]["peak"] is not None
    boxes.write_text("file,x,y,width,height\nimages/none.png,1,1,5,5\n")
    assert main([*arguments, "--import", str(boxes)]) == 1
    assert "marks no image of this project" in capsys.readouterr().err
    name = whole_path.original_path(two).name
    boxes.write_text(f"file,x,y,width,height\nimages/{name},1,1,5,50000\n")
    assert main([*arguments, "--import", str(boxes)]) == 1
    assert "lies outside its image" in capsys.readouterr().err


def test_a_table_of_regions_holds_no_formula(whole_path, tmp_path):
    with whole_path.session() as session:
        image = int(image_tables.images_in(session, Split.TEST).ids[0])
        new = NewRegion(image, box_outline(0, 0, 0.5, 0.5), RegionState.DRAWN, '=HYPERLINK("x")')
        regions.add(session, [new], "AB")
    path = tmp_path / "regions.csv"
    assert main(["regions", "--project", str(whole_path.folder), "--csv", str(path)]) == 0
    with path.open(encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert line["note"] == '\'=HYPERLINK("x")'
    assert float(line["share_of_image"]) == pytest.approx(0.25, abs=0.01)


def test_ten_thousand_boxes_come_in_and_are_judged(whole_path, tmp_path):
    with whole_path.session() as session:
        image = int(image_tables.images_in(session, Split.TEST).ids[0])
    name = whole_path.original_path(image).name
    lines = [
        f"images/{name},{x / 2},{y / 2},1.2,1.2" for x in range(0, 300, 3) for y in range(0, 300, 3)
    ]
    boxes = table(tmp_path / "many.csv", "file,x,y,width,height", *lines)
    assert import_marks(whole_path, boxes, "AB").regions == 10_000
    found = evaluate_maps(whole_path, regions_by_image(whole_path))
    assert next(iter(found.values())).images == 1


def test_a_dicom_segmentation_finds_its_image_by_its_sop(project, tmp_path):
    source = write_dicom(tmp_path, 1)
    finish(import_images(project, [SourceFile(source, "test")], "hospital"))
    image = dcmread(source)
    image.PatientSex, image.ReferringPhysicianName = "O", ""
    masks = np.zeros((1, image.Rows, image.Columns), dtype=np.uint8)
    masks[0, 20:60, 30:90] = 1
    segment = highdicom.seg.SegmentDescription(
        1, "opacity", codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Lesion, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )  # fmt: skip
    made = highdicom.seg.Segmentation(
        [image], masks, "BINARY", [segment], highdicom.UID(), 1, highdicom.UID(), 1,
        "A", "B", "1", "0",
    )  # fmt: skip
    made.save_as(tmp_path / "seg.dcm")
    assert import_marks(project, tmp_path / "seg.dcm", "AB").regions == 1
    with project.session() as session:
        (row,) = regions.of_images(session)
    assert row.note == "opacity"
    mine = outlines_mask([row.outline], image.Rows, image.Columns)
    assert (mine == masks[0].astype(bool)).mean() > 0.999
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "seg.dcm").read_bytes()[:-900])
    with pytest.raises(BadInput, match="the segmentation is damaged"):
        read_marks(tmp_path / "cut.dcm")


def test_a_maps_parts_are_judged_once_and_measured(whole_path):
    with whole_path.session() as session:
        image = int(image_tables.images_in(session, Split.TEST).ids[0])
        run = 3
    maps = load_image_maps(whole_path, run, image)
    kind = ScoreKind.DISCREPANCY
    threshold = float(np.percentile(maps.of_score(kind), 95))

    def read(reader="AB"):
        return image_regions(whole_path, image, reader, maps, kind, threshold)

    def judge(shown, state):
        with whole_path.session() as session:
            judge_part(session, shown, image, state, "AB", run, kind, threshold)

    first = read()
    assert all(each.region == 0 and each.peak >= threshold for each in first.listed)
    assert first.overlap is None
    best = max(first.listed, key=lambda each: each.peak)
    judge(best, RegionState.AGREED)
    second = read()
    assert len(second.listed) == len(first.listed)  # one is the reader's now
    assert second.listed[0].state is RegionState.AGREED
    # a map agrees with its own part by construction: it is not judged by it
    assert (second.is_pointed, second.overlap) == (None, None)
    assert regions_by_image(whole_path) == {}
    assert list(regions_by_image(whole_path, from_maps=True)) == [image]
    with whole_path.session() as session:
        drawn = regions.add(session, [NewRegion(image, best.outline, RegionState.DRAWN)], "AB")
    assert read().is_pointed
    assert 0 < read().overlap.dice <= 1
    with whole_path.session() as session:
        regions.remove(session, drawn[0], "AB")
    other = read("CD")  # another reader sees it, and is still asked
    assert len(other.listed) == len(first.listed) + 1
    judge(second.listed[0], RegionState.REJECTED)
    assert read().listed[0].state is RegionState.REJECTED
    assert read().overlap is None
    with whole_path.session() as session:
        (row,) = regions.of_images(session, [image])
    assert (row.run_id, row.score, row.threshold) == (run, str(kind), pytest.approx(threshold))
