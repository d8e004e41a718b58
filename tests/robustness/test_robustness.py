"""A small seeded sample of each robustness test."""

from __future__ import annotations

import json

import pytest

from tests.robustness.__main__ import main
from tests.robustness.fuzz import write_samples
from tests.robustness.mutations import mutate

pytest.importorskip("resource", reason="needs POSIX resource limits, absent on Windows")


def _reported(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    out = capsys.readouterr().out
    reported: dict[str, object] = json.loads(out[out.rindex('{\n "name"') :])
    return reported


@pytest.mark.slow
def test_killed_work_loses_nothing_and_ends_with_the_same_bits(capsys):
    assert main(["crash", "--kills", "8", "--seed", "3", "--json"]) == 0
    reported = _reported(capsys)
    assert reported["tried"] == reported["survived"] == 8
    assert (
        reported["facts"]["while at work"] >= 2
    )  # some come too late, and then nothing is lost either


@pytest.mark.slow
def test_faults_end_in_sentences(capsys):
    assert main(["faults", "--json"]) == 0
    reported = _reported(capsys)
    assert reported["tried"] + len(reported["skipped"]) == 9


@pytest.mark.slow
def test_damaged_files_of_every_kind_are_read_or_refused(capsys):
    assert main(["fuzz", "--inputs", "120", "--seed", "7", "--json"]) == 0
    reported = _reported(capsys)
    assert reported["survived"] == 120
    assert 20 < reported["facts"]["refused"] < 119


def test_a_seed_damages_the_same_bytes_again(tmp_path):
    for name in ("one", "two"):
        write_samples(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        content, again = path.read_bytes(), (tmp_path / "two" / path.name).read_bytes()
        if path.suffix != ".zip":  # keeps its files' times
            assert mutate(content, 7) == mutate(again, 7), path.name


@pytest.mark.slow
def test_readers_who_are_killed_lose_no_decision(capsys):
    assert main(["readers", "--decisions", "40", "--json"]) == 0
    reported = _reported(capsys)
    assert reported["survived"] == reported["tried"] >= 160
    assert reported["facts"]["readers killed"] >= 1


def test_an_unknown_part_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["soup"])
    assert "invalid choice: 'soup'" in capsys.readouterr().err


@pytest.mark.slow
def test_planted_identities_come_out_nowhere(capsys):
    assert main(["privacy", "--json"]) == 0
    reported = _reported(capsys)
    assert reported["survived"] == reported["tried"] > 1500


def test_nothing_that_is_installed_is_under_the_gpl_alone(capsys):
    assert main(["licences", "--json"]) == 0
    assert _reported(capsys)["tried"] > 60


@pytest.mark.parametrize(
    ("licence", "is_gpl"),
    [
        ("GPL-3.0-only", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("AGPL-3.0-or-later", True),
        ("LGPL-3.0-only OR GPL-2.0-only OR GPL-3.0-only", False),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT", False),
    ],
)
def test_the_gpl_is_reported_from_the_lgpl(licence: str, is_gpl: bool):
    from tests.robustness.licences import is_gpl_alone

    assert is_gpl_alone(licence) is is_gpl


@pytest.mark.slow
def test_a_failure_is_counted_and_ends_the_command_with_1(monkeypatch, capsys):
    """The self-test sees what it is there to see: decisions that a catalog swallows."""
    from tests.robustness import faults

    monkeypatch.setattr(faults, "_copied_while_open", lambda _place: "half of it is gone")
    assert main(["faults", "--json"]) == 1
    reported = _reported(capsys)
    assert reported["survived"] == reported["tried"] - 1
    assert "half of it is gone" in reported["failures"][0]
