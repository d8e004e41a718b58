"""Grids of runs: queued, worked, failing alone, paused, cancelled, and what their tables say."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
from demo_images import finish

from amae_engine.catalog import decisions, image_tables, job_queue, runs
from amae_engine.catalog.image_draws import drawn, most_for_every_ratio
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import Label, QueueState, RunKind, RunState, Split
from amae_engine.cli import main
from amae_engine.config import PseudoLabelConfig, PseudoLabelSource, UnlabeledDraw
from amae_engine.config.peers import PeerMethod
from amae_engine.errors import BadInput, BadSetting, NotReady, TooFewImages
from amae_engine.events import EpochEnd, RunStarted
from amae_engine.jobs.child_process import make_job
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.planning import work_queue as work_queue_module
from amae_engine.jobs.planning.defaults import choose_label_settings
from amae_engine.jobs.planning.estimates import estimate, like, peer_times
from amae_engine.jobs.planning.experiment_plans import Experiment, Plan, plan_jobs
from amae_engine.jobs.planning.experiment_results import (
    Cell,
    ExperimentTable,
    csv_lines,
    experiment_table,
    experiments,
    latex_of,
    text_of,
)
from amae_engine.jobs.planning.queue_experiment import queue_experiment, write_results
from amae_engine.jobs.planning.work_queue import is_at_work, start_worker, work_queue
from amae_engine.project import Project
from amae_engine.runs.inputs import read_inputs


@pytest.fixture
def quick(small_project: Project, tiny_weights) -> tuple[Project, dict]:
    """A project, and settings of a tiny network that trains for one epoch."""
    by_density = PseudoLabelConfig(source=PseudoLabelSource.DENSITY, keep_percent=100)
    choose_label_settings(small_project, by_density)
    training = {"training.epochs": 1, "training.warmup_epochs": 0, "training.batch_size": 8}
    return small_project, {
        "stage1": {**training, "weights": str(tiny_weights), "preset": "", "encoder": ""},
        "stage2": {**training, "reconstructs": "pixels"},
        "peer": {"epochs": 1, "batch_size": 4, "image_size": 32, "weights": str(tiny_weights)},
    }


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue's jobs run here; that they run in processes of their own is for three tests."""

    def run(folder: Path, job: str, config: dict, resume: int | None = None):
        with contextlib.closing(Project.open(folder)) as project:
            return (yield from make_job(project, job, config, resume))

    monkeypatch.setattr(work_queue_module, "run_in_child", run)


def test_the_draws_of_a_seed_are_nested_and_have_their_ratio(small_project: Project):
    with small_project.session() as session:
        table = image_tables.images_in(session, Split.UNLABELED)
    assert most_for_every_ratio(table, (0.0, 0.5, 1.0)) == 5
    before: set[int] = set()
    for ratio, abnormal in ((0.0, 0), (0.4, 2), (1.0, 5)):
        found = drawn(table, UnlabeledDraw(5, ratio, 7))
        assert (len(found.ids), int((found.truth == 1).sum())) == (5, abnormal)
        ill = set(found.ids[found.truth == 1].tolist())
        assert before <= ill
        before = ill
    assert drawn(table, UnlabeledDraw()) is table
    assert len(drawn(table, UnlabeledDraw(3)).ids) == 3
    with pytest.raises(TooFewImages, match="needs 6 abnormal ones by their hidden truth"):
        drawn(table, UnlabeledDraw(6, 1.0))


