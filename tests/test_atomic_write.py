"""A file is whole or what it was before."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from amae_engine.atomic_write import atomic_write, is_unfinished, write_arrays, write_text


def test_an_error_leaves_the_old_file_alone(tmp_path: Path):
    path = tmp_path / "table.csv"
    write_text(path, "old")
    with suppress(RuntimeError), atomic_write(path) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError("the disk is full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_cut_short_has_another_name(tmp_path: Path):
    path = tmp_path / "a.npz"
    with atomic_write(path) as unfinished:
        assert is_unfinished(unfinished)
        assert not list(tmp_path.glob("*.npz"))
        assert not path.exists()
        with unfinished.open("wb") as file:
            np.savez(file, n=np.arange(3))
    assert np.load(path)["n"].tolist() == [0, 1, 2]
    assert not is_unfinished(path)


def test_the_content_is_on_the_disk_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done: list[str] = []
    flush, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("fsync"), flush(number))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (done.append("replace"), replace(self, to))[1]
    )
    write_arrays(tmp_path / "a.npz", {"n": np.arange(3)})
    assert done[:2] == ["fsync", "replace"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX rights and links")
def test_rights_and_a_planted_link(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.write_text("somebody else's")
    path = tmp_path / "key"
    (tmp_path / "key.part").symlink_to(outside)
    with atomic_write(path, 0o600) as unfinished:
        assert unfinished.stat().st_mode & 0o777 == 0o600
        unfinished.write_text("mine")
    assert outside.read_text() == "somebody else's"
    assert path.read_text() == "mine"
