"""A run's lease and inputs: who works on it, what it saw, and that it can be made again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import DEMO, ROOT, TINY, finish
from safetensors.torch import load_file, save_file

from amae_engine.catalog import decisions, image_tables, runs, scores, studies
from amae_engine.catalog.tables import Label, RunKind, RunState, Split
from amae_engine.cli import main
from amae_engine.config import (
    PretrainConfig,
    PseudoLabelConfig,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.config.peers import PeerConfig, PeerMethod
from amae_engine.errors import BadWeights, NotReady
from amae_engine.events import EpochEnd
from amae_engine.images.csv_table import CsvColumns, from_csv
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.sharing.rerun import rerun
from amae_engine.jobs.training.pretrain_weights import pretrain_weights
from amae_engine.jobs.training.train_peer import train_peer
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.runs.record import run_facts

SHORT = TrainingConfig(epochs=3, warmup_epochs=1, batch_size=8)
PRETRAIN = PretrainConfig(model=TINY, training=SHORT, mask_ratio=0.75)
PEER = PeerConfig(method=PeerMethod.AE, epochs=3, batch_size=8)


def _stage1(weights: Path) -> Stage1Config:
    return Stage1Config(weights=str(weights), training=SHORT)


def _label_abnormal(project: Project) -> None:
    # a tiny random network may call every image the same: a reader's labels give B its images
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:], Label.ABNORMAL, "BB")


def _import_more(project: Project) -> None:
    """Five more normal images, as if a colleague imported while a run was paused."""
    every = [f for f in from_csv(DEMO / "manifest.csv", CsvColumns()) if f.role == "normal"]
    finish(import_images(project, every[40:45], "later"))


# --- the lease -----------------------------------------------------------------------------------

_HOLD = """
import sys, time
from pathlib import Path
from amae_engine.project import Project
from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind
project = Project.open(Path(sys.argv[1]))
with project.session() as session:
    run = runs.start(session, RunKind.STAGE1, {}, None, 3)
    lease = project.take_lease(run)