def test_every_experiment_is_planned_with_its_cells(small_project: Project):
    def jobs(experiment: Experiment, **others) -> list[NewJob]:
        return plan_jobs(small_project, Plan(experiment, (0, 1), **others))

    table2 = jobs(Experiment.TABLE2)
    methods = {job.config["method"] for job in table2 if job.job == "peer"}
    assert methods == set(PeerMethod)
    assert {(r["row"], r["column"]) for job in table2 for r in job.reads} >= {
        ("DDAD-AE", "N"), ("DDAD-AE", "Y"), ("AMAE, stage 1", "N"), ("AMAE, A_inter over tokens", "Y"),
        *((name, "Y") for name in ("CutPaste", "AnatPaste", "FPI", "PII", "NSA")),
    }  # fmt: skip
    imagenet = jobs(Experiment.TABLE2, imagenet="/data/mae_in.pth")
    rows = {r["row"] for job in imagenet for r in job.reads}
    assert {"AMAE-IN, leading score", "AMAE-IN, A_inter (Eq. 4)"} <= rows
    starts = [j.config["weights"] for j in imagenet if j.title.startswith("AMAE-IN stage1")]
    assert starts == 2 * ["/data/mae_in.pth"]
    fig3a = jobs(Experiment.FIG3A)
    columns = list(dict.fromkeys(r["column"] for job in fig3a for r in job.reads))
    assert columns == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    assert {job.config["unlabeled"]["count"] for job in fig3a if job.job in ("stage1", "peer")} == {
        5
    }
    assert Experiment.FIG3A.uses_hidden_truth
    assert {r["column"] for job in jobs(Experiment.FIG3C) for r in job.reads} == {
        "foundation", "compact", "vit_small_patch14_dinov2, random",
    }  # fmt: skip
    chest = jobs(Experiment.FIG3C, encoders=("timm:densenet121=/data/dn121.pth",))
    titles = "AMAE stage1, densenet121, dn121.pth"
    wanted = [job.config["encoder"] for job in chest if job.title.startswith(titles)]
    assert wanted == 2 * ["timm:densenet121=/data/dn121.pth"]  # two seeds
    for job in jobs(Experiment.REPLICATES):
        assert job.job == "stage1" or job.needs is not None
    with pytest.raises(BadSetting, match="Stage1Config: unknown setting 'magic'"):
        jobs(Experiment.FIG3B, settings={"stage1": {"magic": 1}})
    with pytest.raises(BadSetting, match="each once"):
        Plan(Experiment.FIG3A, (1, 1))


def test_where_no_image_is_pseudo_abnormal_a_sweep_has_the_scores_without_stage_2(
    quick, in_this_process
):
    project, settings = quick
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids, Label.NORMAL, "BB")
    plan = Plan(
        Experiment.FIG3A, (0,), (PeerMethod.AE,), (0.0,), settings=settings, preset="compact"
    )
    name, _ = queue_experiment(project, plan)
    finish(work_queue(project))
    table = experiment_table(project, name)
    leading, a_inter = (
        table.cells[row, "0 %"] for row in ("AMAE, leading score", "AMAE, A_inter (Eq. 4)")
    )
    assert (list(leading.values), leading.failed) == ([0], {})
    found = evaluate_run(project, leading.runs[0])
    assert leading.values[0] == found.score(found.leading.kind).auc.value
    assert a_inter.text == "failed"
    assert any("A_inter (Eq. 4), 0 %, seed 0" in each for each in table.failures)


def test_a_grid_is_worked_each_cell_linked_to_its_run(quick, tmp_path, in_this_process):
    project, settings = quick
    name, guess = queue_experiment(
        project, Plan(Experiment.FIG3B, (0, 1), settings=settings, preset="compact")
    )
    assert name == "fig3b-1"
    assert guess.unknown == guess.jobs == 10
    assert experiment_table(project, name).cells["AMAE, leading score", "χ²"].text == "…"
    done, _ = finish(work_queue(project))
    with project.session() as session:
        assert not [row.error for row in job_queue.rows(session) if row.error]
    assert done == 10
    table = experiment_table(project, name)
    cell = table.cells["AMAE, A_inter (Eq. 4)", "χ²"]
    assert sorted(cell.values) == [0, 1]
    for seed, run in cell.runs.items():
        from amae_engine.config import ScoreKind

        judged = evaluate_run(project, run).score(ScoreKind.DISCREPANCY)
        assert cell.values[seed] == judged.chi_square
        assert cell.by_chance[seed] == judged.chi_square_by_chance > 0
        with project.session() as session:
            assert runs.get(session, run).experiment == name
    # the reader's own next step never builds on a grid's run
    with project.session() as session:
        assert runs.newest(session, RunKind.STAGE1) is None
    assert "±" in table.text(*next(iter(table.cells)))
    assert "by chance)" in cell.text
    assert "dealt at random" in table.about
    files = write_results(table, tmp_path / "out")
    assert {f.suffix for f in files} == {".txt", ".csv", ".tex", ".png", ".svg"}
    with files[1].open(encoding="utf-8") as file:
        about = file.readline()
        rows = list(csv.DictReader(file))
    assert "5 normal + 5 abnormal test images" in about
    assert len(rows) == 6
    of_cell = [row for row in rows if row["row"] == "AMAE, A_inter (Eq. 4)"]
    assert {int(row["run"]) for row in of_cell} == set(cell.runs.values())
    # the same stage 1 and module A: module B alone has other images
    without = table.cells["AMAE, A_inter (Eq. 4), B on all of U, without pseudo-labels", "χ²"]
    for seed, run in cell.runs.items():
        with project.session() as session:
            one, other = (
                runs.get(session, runs.get(session, each).parent_id)
                for each in (run, without.runs[seed])
            )
        assert other.config["module_a_run"] == one.id
        assert other.parent_id == one.parent_id
        seen = read_inputs(project.run_folder(other.id)).images
        assert len(seen["pseudo_abnormal"]) == 10  # all of U
    assert {float(row["by_chance"]) for row in rows} == {
        round(chance, 6) for each in table.cells.values() for chance in each.by_chance.values()
    }
    assert r"\begin{tabular}{lc}" in files[2].read_text()
    again = estimate(project, plan_jobs(project, Plan(Experiment.FIG3B, (5,), settings=settings,
                                                     preset="compact")))  # fmt: skip
    assert again.unknown == 0
    assert again.seconds > 0


