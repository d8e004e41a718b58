"""Where originals lie: a journal a machine, readable while others write."""

from pathlib import Path

import pytest

from amae_engine.originals import Originals


@pytest.fixture
def private(tmp_path: Path) -> Path:
    (tmp_path / "private").mkdir()
    return tmp_path / "private"


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("pixels")
    return path


def test_the_newest_place_counts_and_a_moved_original_is_missing(private: Path, tmp_path: Path):
    originals = Originals(private)
    originals.remember({1: _file(tmp_path, "a"), 2: _file(tmp_path, "b")})
    assert originals.path(1) == tmp_path / "a"
    (tmp_path / "a").rename(tmp_path / "moved")
    assert originals.missing() == {1: tmp_path / "a"}
    originals.remember({1: tmp_path / "moved"})
    assert originals.missing() == {}
    originals.forget([2])
    assert originals.path(2) is None


def test_two_machines_write_and_each_reads_both(private: Path, tmp_path: Path, monkeypatch):
    one = Originals(private)
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    two = Originals(private)
    one.remember({1: _file(tmp_path, "a")})
    two.remember({2: _file(tmp_path, "b")})
    assert one.path(2) == tmp_path / "b"
    assert two.path(1) == tmp_path / "a"
    two.remember({1: _file(tmp_path, "c")})
    assert one.path(1) == tmp_path / "c"
    assert len(list((private / "paths").iterdir())) == 2


def test_a_line_that_a_crash_cut_short_is_left_out(private: Path, tmp_path: Path):
    originals = Originals(private)
    originals.remember({1: _file(tmp_path, "a")})
    journal = next((private / "paths").iterdir())
    with journal.open("a") as file:
        file.write('[2, "/half')
    assert originals.path(1) == tmp_path / "a"
    assert originals.path(2) is None
    originals.remember({3: _file(tmp_path, "c")})
    assert originals.path(3) == tmp_path / "c"
    assert originals.path(1) == tmp_path / "a"
