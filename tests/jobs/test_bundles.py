"""Bundles without pixels and names are made again elsewhere; shared copies name nobody."""

import json
import shutil
import sqlite3
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from demo_images import DEMO, demo_files, finish
from PIL import Image

from amae_engine.catalog import decisions, image_tables, regions, tags
from amae_engine.catalog.chain import verify_chains
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import Split
from amae_engine.cli import main
from amae_engine.config import (
    PseudoLabelConfig,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.errors import BadInput, ProjectError
from amae_engine.evaluation.regions import box_outline
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import Twins
from amae_engine.jobs.importing.undo_import import undo_import
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.sharing.read_bundle import project_of_bundle, read_bundle
from amae_engine.jobs.sharing.rerun_bundle import rerun_bundle
from amae_engine.jobs.sharing.share_project import share_project
from amae_engine.jobs.sharing.write_bundle import write_bundle
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project

PLANTED = "Mueller_Hans_1955"


@pytest.fixture
def named(whole_path: Project, tiny_weights: Path, tmp_path: Path) -> Project:
    """A whole project in which readers and paths name a patient wherever they can."""
    with whole_path.session() as session:
        image = int(image_tables.images_in(session, Split.TEST).ids[0])
        new = NewRegion(
            image, box_outline(0, 0, 0.5, 0.5), RegionState.DRAWN, f"{PLANTED}, effusion"
        )
        regions.add(session, [new], "AB")
        regions.note_image(session, image, PLANTED, "AB")
        tags.add_tag(session, [image], PLANTED.lower(), "AB")
        tags.save_filter(session, PLANTED, f"tag:{PLANTED}")
    whole_path.source_names.code(PLANTED)
    place = tmp_path / PLANTED
    place.mkdir()
    shutil.copy(tiny_weights, place / "tiny.safetensors")
    with (whole_path.run_folder(1) / "weights.safetensors").open("r+b") as file:
        content = file.read()
        before = str(tiny_weights.parent).encode()
        file.seek(0)
        file.write(content.replace(before, f"/{PLANTED}".encode().ljust(len(before), b"/")))
    for run in (1, 2, 3):
        path = whole_path.run_folder(run) / "run.json"
        facts = json.loads(path.read_text())
        if "weights" in facts["config"]:
            facts["config"]["weights"] = str(place / "tiny.safetensors")
            path.write_text(json.dumps(facts))
    database = sqlite3.connect(whole_path.folder / "catalog.sqlite")
    (text,) = database.execute("SELECT config FROM run WHERE id = 1").fetchone()
    config = json.loads(text)
    config["weights"] = str(place / "tiny.safetensors")
    database.execute(
        "UPDATE run SET config = ?, error = ? WHERE id = 1", (json.dumps(config), PLANTED)
    )
    database.commit()
    database.close()
    return whole_path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The demo's images under other names, in another order."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    paths = sorted((DEMO / "images").glob("*.jpeg"))
    for number, place in enumerate(np.random.default_rng(3).permutation(len(paths)).tolist()):
        shutil.copy(paths[place], folder / f"x{number:04d}.jpeg")
    return folder


def last_json(told: str) -> dict:
    """What a command says at its end, after its events."""
    return json.loads(told[("\n" + told).rindex("\n{\n") :])


def holds(folder: Path) -> list[str]:
    """The files that name the patient, in any case or in UTF-16."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes().lower() if path.is_file() else b""
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as zipped:
                content = b"".join(zipped.read(n) for n in zipped.namelist()).lower()
        name = PLANTED.lower()
        if name.encode() in content or name.encode("utf-16-le") in content:
            found.append(str(path.relative_to(folder)))
    return found


@pytest.mark.parametrize("weights", [False, True])
def test_a_bundle_is_made_again_in_another_folder_to_the_last_bit(
    named: Project, elsewhere: Path, tiny_weights: Path, tmp_path: Path, weights: bool, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    path = out / "result.zip"
    arguments = ["bundle", str(path), "--project", str(named.folder), "--json"]
    assert main([*arguments, *(["--weights"] if weights else [])]) == 0
    assert last_json(capsys.readouterr().out)["bytes"] == path.stat().st_size
    assert holds(out) == []
    with zipfile.ZipFile(path) as zipped:
        names = zipped.namelist()
    assert any(name.endswith(".safetensors") for name in names) is weights
    assert not [n for n in names if "maps" in n or "preview" in n or n.endswith((".jpeg", ".npy"))]
    again = tmp_path / "again"
    command = ["rerun", str(path), "--images", str(elsewhere), "--project", str(again)]
    assert main([*command, "--weights", str(tiny_weights), "--json"]) == 0
    found = last_json(capsys.readouterr().out)
    results = [(a["run_id"], r) for a in found["agreements"] for r in a["results"]]
    assert [each for each in results if not each[1]["is_identical"]] == []
    assert found["identical"]
    assert len(found["agreements"]) == 3
    assert all(len(each["results"]) > 1 for each in found["agreements"])
    project = Project.open(again)
    mine, theirs = (evaluate_run(each, run) for each, run in ((named, 3), (project, 6)))
    assert [s.auc.value for s in mine.scores] == [s.auc.value for s in theirs.scores]
    with named.session() as one, project.session() as two:
        assert list(decisions.current(one).values()) == list(decisions.current(two).values())
        assert [r.note for r in regions.of_images(two)] == [""]
        assert verify_chains(two).problems == ()
    project.close()


def test_bad_bundles_are_said(
    named: Project, elsewhere: Path, tmp_path: Path, tiny_weights: Path, capsys
):
    path = tmp_path / "result.zip"
    finish(write_bundle(named, path))
    cut = tmp_path / "cut.zip"
    cut.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(BadInput, match="no bundle of AMAE, or is damaged"):
        read_bundle(cut)
    newer = tmp_path / "newer.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "bundle.json":
                content = json.dumps({**json.loads(content), "format": 99}).encode()
            new.writestr(name, content)
    with pytest.raises(BadInput, match="newer AMAE"):
        read_bundle(newer)
    with pytest.raises(BadInput, match="cannot be read"):
        read_bundle(tmp_path / "gone.zip")
    for file in sorted(elsewhere.iterdir())[:60]:
        file.unlink()
    with pytest.raises(BadInput, match=r"of the bundle's 40 images are not in elsewhere"):
        finish(rerun_bundle(path, elsewhere, tmp_path / "again", [tiny_weights]))
    assert not (tmp_path / "again").exists()
    assert main(["rerun", str(path)]) == 1
    assert "give --images FOLDER" in capsys.readouterr().err
    assert main(["rerun", "3"]) == 1
    assert "give --project FOLDER" in capsys.readouterr().err


def _with_settings(bundle: Path, target: Path, **settings: object) -> Path:
    """A copy whose stage-1 run has other settings."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "bundle.json":
                facts = json.loads(content)
                for run in facts["runs"]:
                    if run["kind"] == "stage1":
                        run["config"] |= settings
                content = json.dumps(facts).encode()
            new.writestr(name, content)
    return target


@pytest.mark.parametrize(
    "settings",
    [
        {"weights": "/etc/passwd"},
        {"weights": "runs/001/mine.pth"},
        {"encoder": "mine.safetensors"},
        {"encoder": "timm:vit_small_patch14_dinov2=mine.pth"},
        {"encoder": "timm:hf-hub:somebody/model"},
        {"encoder": "timm:vit_small_patch14_dinov2"},
    ],
)
def test_a_bundle_chooses_no_file_and_no_hub(
    named: Project, elsewhere: Path, tmp_path: Path, tiny_weights: Path, settings: dict[str, str]
):
    path = tmp_path / "result.zip"
    finish(write_bundle(named, path))
    bad = _with_settings(path, tmp_path / "bad.zip", **settings)
    with pytest.raises(BadInput, match="neither AMAE's own nor in the bundle"):
        finish(rerun_bundle(bad, elsewhere, tmp_path / "again", [tiny_weights]))
    assert not (tmp_path / "again").exists()


def test_of_a_bundle_only_known_files_are_taken_and_weights_by_their_digests(
    named: Project, elsewhere: Path, tmp_path: Path, tiny_weights: Path
):
    path, other = tmp_path / "result.zip", tmp_path / "other.zip"
    finish(write_bundle(named, path, with_weights=True))
    shutil.copy(path, other)
    with zipfile.ZipFile(other, "a") as bundle:
        bundle.writestr("runs/001/evil.pth", b"code")
        bundle.writestr("runs/001/evil.safetensors", b"code")
    project, _ = finish(project_of_bundle(read_bundle(other), elsewhere, tmp_path / "new"))[0]
    assert not list(project.folder.rglob("evil*"))
    assert list(project.folder.rglob("module_a.safetensors"))
    project.close()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "swapped.zip", "w") as new:
        for name in old.namelist():
            is_module = name.endswith("module_b.safetensors")
            new.writestr(name, tiny_weights.read_bytes() if is_module else old.read(name))
    with pytest.raises(BadInput, match="is not the file that its results.json names"):
        finish(project_of_bundle(read_bundle(tmp_path / "swapped.zip"), elsewhere, tmp_path / "x"))