def test_a_cell_fails_alone_and_is_tried_again(quick):
    project, settings = quick
    broken = {**settings, "stage1": {**settings["stage1"], "weights": "/nowhere/weights.pth"}}
    name, _ = queue_experiment(
        project,
        Plan(Experiment.TABLE2, (0,), (PeerMethod.AE,), settings=broken, preset="compact"),
    )
    done, _ = finish(work_queue(project))
    assert done == 1  # the peer
    table = experiment_table(project, name)
    assert table.reference == "AMAE, leading score"
    assert table.cells["AMAE, leading score", "Y"].text == "failed"
    assert "weights.pth" in table.cells["AMAE, leading score", "Y"].failed[0]
    (cell,) = (each for (row, _), each in table.cells.items() if row.startswith("AE"))
    assert len(cell.values) == 1
    assert f"AP {cell.ap:.3f}" in cell.text
    assert cell.interval.low < cell.values[0] < cell.interval.high
    assert cell.updates == (5, 15_250)  # 20 normal images, 4 at a time, once
    assert "†" in table.text(cell.row, cell.column)
    assert "about 5 updates of the weights here, 15,250 in the publication" in text_of(table)
    (line,) = (line for line in csv_lines(table) if line[0] == cell.row)
    assert line[-2:] == (5, 15_250)
    assert r"\dag" in latex_of(table)
    with project.session() as session:
        states = [row.state for row in job_queue.rows(session)]
        assert states == [
            QueueState.DONE,
            QueueState.FAILED,
            QueueState.DROPPED,
            QueueState.DROPPED,
        ]
        first = job_queue.rows(session)[1]
        assert "weights.pth" in first.error
        job_queue.retry(session, first.id)
        assert [row.state for row in job_queue.rows(session)][1:] == [QueueState.WAITING] * 3
        with pytest.raises(NotReady, match="need not be tried again"):
            job_queue.retry(session, first.id)


def test_a_loss_that_is_no_number_is_said_in_the_table(quick, in_this_process):
    project, settings = quick
    diverging = {**settings, "peer": {**settings["peer"], "learning_rate": 1e30}}
    plan = Plan(Experiment.TABLE2, (0,), (PeerMethod.AE,), settings=diverging, preset="compact")
    jobs = [job for job in plan_jobs(project, plan) if job.job == "peer"]
    with project.session() as session:
        job_queue.add(session, "table2-1", jobs)
    finish(work_queue(project))
    table = experiment_table(project, "table2-1")
    assert table.cells["AE", "N"].text == "failed"
    assert "AE, N, seed 0: AE: the loss is not a number in epoch 1" in text_of(table)


def test_a_method_that_the_memory_does_not_hold_fails_alone(quick):
    """A GAN of thousands of channels under a bound of address space; the AE after it has a number."""
    project, settings = quick
    wide = {**settings["peer"], "image_size": 64, "width": 1024}
    jobs = []
    for method, own in ((PeerMethod.F_ANOGAN, wide), (PeerMethod.AE, settings["peer"])):
        plan = Plan(Experiment.TABLE2, (0,), (method,), settings={**settings, "peer": own})
        jobs += [job for job in plan_jobs(project, plan) if job.job == "peer"]
    with project.session() as session:
        job_queue.add(session, "table2-1", jobs)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30));"
        "from amae_engine.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "queue", "run", "--project", str(project.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert "1 jobs done" in done.stdout, done.stderr
    table = experiment_table(project, "table2-1")
    (why,) = (cell.failed[0] for cell in table.cells.values() if cell.failed)
    assert why.startswith(
        "f-AnoGAN (N) does not fit into this machine's memory; choose size=compact"
    )
    assert len(table.cells["AE", "N"].values) == 1