print(run, flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_project(request: pytest.FixtureRequest, tmp_path: Path):
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_url()
    project = Project.create(tmp_path / "leased", "Leased", url)
    yield project
    project.close()


def test_a_run_that_another_process_works_on_is_refused_until_it_dies(shared_project: Project):
    project = shared_project
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(project.folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        run = int(holder.stdout.readline())
        # it has said nothing for long: a pause, or a long silent step
        with project.session() as session:
            old = "2020-01-01T00:00:00.000+00:00"
            runs._set(session, run, heartbeat_at=old)
        again = Project.open(project.folder)
        with again.session() as session:
            assert runs.get(session, run).state is RunState.RUNNING
        again.close()
        (project.run_folder(run)).mkdir(parents=True, exist_ok=True)
        _keep_empty_inputs(project, run)
        with pytest.raises(NotReady, match=f"Run {run} is at work in another process, or paused"):
            finish(train_stage1(project, Stage1Config(), resume=run))
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    deadline = time.monotonic() + 600
    while project.is_at_work(run) and time.monotonic() < deadline:
        time.sleep(0.1)  # a server notices a dead client a moment later
    again = Project.open(project.folder)
    with again.session() as session:
        assert runs.get(session, run).state is RunState.INTERRUPTED
    again.close()


def _keep_empty_inputs(project: Project, run: int) -> None:
    from amae_engine.runs.inputs import RunInputs

    RunInputs({}).write(project.run_folder(run))


def test_the_command_line_refuses_a_running_run(small_project: Project, capsys):
    with small_project.session() as session:
        run = runs.start(session, RunKind.STAGE1, Stage1Config().to_dict(), None, 3)
        lease = small_project.take_lease(run)
    assert lease is not None
    for which in (["--resume"], ["--resume", str(run)]):
        assert main(["stage1", "--project", str(small_project.folder), *which]) == 1
        assert "another process" in capsys.readouterr().err or which == ["--resume", str(run)]
    lease.release()


def test_a_finished_run_lets_its_lease_go(small_project: Project, tiny_weights: Path):
    run, _ = finish(train_stage1(small_project, _stage1(tiny_weights)))
    assert not small_project.is_at_work(run)


def test_a_run_that_is_closed_lets_its_lease_go(small_project: Project, tiny_weights: Path):
    job = train_stage1(small_project, _stage1(tiny_weights))
    event = next(job)
    assert small_project.is_at_work(event.run_id)
    job.close()
    assert not small_project.is_at_work(event.run_id)


# --- the inputs ----------------------------------------------------------------------------------


def _cut_off(job, epochs: int = 1) -> int:
    """Run a job to the end of an epoch and close it; its run's number."""
    ends = 0
    run = 0
    while ends < epochs:
        event = next(job)
        if isinstance(event, EpochEnd):
            ends, run = ends + 1, event.run_id
    job.close()
    return run


def _same_weights(project: Project, one: int, two: int, name: str) -> bool:
    first, second = (load_file(project.run_folder(run) / name) for run in (one, two))
    return all(torch.equal(first[key], second[key]) for key in first)


def test_stage1_resumes_with_the_images_it_began_with(small_project: Project, tiny_weights: Path):
    project, config = small_project, _stage1(tiny_weights)
    straight, _ = finish(train_stage1(project, config))
    run = _cut_off(train_stage1(project, config))
    _import_more(project)
    finish(train_stage1(project, Stage1Config(), resume=run))
    assert _same_weights(project, straight, run, "classifier.safetensors")
    with project.session() as session:
        ids, _ = scores.load(session, run, ScoreKind.STAGE1_PROBABILITY)
    assert len(ids) == 40  # not the five that came later


def test_pretraining_and_peers_resume_with_the_images_they_began_with(small_project: Project):
    project = small_project
    straight, _ = finish(pretrain_weights(project, PRETRAIN))
    peer, _ = finish(train_peer(project, PEER))
    cut = _cut_off(pretrain_weights(project, PRETRAIN))
    cut_peer = _cut_off(train_peer(project, PEER))
    _import_more(project)
    finish(pretrain_weights(project, PretrainConfig(), resume=cut))
    finish(train_peer(project, PeerConfig(), resume=cut_peer))
    assert _same_weights(project, straight, cut, "weights.safetensors")
    assert _same_weights(project, peer, cut_peer, "weights.safetensors")


def _head() -> str:
    """The checkout's commit; "unknown" where there is none."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return "unknown"
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def test_run_json_says_what_a_run_saw_and_on_what_machine(
    small_project: Project, tiny_weights: Path
):
    run, _ = finish(train_stage1(small_project, _stage1(tiny_weights)))
    facts = run_facts(small_project, run)
    assert facts["inputs"]["images"] == {"normal": 20, "unlabeled": 10, "test": 10}
    hashes = facts["inputs"]["hashes"]
    assert all(len(value) == 64 for value in hashes.values())
    assert {"images.normal", "weights.start", "decisions"} <= set(hashes)
    assert facts["environment"]["device"] == "cpu"
    assert int(facts["environment"]["threads"]) >= 1
    assert facts["environment"]["precision"] in ("bf16", "float32")
    assert "18 of the 20 normal images" in facts["notes"][0]
    assert facts["versions"]["commit"].startswith(_head())
    again, _ = finish(train_stage1(small_project, _stage1(tiny_weights)))
    assert run_facts(small_project, again)["inputs"]["hashes"] == hashes
    _import_more(small_project)
    third, _ = finish(train_stage1(small_project, _stage1(tiny_weights)))
    changed = run_facts(small_project, third)["inputs"]["hashes"]
    assert {name for name in hashes if hashes[name] != changed[name]} == {"images.normal"}


def test_paper_learns_from_all_of_n_and_says_so(small_project: Project, tiny_weights: Path):
    config = _stage1(tiny_weights).replace(validation_percent=0)
    run, events = finish(train_stage1(small_project, config))
    assert "all 20 normal images" in run_facts(small_project, run)["notes"][0]
    assert all(e.validation_loss is None for e in events if isinstance(e, EpochEnd))


def test_weights_that_changed_are_refused_on_resume(small_project: Project, tmp_path: Path):
    from amae_engine.models.checkpoint import save_weights
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

    path = tmp_path / "mine.safetensors"
    save_weights(MaskedAutoencoder(TINY), path, {})
    run = _cut_off(train_stage1(small_project, _stage1(path)))
    torch.manual_seed(5)
    save_weights(MaskedAutoencoder(TINY), path, {})
    with pytest.raises(BadWeights, match=r"mine\.safetensors is not the file that this run began"):
        finish(train_stage1(small_project, Stage1Config(), resume=run))


# --- made again ----------------------------------------------------------------------------------


@pytest.fixture
def whole_path(small_project: Project, tiny_weights: Path) -> Project:
    finish(train_stage1(small_project, _stage1(tiny_weights)))
    _label_abnormal(small_project)
    finish(train_stage2(small_project, Stage2Config(training=SHORT)))
    finish(score_images(small_project, ScoreConfig()))
    return small_project


def test_every_run_of_the_path_is_made_again_to_the_last_bit(whole_path: Project, capsys):
    project = whole_path
    finish(pretrain_weights(project, PRETRAIN))
    finish(train_peer(project, PEER))
    with project.session() as session:
        made = [row.id for row in reversed(runs.list_runs(session))]
    # what changes in the project afterwards is not what these runs saw
    _import_more(project)
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids, Label.NORMAL, "BB")
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.remove(session, test[:2], "BB")
    for run in made:
        agreement, _ = finish(rerun(project, run))
        assert agreement.is_identical, agreement.lines()
        assert agreement.results
        assert run_facts(project, agreement.repetition)["repeats"] == run
    assert main(["rerun", str(made[0]), "--project", str(project.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["identical"]
    assert {r["name"] for r in told["results"]} >= {"classifier.safetensors", "Stage 1 classifier"}


def test_a_result_that_differs_is_reported(whole_path: Project, capsys):
    folder = whole_path.run_folder(1)
    tensors = load_file(folder / "classifier.safetensors")
    name = next(iter(tensors))
    tensors[name] = tensors[name] + 0.5
    save_file(tensors, folder / "classifier.safetensors")
    assert main(["rerun", "1", "--project", str(whole_path.folder)]) == 1
    told = capsys.readouterr()
    assert "classifier.safetensors: differs by at most 0.5" in told.out
    assert "Run 4 differs from run 1" in told.err


def test_an_unfinished_run_cannot_be_made_again(small_project: Project, tiny_weights: Path):
    run = _cut_off(train_stage1(small_project, _stage1(tiny_weights)))
    with pytest.raises(NotReady, match="is cancelled; only a finished run"):
        finish(rerun(small_project, run))


# --- one default ---------------------------------------------------------------------------------


def test_pseudo_and_stage2_use_the_same_labels(whole_path: Project, capsys):
    folder = ["--project", str(whole_path.folder)]
    assert main(["pseudo", *folder, "--source", "density", "--keep", "70", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    short = ["--set", "training.epochs=1", "--set", "training.warmup_epochs=0", "--json"]
    assert main(["stage2", *folder, *short]) == 0
    told = capsys.readouterr()
    assert "pseudo-labels by feature distance, K = 70 % (this project's choice)" in told.err
    run = json.loads(told.out)["run"]
    seen = run_facts(whole_path, run)["inputs"]["images"]
    assert seen["pseudo_abnormal"] == listed["module_b"]
    assert seen["normal"] + seen["pseudo_normal"] == listed["module_a"]
    # the paper's own labels on request
    assert main(["stage2", *folder, "--paper", *short]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert run_facts(whole_path, run)["config"]["pseudo_labels"] == PseudoLabelConfig().to_dict()


@pytest.mark.parametrize(
    "option", [["--set", "training.learning_rate=1e-5"], ["--preset", "compact"], ["--paper"]]
)
def test_settings_with_resume_are_an_error(small_project: Project, capsys, option: list[str]):
    code = main(["stage1", "--project", str(small_project.folder), "--resume", "1", *option])
    assert code == 1
    told = capsys.readouterr().err
    assert f"{option[0]} cannot be given with it" in told
    assert "start a new run" in told


# --- what is judged ------------------------------------------------------------------------------


def test_each_score_is_judged_on_the_images_that_have_it(whole_path: Project):
    from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
    from amae_engine.jobs.sharing.export import export_results, result_text

    before = evaluate_run(whole_path, 3)
    with whole_path.session() as session:
        ids, values = scores.load(session, 3, ScoreKind.MAHALANOBIS)
        from sqlalchemy import delete

        from amae_engine.catalog.tables import Score

        session.execute(
            delete(Score).where(Score.kind == "mahalanobis", Score.image_id == int(ids[0]))
        )
    after = evaluate_run(whole_path, 3)
    assert len(after.image_ids) == 10
    for kind in (ScoreKind.DISCREPANCY, ScoreKind.STAGE1_PROBABILITY):
        assert after.score(kind).auc == before.score(kind).auc
    fewer = after.score(ScoreKind.MAHALANOBIS)
    assert len(fewer.values) == 9
    assert np.array_equal(fewer.values, values[1:])
    assert f"Feature distance on {fewer.images}" in after.measured_on
    assert fewer.images in result_text(after)
    table = next(p for p in export_results(whole_path, after) if p.name == "scores.csv")
    columns = table.read_text().splitlines()[2].split(",")
    first = table.read_text().splitlines()[3].split(",")
    assert first[columns.index("mahalanobis")] == ""


def test_a_killed_process_leaves_a_run_that_resumes(small_project: Project, tiny_weights: Path):
    command = [sys.executable, "-m", "amae_engine.cli", "stage1", "--project"]
    options = ["--set", "encoder=", "--set", f"weights={tiny_weights}"]
    options += ["--set", "training.epochs=400", "--json"]
    process = subprocess.Popen(
        [*command, str(small_project.folder), *options], stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if "EpochEnd" in line:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    again = Project.open(small_project.folder)
    with again.session() as session:
        row = runs.list_runs(session)[0]
    assert row.state is RunState.INTERRUPTED
    job = train_stage1(again, Stage1Config(), resume=row.id)
    assert _cut_off(job) == row.id
    again.close()