def test_a_result_that_was_changed_is_found(
    named: Project, elsewhere: Path, tiny_weights: Path, tmp_path: Path
):
    path, forged = tmp_path / "result.zip", tmp_path / "forged.zip"
    finish(write_bundle(named, path))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "runs/003/scores.json":
                values = json.loads(content)
                first = next(iter(values.values()))["values"]
                first[0] += 3 * (max(first) - min(first))
                content = json.dumps(values).encode()
            new.writestr(name, content)
    job = rerun_bundle(forged, elsewhere, tmp_path / "again", [tiny_weights])
    (project, agreement), _ = finish(job)
    project.close()
    assert not agreement.is_identical
    assert not agreement.is_within_bound
    assert any("beyond the bound" in line for line in agreement.lines())


def test_a_half_written_bundle_is_not_left(named: Project, tmp_path: Path):
    job = write_bundle(named, tmp_path / "result.zip")
    next(job)
    next(job)
    job.close()
    assert not list(tmp_path.glob("result*"))


def test_a_shared_copy_names_nobody_and_works(named: Project, tmp_path: Path, capsys):
    target = tmp_path / "copy"
    assert main(["share", str(target), "--project", str(named.folder), "--reader", "AB"]) == 0
    assert "40 images" in capsys.readouterr().out
    assert holds(target) == []
    assert holds(named.folder)  # what was planted is there
    assert [p.name for p in (target / "private").iterdir() if p.name != "key"] in (
        [],
        ["window.lock"],
    )
    assert (target / "private" / "key").read_bytes() != (
        named.folder / "private" / "key"
    ).read_bytes()
    copy = Project.open(target)
    mine, theirs = evaluate_run(named, 3), evaluate_run(copy, 3)
    assert [s.auc.value for s in mine.scores] == [s.auc.value for s in theirs.scores]
    with named.session() as one, copy.session() as two:
        assert decisions.current(one) == decisions.current(two)
        assert [r.outline for r in regions.of_images(two) if r.outline] == [
            box_outline(0, 0, 0.5, 0.5)
        ]
        assert verify_chains(two).problems == ()
    copy.close()
    assert main(["verify", "--project", str(target)]) == 0
    with pytest.raises(ProjectError, match="outside the project"):
        finish(share_project(named, named.folder / "inside"))
    with pytest.raises(ProjectError, match="not empty"):
        finish(share_project(named, target))
    assert (target / "catalog.sqlite").is_file()


