"""A model file: written, checked, applied; nothing that is not whole or not ours is used."""

import csv
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from demo_images import DEMO, demo_files, finish
from images_in_dicom import write_dicom
from PIL import Image

from amae_engine.catalog import image_tables, scores
from amae_engine.catalog.tables import Split
from amae_engine.cli import main
from amae_engine.config import (
    Precision,
    Reconstructs,
    ScoreConfig,
    ScoreKind,
    ScoreStep,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.errors import BadInput, ProjectError
from amae_engine.jobs.model_files import apply_model as apply_model_module
from amae_engine.jobs.model_files.apply_model import Outputs, apply_model
from amae_engine.jobs.model_files.load_model import load_model
from amae_engine.jobs.model_files.model_answers import about, read_by
from amae_engine.jobs.model_files.model_sources import FileSource
from amae_engine.jobs.model_files.read_model import (
    facts_digest,
    read_model,
    with_digest,
)
from amae_engine.jobs.model_files.write_model import write_model
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.runs.record import MODEL_FACTS

CPU = torch.device("cpu")
SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)


@pytest.fixture
def model(whole_path: Project, tmp_path: Path) -> Path:
    return finish(write_model(whole_path, tmp_path / "chest.amae"))[0]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six of the demo's test images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for file in demo_files(0, 0, 6):
        shutil.copy(file.path, folder)
    return folder


def _rows(path: Path) -> list[dict[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def _apply(model: Path, images: Path, table: Path, **outputs) -> object:
    return finish(apply_model(model, FileSource([images]), Outputs(table, **outputs)))[0]


@pytest.mark.parametrize("kind", ["pixels", "tokens", "without stage 2"])
def test_a_model_gives_the_scores_that_the_project_gives(
    whole_path: Project, tmp_path: Path, kind: str
):
    if kind == "tokens":
        tokens = Stage2Config(reconstructs=Reconstructs.TOKENS, training=SHORT)
        finish(train_stage2(whole_path, tokens))
    config = ScoreConfig(without_stage2=kind == "without stage 2", precision=Precision.FLOAT32)
    run, _ = finish(score_images(whole_path, config))
    path, _ = finish(write_model(whole_path, tmp_path / "m.amae", run))
    loaded = load_model(path, CPU, with_maps=True)
    assert loaded.deviations == ()
    with whole_path.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        known = {
            k: scores.of_images(session, run, k, table.ids) for k in scores.kinds(session, run)
        }
    made = loaded.detector.rate(whole_path.pixels.read(table.store_rows), None)
    assert set(made.scores) == set(known) == set(loaded.model.kinds)
    for score, values in known.items():
        # stage 1 ran in this machine's own number format
        bound = values.std() * (0.1 if score.step is ScoreStep.STAGE1 else 1e-3)
        np.testing.assert_allclose(made.scores[score], values, atol=bound, err_msg=score)
    assert (ScoreKind.DISCREPANCY in made.maps) == (kind != "without stage 2")


def test_one_image_and_many_agree(model: Path, whole_path: Project):
    detector = load_model(model, CPU).detector
    with whole_path.session() as session:
        rows = image_tables.images_in(session, Split.NORMAL).store_rows
    stored = whole_path.pixels.read(rows)
    together = detector.rate(stored, None).scores
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))  # one where there were more, else two
    alone = [detector.rate(stored[i : i + 1], None).scores for i in range(len(stored))]
    torch.set_num_threads(threads)
    for kind, values in together.items():
        gap = np.abs(values - np.concatenate([each[kind] for each in alone])).max()
        assert gap <= 1e-3 * values.std(), kind