def test_peers_that_never_ran_are_timed_by_a_trial(quick, capsys):
    project, settings = quick
    methods = (PeerMethod.AE, PeerMethod.AE_U)
    plan = Plan(Experiment.TABLE2, (0, 1), methods, settings=settings, preset="compact")
    jobs = plan_jobs(project, plan)
    peers = [job for job in jobs if job.job == "peer"]
    times, _ = finish(peer_times(project, [job.config for job in peers]))
    assert len(times) == 2  # a seed takes as long as another
    assert set(times) == {like(job.job, job.config) for job in peers}
    before, after = estimate(project, jobs), estimate(project, jobs, times)
    assert before.unknown == len(jobs)
    assert (after.unknown, after.tried) == (len(jobs) - 4, 4)
    assert after.seconds == pytest.approx(2 * sum(times.values()))
    assert "(4 of them by a trial)" in after.text
    longer = jobs[0].config | {"epochs": 3}
    again, _ = finish(peer_times(project, [longer]))
    assert like("peer", longer) not in times
    assert again[like("peer", longer)] > 0
    short = ["peer.epochs=1", "peer.batch_size=4", "peer.image_size=32", "peer.size=compact"]
    words = ["experiment", "table2", "--project", str(project.folder), "--seeds", "0"]
    words += ["--methods", "ae", "--dry-run", "--measure", "--preset", "compact"]
    assert main([*words, *(word for each in short for word in ("--set", each))]) == 0
    assert "AE (N), N, seed 0: 00:0" in capsys.readouterr().out


def test_a_peer_that_cannot_be_tried_is_reported(project: Project):
    times, events = finish(peer_times(project, [{"method": "ae"}]))
    assert times == {}
    assert any("AE learns from normal images" in getattr(e, "message", "") for e in events)


def test_a_paused_job_goes_on_from_its_last_epoch(quick, in_this_process, monkeypatch):
    monkeypatch.setattr(work_queue_module, "_LONGEST_HOLD", 0)
    project, settings = quick
    settings["peer"]["epochs"] = 40
    queue_experiment(project, Plan(Experiment.TABLE2, (0,), (PeerMethod.AE,), settings=settings,
                                   preset="compact"))  # fmt: skip
    with project.session() as session:
        job_queue.cancel(session, job_queue.rows(session)[1].id)
    worker = work_queue(project)
    for event in worker:
        if isinstance(event, EpochEnd) and event.epoch == 2:
            with project.session() as session:
                assert job_queue.pause(session) == 1
    with project.session() as session:
        paused = job_queue.rows(session)[0]
        assert paused.state is QueueState.PAUSED
        assert runs.get(session, paused.run_id).state is RunState.CANCELLED
        epochs = runs.get(session, paused.run_id).epoch
        job_queue.resume(session)
    assert 2 <= epochs < 40
    started = [e.run_id for e in work_queue(project) if isinstance(e, RunStarted)]
    assert started == [paused.run_id]
    with project.session() as session:
        assert job_queue.rows(session)[0].state is QueueState.DONE
        assert runs.get(session, paused.run_id).epoch == 40


def test_a_killed_worker_s_job_is_taken_up_again(quick):
    project, settings = quick
    settings["peer"]["epochs"] = 200
    queue_experiment(project, Plan(Experiment.TABLE2, (0,), (PeerMethod.AE,), settings=settings,
                                   preset="compact"))  # fmt: skip
    with project.session() as session:
        job_queue.cancel(session, job_queue.rows(session)[1].id)
    command = [sys.executable, "-m", "amae_engine.cli", "queue", "run", "--project",
               str(project.folder)]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as worker:
        end = time.monotonic() + 600
        while time.monotonic() < end:
            with project.session() as session:
                row = job_queue.rows(session)[0]
                if row.run_id and runs.get(session, row.run_id).epoch >= 2:
                    break
            time.sleep(0.1)
        assert is_at_work(project)
        with pytest.raises(NotReady, match="Another worker"):
            next(work_queue(project))
        worker.kill()
    assert row.run_id
    end = time.monotonic() + 600  # its child sees that its parent is gone, and lets the run go
    while project.is_at_work(row.run_id) and time.monotonic() < end:
        time.sleep(0.2)
    events = work_queue(project)
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.run_id == row.run_id
    with project.session() as session:
        job_queue.cancel(session, row.id)
    for _ in events:
        pass
    with project.session() as session:
        assert job_queue.rows(session)[0].state is QueueState.CANCELLED


def test_a_job_comes_first_with_what_it_builds_on(project: Project):
    with project.session() as session:
        ids = job_queue.add(session, "x-1", [
            NewJob("a", "peer", {}), NewJob("b", "stage1", {}), NewJob("c", "stage2", {}, 1),
        ])  # fmt: skip
        job_queue.move_first(session, ids[2])
        assert [row.title for row in job_queue.rows(session)] == ["b", "c", "a"]
        assert job_queue.next_waiting(session).title == "b"
        job_queue.cancel(session, ids[1])
        assert job_queue.get(session, ids[2]).state is QueueState.DROPPED
        with pytest.raises(NotReady, match="only an open one"):
            job_queue.cancel(session, ids[1])
        with pytest.raises(BadInput, match="no job 99"):
            job_queue.get(session, 99)


