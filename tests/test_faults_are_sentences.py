"""Bad files end in a sentence that says what, where and what to do; nothing else is lost."""

import csv
import gzip
import json
import os
import pickle
from contextlib import closing
from pathlib import Path

import pytest
import torch
from demo_images import DEMO, TINY, demo_files
from safetensors import safe_open
from safetensors.torch import save_file

from amae_engine.catalog import image_tables, studies
from amae_engine.catalog.tables import Split
from amae_engine.cli import main
from amae_engine.errors import BadInput, BadWeights, ProjectError, translate_os_error
from amae_engine.images.csv_table import CsvColumns, from_csv, header
from amae_engine.images.repartition import from_repartition
from amae_engine.models.checkpoint import load_weights, save_weights
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.project import Project


def _table(path: Path, lines: list[tuple[str, ...]], **how: str) -> Path:
    with path.open("w", newline="", encoding=how.pop("encoding", "utf-8")) as file:
        writer = csv.writer(file, **how)
        writer.writerow(("file", "split", "truth", "patient"))
        writer.writerows(lines)
    return path


def _lines() -> list[tuple[str, ...]]:
    return [(str(f.path.relative_to(DEMO)), f.role, "", f.patient) for f in demo_files(3, 3, 0)]


def _imported(project: Project) -> int:
    with project.session() as session:
        return sum(len(image_tables.images_in(session, split).ids) for split in Split)


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["x" * 5000 + ".png", "/".join("y" * 200 for _ in range(30)), "a\0b.png"]
)
def test_a_name_that_no_system_has_refuses_its_line_alone(
    project: Project, tmp_path: Path, name: str, capsys
):
    table = _table(tmp_path / "t.csv", [*_lines(), (name, "normal", "", "p")])
    place = ("--project", str(project.folder), "--images", str(DEMO))
    assert main(["import", "--csv", str(table), *place, "--dry-run"]) == 0
    assert main(["import", "--csv", str(table), *place]) == 0
    assert _imported(project) == 6
    assert "1 refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    "how",
    [
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"encoding": "cp1252"},
        {"encoding": "utf-16"},
        {"encoding": "utf-16", "delimiter": ";"},
        {"encoding": "utf-8-sig", "delimiter": ";"},
    ],
)
def test_tables_of_spreadsheets_are_read_whatever_their_letters_and_separators(
    tmp_path: Path, how: dict[str, str]
):
    lines = [(*line[:3], "Müller, Åsa") for line in _lines()]
    found = from_csv(_table(tmp_path / "t.csv", lines, **how), CsvColumns(), DEMO)
    assert len(found) == 6
    assert {file.patient for file in found} == {"Müller, Åsa"}
    assert all(file.path.is_file() for file in found)


def test_a_packed_table_that_inflates_without_end_is_refused(tmp_path: Path, monkeypatch):
    from amae_engine.images import csv_table

    monkeypatch.setattr(csv_table, "_MOST_CHARACTERS", 1 << 21)
    many, long = tmp_path / "many.csv.gz", tmp_path / "long.csv.gz"
    with gzip.open(many, "wt") as file:
        file.write("file,split\n")
        file.write(f"{'a' * 200}.png,normal\n" * 12_000)
    with gzip.open(long, "wb") as file:
        file.write(b"file,split\n" + b"a" * (1 << 24))
    with pytest.raises(BadInput, match="more than 2,097,152 characters, unpacked"):
        from_csv(many, CsvColumns(), tmp_path)
    with pytest.raises(BadInput, match="a line has more than 1,048,576 characters"):
        from_csv(long, CsvColumns(), tmp_path)
    assert header(many) == ("file", "split")


