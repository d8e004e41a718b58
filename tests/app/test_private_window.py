"""What a window writes of planted images names nobody, and a name that it wrote is found."""

from __future__ import annotations

import json

from amae_app import private_window
from amae_engine.selftest.small_project import make_scored_project


def test_a_window_writes_no_planted_identity(capsys, qapp):
    assert private_window.private_window(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["survived"] == told["tried"] > 1500
    assert told["files searched"] > 40


def test_an_identity_that_a_window_writes_is_found(capsys, qapp, monkeypatch):
    def leaking(place, reader):
        folder = make_scored_project(place, reader)
        (folder / "notes.txt").write_bytes("王祕密".encode("utf-16-le"))
        return folder

    monkeypatch.setattr(private_window, "make_scored_project", leaking)
    assert private_window.private_window([]) == 1
    assert "project/notes.txt names the patient: 王祕密" in capsys.readouterr().out