def test_a_full_disk_pauses_the_queue(quick, monkeypatch):
    import shutil

    project, settings = quick
    queue_experiment(project, Plan(Experiment.FIG3B, (0,), settings=settings, preset="compact"))
    usage = shutil.disk_usage(project.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    done, events = finish(work_queue(project))
    assert done == 0
    assert any("nearly full" in getattr(event, "message", "") for event in events)
    with project.session() as session:
        assert {row.state for row in job_queue.rows(session)} == {QueueState.PAUSED}


def test_a_cell_says_how_many_replicates_it_has():
    assert Cell("r", "c", {0: 0.5, 1: 0.6, 2: 0.7}, {}, {}, 0).text == "0.600 ± 0.196"
    assert Cell("r", "c", {0: 0.5}, {}, {1: "NaN"}, 1).text == "0.500 (n = 1)"
    assert math.isnan(Cell("r", "c", {}, {}, {}, 2).over_seeds.mean)
    chi_square = Cell("r", "c", {0: 40.0, 1: 44.0}, {}, {}, 1, by_chance={0: 27.0, 1: 28.0})
    assert chi_square.text == "42.0 ± 5.5 (27.5 by chance) (n = 2)"


def test_a_table_in_latex_has_its_spread_and_its_stars():
    def cell(row: str, *values: float) -> Cell:
        return Cell(row, "50 %", dict(enumerate(values)), {}, {}, 0)

    ours, far, near = cell("AMAE", 0.9, 0.91, 0.92), cell("A_E", 0.5, 0.51, 0.52), cell("B", 0.9)
    cells = {(each.row, each.column): each for each in (ours, far, near)}
    table = ExperimentTable("fig3a-1", "auc", "2 test images", ("AMAE", "A_E", "B"), ("50 %",),
                            cells, "AMAE", False)  # fmt: skip
    lines = latex_of(table).splitlines()
    assert r" & 50 \% \\" in lines
    assert r"AMAE & 0.910 $\pm$ 0.020 \\" in lines
    assert r"A\_E & 0.510 $\pm$ 0.020 $^{****}$ \\" in lines
    assert r"B & 0.900 \\" in lines


def test_a_worker_that_cannot_start_says_so(quick, monkeypatch):
    project, _ = quick
    monkeypatch.setattr("amae_engine.jobs.planning.work_queue.sys.executable", "/bin/false")
    with pytest.raises(NotReady, match="queue.log in the project says why"):
        start_worker(project)


def test_the_command_line_queues_starts_apart_lists_and_shows(quick, capsys):
    project, settings = quick
    given = [
        word
        for kind, own in settings.items()
        for name, value in own.items()
        for word in ("--set", f"{kind}.{name}={json.dumps(value)}")
    ]
    at = ["--project", str(project.folder)]
    grid = ["experiment", "fig3b", *at, "--seeds", "0", "--preset", "compact", *given]
    assert main([*grid, "--dry-run"]) == 0
    assert "5 jobs; how long they take is not known" in capsys.readouterr().out
    assert main([*grid, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["experiment"] == "fig3b-1"
    assert main(["queue", "pause", *at, "--json"]) == 0
    assert {job["state"] for job in json.loads(capsys.readouterr().out)} == {"paused"}
    assert main(["queue", "resume", *at]) == 0
    start_worker(project)  # of its own: it would go on if this process ended
    end = time.monotonic() + 600
    while time.monotonic() < end:
        with project.session() as session:
            if job_queue.next_waiting(session) is None and not is_at_work(project):
                break
        time.sleep(0.5)
    capsys.readouterr()
    assert main(["queue", "list", *at, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert not [job["error"] for job in listed if job["error"]]
    assert {job["state"] for job in listed} == {"done"}
    assert main(["experiment", "fig3b-1", *at, "--export", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert all(len(cell["values"]) == 1 for cell in shown["cells"])
    assert experiments(project) == ["fig3b-1"]
    assert "AMAE, leading score" in text_of(experiment_table(project, "fig3b-1"))
    assert main(["experiment", "fig9", *at]) == 1
    assert "There is no experiment 'fig9'" in capsys.readouterr().err
    assert main(["queue", "cancel", *at]) == 1
    assert "needs the job's number" in capsys.readouterr().err