def test_two_images_that_are_stored_alike_are_two_again(
    whole_path: Project, elsewhere: Path, tiny_weights: Path, tmp_path: Path
):
    """One file cannot stand for both; where there are two, both come."""
    with whole_path.session() as session:
        last = int(image_tables.images_in(session, Split.NORMAL).ids[-1])
    grey = np.asarray(Image.open(whole_path.original_path(last)).convert("L"))
    twin = elsewhere / "twin.png"
    Image.fromarray(np.pad(grey, ((0, 0), (0, 1)), mode="edge")).save(twin)
    finish(import_images(whole_path, [SourceFile(twin, "test")], "twin", twins=Twins.KEEP))
    path = tmp_path / "result.zip"
    finish(write_bundle(whole_path, path))
    bundle = read_bundle(path)
    alike = {**bundle.images[-1], "pixels": bundle.images[last - 1]["pixels"]}
    images = [*bundle.images[:-1], alike]
    with pytest.raises(BadInput, match="1 of the bundle's 41 images"):
        finish(project_of_bundle(replace(bundle, images=images), elsewhere, tmp_path / "two"))
    (project, _), _ = finish(project_of_bundle(bundle, elsewhere, tmp_path / "again"))
    assert len(project.pixels) == 41
    project.close()


def test_a_bundle_from_a_server_keeps_its_numbers_gaps_too(
    postgres, elsewhere: Path, tiny_weights: Path, tmp_path: Path
):
    """PostgreSQL never gives a number twice: an import that was taken back leaves a gap."""
    project = Project.create(tmp_path / "server", catalog_url=postgres.new_url())
    finish(import_images(project, demo_files(20, 16, 10)[10:15], "twice"))
    undo_import(project, "AB")
    finish(import_images(project, demo_files(20, 16, 10), "demo"))
    short = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
    labels = PseudoLabelConfig(source="unlabeled", keep_percent=100)
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=short)))
    finish(train_stage2(project, Stage2Config(training=short, pseudo_labels=labels)))
    finish(score_images(project, ScoreConfig()))
    path = tmp_path / "result.zip"
    finish(write_bundle(project, path))
    (again, agreement), _ = finish(
        rerun_bundle(path, elsewhere, tmp_path / "again", [tiny_weights])
    )
    assert [r for a in agreement.agreements for r in a.results if not r.is_identical] == []
    with project.session() as one, again.session() as two:
        ids = [image_tables.images_in(s, Split.TEST).ids.tolist() for s in (one, two)]
    assert ids[0] == ids[1]
    assert ids[0][0] > 5 + 36
    again.close()
    share, _ = finish(share_project(project, tmp_path / "copy"))
    copy = Project.open(share.folder)
    mine, theirs = evaluate_run(project, 3), evaluate_run(copy, 3)
    assert [s.auc.value for s in mine.scores] == [s.auc.value for s in theirs.scores]
    copy.close()
    project.close()
