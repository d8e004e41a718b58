"""An import whose files are decoded by several processes, as on several machines (gloo)."""

import csv
from pathlib import Path

import pytest
from demo_images import DEMO
from ranks import run_ranks
from sqlalchemy import select

from amae_engine import processes
from amae_engine.catalog.tables import Image
from amae_engine.cli import main
from amae_engine.jobs.importing import decode_ahead as decode_ahead_module
from amae_engine.jobs.importing.decode_ahead import decode_ahead
from amae_engine.project import Project
from tests.benchmarks.importing import write_uncompressed

_OWN = (
    "patient_id",
    "study_id",
    "sop_key",
    "pixel_hash",
    "source",
    "added_at",
)  # keyed, or the time


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's pictures, some DICOM, one file twice, one that is cut short, one that is not there."""
    from PIL import Image as Picture

    folder = tmp_path_factory.mktemp("files")
    with (DEMO / "manifest.csv").open(encoding="utf-8") as lines:
        rows = [
            (DEMO / row["file"], row["split"], row["truth"], row["patient"])
            for row in csv.DictReader(lines)
        ]
    for number, row in enumerate(rows[::40]):
        dicom = folder / f"{number}.dcm"
        write_uncompressed(
            dicom,
            Picture.open(row[0]).convert("L").transpose(Picture.Transpose.FLIP_TOP_BOTTOM),
            number,
        )
        rows.insert(17 * number, (dicom, row[1], row[2], f"d{number}"))
    cut = folder / "cut.jpeg"
    cut.write_bytes(Path(rows[5][0]).read_bytes()[:900])
    rows[100:100] = [(cut, "unlabeled", "", "c"), rows[3], (folder / "gone.png", "test", "0", "g")]
    path = folder / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("file", "split", "truth", "patient"), *rows])
    return path


def _import(folder: Path, table: Path, processes: int = 0) -> Project:
    arguments = ["import", str(table), "--project", str(folder), "--outside", "--source", "x"]
    arguments += ["--report", str(folder) + ".csv"]
    if not processes:
        assert main(arguments) == 0
    else:
        run_ranks(processes, [*arguments, "--processes", "1"])
    return Project.open(folder)


def _rows(project: Project) -> list[tuple[object, ...]]:
    columns = [c for c in Image.__table__.columns if c.key not in _OWN]
    with project.session() as session:
        return [tuple(row) for row in session.execute(select(*columns).order_by(Image.id))]


def test_three_processes_bring_in_what_one_brings_in(tmp_path: Path, table: Path):
    one, three = _import(tmp_path / "one", table), _import(tmp_path / "three", table, 3)
    assert _rows(one) == _rows(three)
    assert len(_rows(one)) > 230
    for name in ("images.u8", "fingerprints.u64"):
        files = [(project.folder / "pixels" / name).read_bytes() for project in (one, three)]
        assert files[0] == files[1], name
    reports = [
        Path(f"{project.folder}.csv").read_text(encoding="utf-8") for project in (one, three)
    ]
    assert reports[0] == reports[1]
    assert "refused" in reports[0]
    assert "duplicate" in reports[0]


def test_every_file_is_decoded_by_one_process(monkeypatch: pytest.MonkeyPatch):
    """Each of three processes in turn, without a group: their shares are all files, once."""
    monkeypatch.setattr(decode_ahead_module, "BATCH", 4)
    paths = [Path(str(number)) for number in range(30)]
    decoded: list[list[str]] = []

    def decode(chosen, _side, _at_once):
        decoded.append([path.name for path in chosen])
        return iter(decoded[-1])

    monkeypatch.setattr(decode_ahead_module, "decode_all", decode)
    monkeypatch.setattr(processes, "world_size", lambda: 3)
    monkeypatch.setattr(processes, "gather", lambda value: [value])
    rounds = []
    for rank in range(3):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        rounds.append([given[0] for given in decode_ahead_module._decode_share(paths, 256, 1)])
    assert sorted(int(name) for some in decoded for name in some) == list(range(30))
    in_order = [name for each in zip(*rounds, strict=True) for batch in each for name in batch]
    assert list(map(int, in_order)) == list(range(30))


def test_paths_are_reported_in_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decode_ahead_module, "_TOLD", 10)
    monkeypatch.setattr(decode_ahead_module, "BATCH", 4)
    monkeypatch.setattr(
        decode_ahead_module, "decode_all", lambda paths, *_: iter([path.name for path in paths])
    )
    batches = list(decode_ahead(range(23), lambda number: Path(str(number)), 256))
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2, 3]
    assert [int(name) for batch in batches for _, name in batch] == list(range(23))