def test_a_repartition_nested_without_end_is_refused(tmp_path: Path):
    path = tmp_path / "data.json"
    path.write_text('{"train":' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(BadInput, match="is not a DDAD repartition"):
        from_repartition(path, tmp_path)


# --- paths in tables -----------------------------------------------------------------------------


def test_files_outside_the_images_folder_are_refused_line_by_line(
    project: Project, tmp_path: Path, capsys
):
    inside, outside = tmp_path / "images", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    sources = [file.path for file in demo_files(5, 0, 0)]
    (inside / "own.jpeg").write_bytes(sources[0].read_bytes())
    for number, name in enumerate(("up", "absolute", "link", "folder"), start=1):
        (outside / f"{name}.jpeg").write_bytes(sources[number].read_bytes())
    (inside / "link.jpeg").symlink_to(outside / "link.jpeg")
    (inside / "linked").symlink_to(outside)
    names = (
        "own.jpeg", "../elsewhere/up.jpeg", str(outside / "absolute.jpeg"), "link.jpeg",
        "linked/folder.jpeg",
    )  # fmt: skip
    table = _table(inside / "t.csv", [(name, "normal", "", "") for name in names])
    place = ("--project", str(project.folder), "--images", str(inside))
    report = tmp_path / "report.csv"
    assert main(["import", "--csv", str(table), *place, "--report", str(report)]) == 0
    assert _imported(project) == 1
    assert "4 refused" in capsys.readouterr().err
    assert report.read_text().count("outside the folder with the images") == 4
    assert main(["import", "--csv", str(table), *place, "--dry-run"]) == 0
    assert "left out: 4 ×" in capsys.readouterr().out
    assert main(["import", "--csv", str(table), *place, "--outside"]) == 0
    assert _imported(project) == 5


# --- a project's own files -----------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "[]", '{"side": "x"}', '{"side": -1}', "[" * 100_000])
def test_a_damaged_store_file_is_named(small_project: Project, content: str):
    small_project.close()
    path = small_project.folder / "pixels" / "store.json"
    whole = path.read_text()
    path.write_text(content)
    with pytest.raises(ProjectError, match=r"pixels/store\.json is damaged; restore it"):
        Project.open(small_project.folder)
    path.write_text(whole)
    with closing(Project.open(small_project.folder)) as again:
        assert _imported(again) == 40


@pytest.mark.parametrize("content", ["", "[1]", '{"source 1": 2}', "[" * 100_000])
def test_damaged_source_names_are_named_and_can_be_done_without(
    small_project: Project, content: str
):
    path = small_project.folder / "private" / "sources.json"
    path.write_text(content)
    with (
        pytest.raises(ProjectError, match=r"private/sources\.json is damaged"),
        small_project.session() as session,
    ):
        studies.rows(session, [1])
    path.unlink()
    with small_project.session() as session:
        assert studies.rows(session, [1])[0].source == "source 1"


def test_a_full_disk_inside_torch_is_a_sentence_too(small_project: Project, monkeypatch, capsys):
    from amae_engine.cli import commands

    def fails(_options: object) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed")

    monkeypatch.setattr(commands, "list_runs", fails)
    assert main(["runs", "--project", str(small_project.folder)]) == 1
    assert "The disk is full" in capsys.readouterr().err


def test_the_systems_own_refusals_are_sentences():
    import errno

    full = translate_os_error(OSError(errno.ENOSPC, "No space left on device", "/a/b/MUELLER.png"))
    assert "The disk is full: MUELLER.png could not be written" in str(full)
    assert "/a/b" not in str(full)
    torch_s = RuntimeError("[enforce fail] PytorchStreamWriter failed writing file data/0")
    assert "The disk is full" in str(translate_os_error(torch_s))
    assert translate_os_error(OSError(errno.ENOENT, "No such file", "x")) is None
    assert translate_os_error(ValueError("other")) is None


# --- weights -------------------------------------------------------------------------------------


def test_a_file_that_could_run_code_is_refused_without_torchs_advice(tmp_path: Path):
    class Harmful:
        def __reduce__(self):
            return (os.getcwd, ())

    path = tmp_path / "bad.pth"
    torch.save({"model": Harmful()}, path)
    with pytest.raises(BadWeights, match="could run code that came with it") as told:
        load_weights(path)
    assert "weights_only" not in str(told.value)
    path.write_bytes(pickle.dumps({"model": 1}, protocol=2)[:-3])
    with pytest.raises(BadWeights) as told:
        load_weights(path)
    assert "weights_only" not in str(told.value)


def _changed(path: Path, **model: int) -> Path:
    """Weights whose header states another shape."""
    save_weights(MaskedAutoencoder(TINY), path, {})
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    facts["model"] = json.dumps({**json.loads(facts["model"]), **model})
    save_file(state, path, metadata=facts)
    return path


@pytest.mark.parametrize(
    "model",
    [
        {"encoder_width": 65536, "encoder_heads": 64},
        {"encoder_depth": 4000},
        {"decoder_width": 65536, "decoder_heads": 64},
        {"image_size": 2**20},
    ],
)
def test_a_stated_shape_that_is_not_the_weights_asks_for_no_memory(tmp_path: Path, model):
    path = _changed(tmp_path / "w.safetensors", **model)
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadWeights, match="stored shape is damaged"):
        load_weights(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_weights_without_patches_are_no_vision_transformer(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    facts = {"format": "amae-mae-1", "model": TINY.to_json()}
    save_file({"norm.weight": torch.zeros(48)}, path, metadata=facts)
    with pytest.raises(BadWeights, match="not a vision transformer"):
        load_weights(path)