def test_nothing_of_a_patient_or_a_place_is_inside(model: Path, whole_path: Project):
    with zipfile.ZipFile(model) as zipped:
        content = b"".join(zipped.read(name) for name in zipped.namelist())
    for secret in (str(whole_path.folder), str(DEMO), "/tmp", whole_path.key.hex()):
        assert secret.encode() not in content
    facts = read_model(model).facts
    assert facts["training"]["stage1"]["images"] == {"normal": 20, "unlabeled": 10}
    assert facts["measured"]["on"].startswith("5 normal + 5 abnormal test images")
    assert all(len(p["scores"]) <= p["images"] // 5 for p in facts["percentiles"].values())


def test_a_table_has_a_row_a_file(model: Path, images: Path, tmp_path: Path):
    (images / "empty.png").write_bytes(b"")
    found = _apply(model, images, tmp_path / "s.csv", maps=tmp_path / "maps", dicom=tmp_path / "d")
    assert (found.scored, sum(found.refused.values()), found.before) == (6, 1, 0)
    rows = _rows(tmp_path / "s.csv")
    assert [row["file"] for row in rows] == sorted(path.name for path in images.iterdir())
    by_name = {row["file"]: row for row in rows}
    assert by_name["empty.png"]["status"] == "refused"
    assert by_name["empty.png"]["reason"]
    scored = [row for row in rows if row["status"] == "scored"]
    assert all(float(row["discrepancy"]) > 0 and row["percentile"] for row in scored)
    assert len(list((tmp_path / "maps").glob("*.png"))) == 6
    made = sorted((tmp_path / "d").rglob("*.dcm"))
    assert len(made) == 4 * 6
    report = pydicom.dcmread(next(path for path in made if path.name == "report.dcm"))
    content = report.to_json()
    assert "Scores of model chest" in content
    assert "normal_" not in content  # what the files are called
    assert not report.PatientName or str(report.PatientName).startswith("AMAE-")


def test_what_was_stopped_goes_on(model: Path, images: Path, tmp_path: Path, monkeypatch):
    table = tmp_path / "s.csv"
    whole = _apply(model, images, tmp_path / "whole.csv")
    assert whole.scored == 6
    monkeypatch.setattr("amae_engine.jobs.importing.decode_ahead.BATCH", 2)
    monkeypatch.setattr(apply_model_module, "_SECONDS_BETWEEN_EVENTS", 0.0)
    job = apply_model(model, FileSource([images]), Outputs(table))
    for event in job:
        if getattr(event, "done", 0) >= 2:
            break
    job.close()
    before = len(_rows(table))
    assert 0 < before < 6
    with table.open("a") as file:
        file.write("normal_9")  # what a killed process had half written
    found, _ = finish(apply_model(model, FileSource([images]), Outputs(table)))
    assert (found.scored, found.before) == (6 - before, before)
    assert [r["file"] for r in _rows(table)] == [r["file"] for r in _rows(tmp_path / "whole.csv")]
    again, _ = finish(apply_model(model, FileSource([images]), Outputs(table)))
    assert (again.scored, again.before) == (0, 6)


def test_a_table_of_something_else_is_left_alone(model: Path, images: Path, tmp_path: Path):
    table = tmp_path / "s.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="no table of this model"):
        _apply(model, images, table)
    assert table.read_text() == "a,b\n1,2\n"


def test_a_full_disk_is_said_and_the_rows_are_kept(
    model: Path, images: Path, tmp_path: Path, monkeypatch
):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(apply_model_module, "_write", full)
    with pytest.raises(ProjectError, match="disk with s.csv is full.*same command again"):
        _apply(model, images, tmp_path / "s.csv")


def _changed(model: Path, path: Path, change) -> Path:
    """A copy with members changed by a function of {name: bytes}."""
    with zipfile.ZipFile(model) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return path


def _facts(change):
    def apply(members):
        facts = json.loads(members[MODEL_FACTS])
        facts.pop("digest")
        change(facts)
        members[MODEL_FACTS] = json.dumps(with_digest(facts)).encode()

    return apply


def _flip(members):
    content = members["module_a.safetensors"]
    members["module_a.safetensors"] = content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


def _swap(members):
    """Another network's classifier, with digests that fit."""
    content = members["start.safetensors"]
    members["classifier.safetensors"] = content
    import hashlib

    stated = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    _facts(lambda facts: facts["members"].update(classifier=stated))(members)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_facts(lambda facts: facts.update(format=99)), "newer AMAE"),
        (_flip, "is not the file that the model names"),
        (lambda m: m.pop("module_b.safetensors"), "does not hold the files"),
        (lambda m: m.update({"extra.py": b"print()"}), "does not hold the files"),
        (lambda m: m.update({MODEL_FACTS: m[MODEL_FACTS].replace(b'"side": 256', b'"side": 255')}), "was changed"),
        (_facts(lambda facts: facts["members"].pop("arrays")), "lacks parts"),
        (_facts(lambda facts: facts.pop("scores")), "no model of AMAE, or is damaged"),
        (_facts(lambda facts: facts["shipped"].update(
            encoder={"ships_as": "foundation", "sha256": "0"})), "another one. Use that version"),
        (_swap, "belong to another encoder"),
        (lambda m: m.update({MODEL_FACTS: b"[" * 100_000}), "damaged"),
        (lambda m: m.update({MODEL_FACTS: b"[]"}), "damaged"),
    ],
)  # fmt: skip
def test_a_changed_model_is_refused(model: Path, tmp_path: Path, change, said: str):
    wrong = _changed(model, tmp_path / "wrong.amae", change)
    with pytest.raises(BadInput, match=said):
        load_model(wrong, CPU)


def test_a_cut_model_is_refused_wherever_it_ends(model: Path, tmp_path: Path):
    content, cut = model.read_bytes(), tmp_path / "cut.amae"
    for share in (0, 0.01, 0.3, 0.9, 0.999):
        cut.write_bytes(content[: int(share * len(content))])
        with pytest.raises(BadInput, match=r"cut\.amae"):
            load_model(cut, CPU)
    with pytest.raises(BadInput, match="gone.amae"):
        read_model(tmp_path / "gone.amae")


