"""The self-test as a hospital's IT runs it: a small seeded sample of each part."""

from __future__ import annotations

import json

import pytest

from amae_engine.cli import main

pytest.importorskip("resource", reason="needs POSIX resource limits, absent on Windows")


def _told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told: dict[str, object] = json.loads(lines[-1])
    return told


def test_killed_work_loses_nothing_and_ends_with_the_same_bits(capsys):
    assert main(["selftest", "crash", "--kills", "8", "--seed", "3", "--json"]) == 0
    told = _told(capsys)
    assert told["tried"] == told["survived"] == 8
    assert (
        told["facts"]["while at work"] >= 2
    )  # some come too late, and then nothing is lost either


def test_faults_end_in_sentences(capsys):
    assert main(["selftest", "faults", "--json"]) == 0
    told = _told(capsys)
    assert told["tried"] + len(told["skipped"]) == 7


def test_damaged_files_of_every_kind_are_read_or_refused(capsys):
    assert main(["selftest", "fuzz", "--inputs", "120", "--seed", "7", "--json"]) == 0
    told = _told(capsys)
    assert told["survived"] == 120
    assert 20 < told["facts"]["refused"] < 119


def test_readers_who_are_killed_lose_no_decision(capsys):
    assert main(["selftest", "readers", "--decisions", "40", "--json"]) == 0
    told = _told(capsys)
    assert told["survived"] == told["tried"] >= 160
    assert told["facts"]["readers killed"] >= 1


def test_an_unknown_part_is_refused_with_the_known_ones(capsys):
    assert main(["selftest", "soup"]) == 1
    assert "crash, faults, fuzz, readers" in capsys.readouterr().err


def test_a_failure_is_counted_and_ends_the_command_with_1(monkeypatch, capsys):
    """The self-test sees what it is there to see: decisions that a catalog swallows."""
    from amae_engine.selftest import faults

    monkeypatch.setattr(faults, "_copied_while_open", lambda _place: "half of it is gone")
    assert main(["selftest", "faults", "--json"]) == 1
    told = _told(capsys)
    assert told["survived"] == told["tried"] - 1
    assert "half of it is gone" in told["failures"][0]
