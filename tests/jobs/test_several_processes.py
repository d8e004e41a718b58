"""Training with several processes (gloo on the CPU): the result is that of one process."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from built_once import OpenCopy
from demo_images import TINY, finish
from ranks import run_ranks
from safetensors.torch import load_file

from amae_engine.catalog import decisions, image_tables, runs, scores
from amae_engine.catalog.tables import Label, RunKind, RunState, Split
from amae_engine.cli import main
from amae_engine.config import (
    Precision,
    PretrainConfig,
    ScoreConfig,
    Stage1Config,
    TrainingConfig,
)
from amae_engine.events import EpochEnd, Event, Progress
from amae_engine.jobs.scoring import score_images as score_images_module
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.pretrain_weights import pretrain_weights
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.project import Project
from tests.conftest import import_small

EXACT = TrainingConfig(epochs=2, warmup_epochs=1, batch_size=6, precision=Precision.FLOAT32)
_SETTINGS = [f"training.{name}={json.dumps(value)}" for name, value in EXACT.to_dict().items()]
SET = [part for text in _SETTINGS for part in ("--set", text)]


@pytest.fixture
def ready(open_copy: OpenCopy, tiny_weights: Path) -> Project:
    """After stage 1, with five images decided."""
    return open_copy("ready", lambda project: _make_ready(project, tiny_weights))


def _make_ready(project: Project, tiny_weights: Path) -> None:
    import_small(project)
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=EXACT)))
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:], Label.ABNORMAL, "BB")


@pytest.fixture
def scored_apart(
    request: pytest.FixtureRequest, open_copy: OpenCopy, tiny_weights: Path
) -> Project:
    """After stage 2 over "tokens" or "pixels", and run 3 of scores by one process."""
    over = request.param

    def build(project: Project) -> None:
        _make_ready(project, tiny_weights)
        settings = ["--set", "stage1_run=1", "--set", f"reconstructs={over}", *SET]
        assert main(["stage2", "--project", str(project.folder), *settings]) == 0
        _score(project, 1)

    return open_copy(f"ready_{over}", build)


def _weights(project: Project, run: int, file: str) -> torch.Tensor:
    found = load_file(project.run_folder(run) / file)
    return torch.cat([found[name].flatten() for name in sorted(found)])


def _state(project: Project, run: int) -> tuple[RunState, int]:
    with project.session() as session:
        row = runs.get(session, run)
    return row.state, row.epoch


def _started(project: Project) -> Generator[Event, None, int]:
    return pretrain_weights(project, PretrainConfig(model=TINY, training=EXACT))


def _stop_after_first_epoch(job: Generator[Event, None, int]) -> None:
    next(event for event in job if isinstance(event, EpochEnd))
    job.close()


def test_two_processes_train_the_head_that_one_trains(ready: Project, tiny_weights: Path):
    """As a user asks for them, by `--processes`."""
    stage1 = ["stage1", "--project", str(ready.folder), "--set", "encoder=", *SET]
    stage1 += ["--set", f"weights={tiny_weights}"]
    for processes in ("1", "2"):
        assert main([*stage1, "--processes", processes]) == 0
        assert _state(ready, int(processes) + 1)[0] is RunState.FINISHED
    one, other = (_weights(ready, run, "classifier.safetensors") for run in (2, 3))
    assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("over", ["tokens", "pixels"])
def test_two_processes_train_the_modules_that_one_trains(ready: Project, over: str):
    settings = ["--set", "stage1_run=1", "--set", f"reconstructs={over}", *SET]
    for processes in (1, 2):
        run_ranks(processes, ["stage2", "--project", str(ready.folder), *settings])
        assert _state(ready, processes + 1)[0] is RunState.FINISHED
    for module in ("module_a.safetensors", "module_b.safetensors"):
        one, other = (_weights(ready, run, module) for run in (2, 3))
        if over == "tokens":
            # from random weights Adam's first steps are as long for a gradient of almost nothing
            assert (one - other).abs().mean() < 1e-6
        else:
            assert torch.allclose(one, other, atol=2e-5)


def test_a_run_goes_on_with_another_number_of_processes(ready: Project):
    folder = str(ready.folder)
    finish(_started(ready))
    whole = _weights(ready, 2, "weights.safetensors")
    _stop_after_first_epoch(_started(ready))
    assert _state(ready, 3) == (RunState.CANCELLED, 1)
    run_ranks(2, ["pretrain", "--project", folder, "--resume", "3"])
    assert _state(ready, 3) == (RunState.FINISHED, 2)
    assert torch.allclose(whole, _weights(ready, 3, "weights.safetensors"), atol=2e-5)


def test_a_failed_process_is_reported_with_what_to_do(
    ready: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)  # found anew
    bad = ["stage2", "--project", str(ready.folder), "--set", "stage1_run=99", "--processes", "2"]
    assert main(bad) == 1
    assert all("torchinductor" in path.name for path in temporary.iterdir())  # PyTorch's cache
    told = capfd.readouterr().err
    assert "There is no run 99 in this project" in told
    assert "of the 2 processes ended with code 1" in told
    with ready.session() as session:
        assert all(row.kind is RunKind.STAGE1 for row in runs.list_runs(session))


def _score(project: Project, processes: int, *options: str) -> None:
    """Score in so many processes, with one thread each; ten test images in batches of two."""
    words = ["score", "--project", str(project.folder), *(options or ("--set", "batch_size=2"))]
    run_ranks(processes, words)


def _require_same_scores_and_maps(project: Project, one: int, other: int) -> None:
    with project.session() as session:
        kinds = scores.kinds(session, one)
        assert scores.kinds(session, other) == kinds
        for kind in kinds:
            pairs = (scores.load(session, run, kind) for run in (one, other))
            for expected, values in zip(*pairs, strict=True):
                assert np.array_equal(expected, values)
    folders = [project.run_folder(run) / "maps" for run in (one, other)]
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert "facts.json" in names[0]
    assert names[0] == names[1]
    for name in names[0]:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@pytest.mark.parametrize("scored_apart", ["tokens", "pixels"], indirect=True)
@pytest.mark.parametrize("processes", [3, pytest.param(7, marks=pytest.mark.slow)])
def test_several_processes_score_byte_for_byte_what_one_scores(
    scored_apart: Project, processes: int
):
    """With equal threads; of seven processes two have no batch."""
    _score(scored_apart, processes)
    _require_same_scores_and_maps(scored_apart, 3, 4)


@pytest.mark.parametrize("scored_apart", ["tokens"], indirect=True)
@pytest.mark.parametrize("processes", [1, 3])
def test_a_score_run_that_was_stopped_goes_on_from_its_pieces(
    scored_apart: Project, processes: int, monkeypatch: pytest.MonkeyPatch
):
    project = scored_apart
    with project.session() as session:
        config = ScoreConfig.from_dict(runs.get(session, 3).config)
    monkeypatch.setattr(score_images_module, "_SECONDS_A_PIECE", 0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        job = score_images(project, config)
        for event in job:
            if isinstance(event, Progress) and event.done == 4:
                break
        job.close()
    finally:
        torch.set_num_threads(threads)
    assert _state(project, 4)[0] is RunState.CANCELLED
    pieces = sorted((project.run_folder(4) / "pieces").iterdir())
    assert [path.name for path in pieces] == ["00000000-1.npz", "00000001-1.npz"]

    _score(project, processes, "--resume")
    assert _state(project, 4)[0] is RunState.FINISHED
    assert not (project.run_folder(4) / "pieces").exists()
    _require_same_scores_and_maps(project, 3, 4)


def test_what_a_stopped_score_run_has_done_is_not_done_again(
    ready: Project, monkeypatch: pytest.MonkeyPatch
):
    assert main(["stage2", "--project", str(ready.folder), "--set", "stage1_run=1", *SET]) == 0
    monkeypatch.setattr(score_images_module, "_SECONDS_A_PIECE", 0.0)
    job = score_images(ready, ScoreConfig(batch_size=2))
    next(event for event in job if isinstance(event, Progress) and event.done == 6)
    job.close()
    again = list(score_images(ready, ScoreConfig(), resume=3))
    assert [e.done for e in again if isinstance(e, Progress) and e.step == "Scoring"] == [2, 4]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in Linux's /proc")
def test_a_group_that_is_left_leaves_no_thread_behind(tmp_path: Path):
    """Gloo's threads, alive while Python ends, abort a process whose work is done."""
    script = tmp_path / "leave.py"
    script.write_text(
        "import os, sys, torch\n"
        "from amae_engine import processes\n"
        "with processes.process_group():\n"
        "    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])\n"
        "    processes.all_gather(processes.rank())\n"
        "    assert 'torch.distributed.fsdp' in sys.modules  # imported while there is a group\n"
        "names = [open(f'/proc/self/task/{t}/comm').read() for t in os.listdir('/proc/self/task')]\n"
        "assert not [name for name in names if 'gloo' in name], names\n"
    )
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    logs = f"--log-dir={tmp_path}"
    done = subprocess.run([*start, logs, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
