"""What the command line says of a job: its pace, and that Ctrl+C cancels it."""

import json
from pathlib import Path

import pytest

from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunState
from amae_engine.cli import INTERRUPTED, main
from amae_engine.cli.progress import Console
from amae_engine.events import Progress, pace
from amae_engine.project import Project


@pytest.mark.parametrize(
    ("seconds_each", "said"),
    [(None, ""), (0.0125, "80 images/s"), (7.53, "7.5 s an image"), (90.0, "90.0 s an image")],
)
def test_slow_steps_have_a_pace_too(seconds_each: float | None, said: str, capsys):
    event = Progress("Stage 1", 1, 100, seconds_each)
    assert pace(event) == said

    def job():
        yield event
        return 7

    assert Console(as_json=True).drive(job()) == 7
    assert json.loads(capsys.readouterr().err)["seconds_each"] == seconds_each
    Console(as_json=False).drive(job())
    assert said in capsys.readouterr().err


def test_ctrl_c_cancels_a_run(
    small_project: Project, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    from amae_engine.method import stage1

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage1, "anomaly_probability", interrupted)
    asked = ["stage1", "--project", str(small_project.folder), "--set", f"weights={tiny_weights}"]
    short = ["--set", "training.epochs=1", "--set", "encoder="]
    assert main([*asked, *short, "--set", "preset="]) == INTERRUPTED
    assert "cancelled" in capsys.readouterr().err
    with small_project.session() as session:
        (run,) = runs.list_runs(session)
    assert (run.state, run.error) == (RunState.CANCELLED, "")