def test_numbers_of_another_machine_are_stated(model: Path, tmp_path: Path):
    def other(facts):
        facts["reference"]["mahalanobis"][0] *= 1.2

    loaded = load_model(_changed(model, tmp_path / "m.amae", _facts(other)), CPU)
    assert len(loaded.deviations) == 1
    assert "Feature distance of the model's reference images deviates" in loaded.deviations[0]
    facts = {"b": 1, "a": 2}
    assert facts_digest(facts) == facts_digest(dict(reversed(facts.items())))


def test_images_unlike_those_that_were_learnt_are_rated_and_said(model: Path, tmp_path: Path):
    def adults(facts):
        facts["intended"].update(age_band=["40–59"], view=["PA"])

    folder = tmp_path / "dicom"
    folder.mkdir()
    write_dicom(folder, 1, PatientAge="007Y", ViewPosition="AP")
    found = _apply(_changed(model, tmp_path / "m.amae", _facts(adults)), folder, tmp_path / "s.csv")
    assert found.scored == 1
    reason = _rows(tmp_path / "s.csv")[0]["reason"]
    assert "age 0–17; the model learnt from age 40–59" in reason
    assert "view AP; the model learnt from view PA" in reason


def test_the_commands(whole_path: Project, images: Path, tmp_path: Path, capsys):
    model, table = tmp_path / "chest.amae", tmp_path / "s.csv"
    folder = str(whole_path.folder)
    assert main(["model", "export", str(model), "--project", folder, "--run", "3"]) == 0
    assert main(["model", "show", str(model)]) == 0
    said = capsys.readouterr().out
    assert "stage 1 learnt from 20 normal, 10 unlabeled images" in said.lower()
    assert main(["model", "verify", str(model)]) == 0
    assert "every part is as it was written" in capsys.readouterr().out
    command = ["apply", str(model), str(images), "--csv", str(table), "--json"]
    assert main(command) == 0
    assert '"scored": 6' in capsys.readouterr().out
    assert len(_rows(table)) == 6
    assert main(["apply", str(model), "--csv", str(table)]) == 1
    assert "Give images" in capsys.readouterr().err
    assert main(["model", "export", str(tmp_path / "m.zip"), "--project", folder]) == 1
    assert "ends in .amae" in capsys.readouterr().err
    (tmp_path / "nothing").mkdir()
    assert main(["apply", str(model), str(tmp_path / "nothing"), "--csv", str(table)]) == 1
    assert "holds no DICOM" in capsys.readouterr().err


def test_a_score_is_read_by_percentile_probability_and_locked_point(model: Path, tmp_path: Path):
    def judged(facts):
        leading = facts["leading"]["score"]
        facts["calibration"] = {
            leading: {"slope": 1.0, "offset": 0.0, "centre": 0.5, "width": 2.0, "on": "6 images"}
        }
        facts["locked"] = [{"kind": leading, "threshold": 0.7, "chosen_on": "6 images"}]
        facts["percentiles"] = {leading: {"images": 20, "shares": [25, 75], "scores": [0.0, 1.0]}}

    read = read_model(_changed(model, tmp_path / "m.amae", _facts(judged)))
    assert read_by(read, 0.5) == {"percentile": "50.0", "probability": "0.5000", "call": "normal"}
    assert read_by(read, 0.7)["call"] == "abnormal"
    assert read_by(read, 3.0)["percentile"] == ">75.0"
    assert "call: abnormal from 0.7, chosen on 6 images" in about(read)
    assert set(read_by(read_model(model), 0.5).values()) >= {""}  # what has no basis is not said


def test_a_locked_zip_is_no_model(model: Path, tmp_path: Path):
    content = bytearray(model.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags] |= 1  # "encrypted"
    locked = tmp_path / "locked.amae"
    locked.write_bytes(content)
    with pytest.raises(BadInput, match="no model of AMAE, or is damaged"):
        read_model(locked)


def test_odd_pictures_are_rated_or_refused_and_a_row_is_no_comment(
    model: Path, images: Path, tmp_path: Path
):
    picture = Image.open(next(images.iterdir())).convert("RGB")
    folder = tmp_path / "odd"
    folder.mkdir()
    picture.save(folder / "#colour.png")
    Image.new("L", (1, 1)).save(folder / "one.png")
    found = _apply(model, folder, tmp_path / "s.csv")
    assert (found.scored, sum(found.refused.values())) == (1, 1)
    assert any("too small for an image" in reason for reason in found.refused)
    again = _apply(model, folder, tmp_path / "s.csv")
    assert (again.scored, again.before) == (0, 2)


def test_a_model_that_cannot_be_loaded_begins_no_table(model: Path, images: Path, tmp_path: Path):
    wrong = _changed(model, tmp_path / "wrong.amae", _flip)
    with pytest.raises(BadInput, match="not the file"):
        _apply(wrong, images, tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
