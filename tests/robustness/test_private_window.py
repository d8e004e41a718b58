"""What a window writes of planted images names nobody, and a name that it wrote is found."""

from __future__ import annotations

import pytest

from tests.robustness import private_window
from tests.robustness.small_project import make_scored_project


@pytest.mark.slow
def test_a_window_writes_no_planted_identity(qapp):
    found = private_window.window_test()
    assert found.failures == ()
    assert found.survived == found.tried > 1500
    assert found.facts["files searched"] > 40


@pytest.mark.slow
def test_an_identity_that_a_window_writes_is_found(qapp, monkeypatch):
    def leaking(place, reader):
        folder = make_scored_project(place, reader)
        (folder / "notes.txt").write_bytes("王祕密".encode("utf-16-le"))
        return folder

    monkeypatch.setattr(private_window, "make_scored_project", leaking)
    found = private_window.window_test()
    assert found.failures == ("project/notes.txt names the patient: 王祕密",)
