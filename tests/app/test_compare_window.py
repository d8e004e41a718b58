"""Compare as a researcher uses it: columns, pairs with Holm, bands, disagreement, experiments."""

from __future__ import annotations

import time

import numpy as np
import pytest
from demo_images import finish
from PySide6.QtWidgets import QMenu
from widgets_by_name import WAIT, click

from amae_app.compare.experiments_state import read_experiments
from amae_engine.catalog import image_tables, job_queue, regions
from amae_engine.catalog.regions import RegionState
from amae_engine.catalog.tables import QueueState, Split
from amae_engine.config import ScoreConfig, ScoreKind
from amae_engine.config.peers import PeerConfig, PeerMethod
from amae_engine.evaluation.bands import pr_band, roc_band
from amae_engine.evaluation.multiple_testing import holm
from amae_engine.evaluation.regions import box_outline
from amae_engine.evaluation.roc import roc_curve
from amae_engine.jobs.planning.experiment_plans import Experiment, Plan
from amae_engine.jobs.planning.queue_experiment import queue_experiment
from amae_engine.jobs.planning.work_queue import is_at_work, work_queue
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_peer import train_peer
from amae_engine.project import Project


@pytest.fixture
def three_runs(open_copy, build_whole_path):
    """Three judged runs: two that differ in their masks' seed, and a peer."""

    def build(project: Project) -> None:
        build_whole_path(project)
        finish(score_images(project, ScoreConfig(seed=1)))
        finish(train_peer(project, PeerConfig(method=PeerMethod.AE, epochs=1, batch_size=8)))

    return open_copy("three_runs", build)


@pytest.fixture
def page(open_window, three_runs, qtbot):
    window = open_window(three_runs)
    window.show_page(4)
    page = window.pages[4]
    qtbot.waitUntil(lambda: page.table.rowCount() == 3, timeout=WAIT)
    return page


def _titles(table) -> list[str]:
    return [table.horizontalHeaderItem(n).text() for n in range(table.columnCount())]


def test_columns_are_chosen_and_the_method_stands_in_full(page):
    assert _titles(page.table)[:4] == ["Run", "Method", "Images", "Leading score"]
    assert "Grey statistics" not in _titles(page.table)
    assert {page.table.item(row, 1).text() for row in range(3)} == {"AMAE", "AE (N)"}
    assert page.table.item(0, 3).text().startswith("AE (N): 0.")
    menu = page.runs.columns.findChild(QMenu) or page.runs.columns.menu()
    page.runs._fill_menu(menu)
    action = next(a for a in menu.actions() if a.text() == "Grey statistics")
    action.setChecked(True)
    assert "Grey statistics" in _titles(page.table)


def test_every_pair_is_tested_with_holm_s_correction(page):
    page.table.selectAll()
    assert len(page.runs.chosen) == 3
    lines = [line for line in page.test.text().splitlines() if "ΔAUC" in line]
    assert len(lines) == 3
    p = [float(line.split("paired p = ")[1].split(",")[0]) for line in lines]
    adjusted = [float(line.split("Holm p = ")[1]) for line in lines]
    assert adjusted == pytest.approx(holm(p).tolist(), rel=0.02)


def test_runs_that_differ_in_seeds_alone_are_replicates(page):
    page.runs.kind.setCurrentIndex(page.runs.kind.findData(str(ScoreKind.DISCREPANCY)))
    page.table.clearSelection()
    for row in (1, 2):
        for column in range(page.table.columnCount()):
            page.table.item(row, column).setSelected(True)
    assert "These 2 runs differ only in their seeds" in page.test.text()


def test_bands_lie_around_their_curves(page, qtbot):
    import pyqtgraph as pg

    def bands() -> int:
        items = page.runs.roc.plotItem.items
        return sum(isinstance(i, pg.FillBetweenItem) and not i.path().isEmpty() for i in items)

    qtbot.waitUntil(lambda: bands() == 2, timeout=WAIT)
    draw = np.random.default_rng(0)
    truth = np.repeat((0, 1), (60, 40)).astype(np.int8)
    scores = draw.normal(size=100) + truth
    band = roc_band(truth, scores, np.arange(100))
    curve = roc_curve(truth, scores)
    inside = np.interp(band.x, curve.x, curve.y)
    assert ((band.low <= inside + 1e-9) & (inside <= band.high + 1e-9)).mean() > 0.95
    assert (pr_band(truth, scores, np.arange(100)).high <= 1).all()
    page.runs.curve.setCurrentText("PR")
    page.runs.curve.activated.emit(1)
    assert ": AP <b>" in page.runs.legend.text()


def test_images_on_which_two_runs_disagree_stand_side_by_side(page, qtbot):
    page.tabs.setCurrentWidget(page.disagreement)
    panel = page.disagreement
    qtbot.waitUntil(lambda: panel.table.rowCount() == 10, timeout=WAIT)
    far = [abs(each.ranks[0] - each.ranks[1]) for each in panel._found]
    assert far == sorted(far, reverse=True)
    qtbot.waitUntil(lambda: all(v.view.picture is not None for v in panel.viewers), timeout=WAIT)
    qtbot.waitUntil(lambda: panel.viewers[0].view.map_shown is not None, timeout=WAIT)
    panel.viewers[0].view.zoom(2)
    first, second = (viewer.view.box.viewRect() for viewer in panel.viewers)
    assert second.height() == pytest.approx(first.height(), rel=0.05)
    panel.table.setCurrentCell(3, 0)
    qtbot.waitUntil(lambda: panel.viewers[1].view.picture is not None, timeout=WAIT)


def test_the_maps_of_every_run_stand_beside_each_other(page, three_runs, qtbot):
    page.tabs.setCurrentWidget(page.maps)
    qtbot.waitUntil(lambda: "No run has a map" in page.maps.about.text(), timeout=WAIT)
    with three_runs.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        box = box_outline(0.3, 0.3, 0.4, 0.4)
        regions.add(
            session, [regions.NewRegion(image, box, RegionState.DRAWN) for image in ids[:4]], "AB"
        )
    page.tabs.setCurrentIndex(0)
    page.tabs.setCurrentWidget(page.maps)
    table = page.maps.table
    qtbot.waitUntil(lambda: table.rowCount() > 0, timeout=WAIT)
    assert "the 4 test images with a marked region" in page.maps.about.text()
    methods = {table.item(row, 1).text() for row in range(table.rowCount())}
    assert methods == {"AMAE", "AE (N)"}
    aucs = [float(table.item(row, 3).text().split()[0]) for row in range(table.rowCount())]
    assert aucs == sorted(aucs, reverse=True)
    wanted = []
    page.maps.run_wanted.connect(wanted.append)
    table.cellDoubleClicked.emit(0, 0)
    assert wanted == [int(table.item(0, 0).text())]


def test_how_long_peers_take_is_tried_before_they_are_queued(page, qtbot):
    page.tabs.setCurrentWidget(page.experiments)
    plan = page.experiments.plan
    plan.kind.setCurrentIndex(plan.kind.findData(str(Experiment.FIG3A)))
    plan.replicates.setValue(1)
    plan.peer_size.setCurrentIndex(plan.peer_size.findData("compact"))
    plan.minutes.setValue(0.5)
    qtbot.waitUntil(lambda: plan.reported.text().startswith("36 jobs"), timeout=WAIT)
    assert "by a trial" not in plan.reported.text()
    click(qtbot, page.window(), "measurePeersButton")
    # two methods at six anomaly ratios; AMAE's own stages are not timed
    qtbot.waitUntil(lambda: "(12 of them by a trial)" in plan.reported.text(), timeout=WAIT)
    assert "are unlike any finished run, and their time is not in it" in plan.reported.text()


def test_training_curves_of_several_runs_are_drawn(page, qtbot):
    page.tabs.setCurrentWidget(page.training)
    legend = page.training.legend
    qtbot.waitUntil(lambda: "module B" in legend.text(), timeout=WAIT)
    assert "stage1, finished" in legend.text()


def test_an_experiment_is_queued_followed_and_shown(page, three_runs, qtbot, monkeypatch):
    started = []
    monkeypatch.setattr("amae_app.project_queue.start_worker", started.append)
    page.tabs.setCurrentWidget(page.experiments)
    panel = page.experiments
    panel.plan.kind.setCurrentIndex(panel.plan.kind.findData(str(Experiment.FIG3A)))
    panel.plan.replicates.setValue(1)
    qtbot.waitUntil(lambda: panel.plan.reported.text().startswith("36 jobs"), timeout=WAIT)
    click(qtbot, page.window(), "queueExperimentButton")
    qtbot.waitUntil(lambda: panel.jobs.rowCount() == 36, timeout=WAIT)
    assert "drawn by their hidden truth" in panel.plan.reported.text()
    assert panel.plan.reported.text().startswith("fig3a-1: 36 jobs")
    qtbot.waitUntil(lambda: len(started) == 1, timeout=WAIT)
    assert panel.table.horizontalHeaderItem(1).text() == "20 %"
    click(qtbot, page.window(), "pauseQueueButton")
    qtbot.waitUntil(lambda: panel.buttons["Pause"].text() == "Resume", timeout=WAIT)
    panel.jobs.selectRow(0)
    click(qtbot, page.window(), "cancelJobButton")
    qtbot.waitUntil(lambda: panel.jobs.item(0, 1).text() == "cancelled", timeout=WAIT)
    assert panel.jobs.item(1, 1).text() == "dropped"
    panel.jobs.selectRow(0)
    click(qtbot, page.window(), "retryJobButton")
    qtbot.waitUntil(lambda: panel.jobs.item(1, 1).text() == "waiting", timeout=WAIT)
    panel.jobs.selectRow(4)
    last = panel.jobs.item(4, 0).text()
    click(qtbot, page.window(), "firstButton")
    qtbot.waitUntil(lambda: panel.jobs.item(0, 0).text() == last, timeout=WAIT)


def test_a_cell_opens_its_run_and_the_table_is_exported(page, three_runs, qtbot):
    _one_peer_queued(three_runs)
    finish(work_queue(three_runs))
    page.tabs.setCurrentWidget(page.experiments)
    panel = page.experiments
    panel.read()
    qtbot.waitUntil(lambda: panel.table.rowCount() > 0, timeout=WAIT)
    rows = [panel.table.verticalHeaderItem(n).text() for n in range(panel.table.rowCount())]
    cell = panel.table.item(rows.index("AE"), 0)
    assert cell.text().startswith("0.")
    run = int(cell.toolTip().splitlines()[0].split("run ")[1])
    assert "failed" in panel.table.item(rows.index("AMAE, leading score"), 1).text()
    click(qtbot, page.window(), "exportExperimentButton")
    qtbot.waitUntil(lambda: (three_runs.exports_folder / "table2-1.tex").is_file(), timeout=WAIT)
    panel.table.cellDoubleClicked.emit(rows.index("AE"), 0)
    results = page.window().pages[3]
    qtbot.waitUntil(
        lambda: results._state is not None and results._state.run_id == run, timeout=WAIT
    )
    assert page.window().stack.currentWidget() is results


def _one_peer_queued(project) -> None:
    small = {"peer": {"epochs": 1, "batch_size": 4, "image_size": 32}}
    queue_experiment(project, Plan(Experiment.TABLE2, (0,), (PeerMethod.AE,), settings=small))
    with project.session() as session:
        job_queue.cancel(session, job_queue.rows(session)[1].id)


def test_a_cell_of_several_seeds_offers_each_of_its_runs(page, three_runs, qtbot, monkeypatch):
    _one_peer_queued(three_runs)
    finish(work_queue(three_runs))
    panel = page.experiments
    panel.read()
    qtbot.waitUntil(lambda: panel.table.rowCount() > 0, timeout=WAIT)
    table = panel._state.table
    place = (table.rows.index("AE"), table.columns.index("N"))
    table.cells["AE", "N"].runs[1] = 77
    offered, wanted = [], []
    monkeypatch.setattr(QMenu, "popup", lambda menu, _: offered.extend(menu.actions()))
    panel.run_wanted.connect(wanted.append)
    panel.table.cellDoubleClicked.emit(*place)
    assert [action.text().split(", ")[1] for action in offered] == ["seed 0", "seed 1"]
    offered[1].trigger()
    assert wanted == [77]


def test_a_worker_is_followed_to_its_end_without_another_click(page, three_runs, qtbot):
    _one_peer_queued(three_runs)
    panel = page.experiments
    page.tabs.setCurrentWidget(panel)
    qtbot.waitUntil(panel.buttons["Start"].isEnabled, timeout=WAIT)
    click(qtbot, page.window(), "startQueueButton")
    qtbot.waitUntil(lambda: "a worker is at work" in panel.queue_text.text(), timeout=WAIT)
    assert not panel.buttons["Start"].isEnabled()
    done = "1 done"
    qtbot.waitUntil(lambda: panel.queue_text.text().startswith(done), timeout=WAIT)
    rows = [panel.table.verticalHeaderItem(n).text() for n in range(panel.table.rowCount())]
    assert panel.table.item(rows.index("AE"), 0).text().startswith("0.")


def test_a_look_at_the_queue_judges_nothing_anew(whole_path):
    _one_peer_queued(whole_path)
    first = read_experiments(whole_path, "", "")
    assert read_experiments(whole_path, "", "", first).table is first.table
    assert read_experiments(whole_path, "", "").table is not first.table
    finish(work_queue(whole_path))
    then = read_experiments(whole_path, "", "", first).table
    assert then.cells["AE", "N"].values
    assert not first.table.cells["AE", "N"].values


def test_a_worker_goes_on_when_the_window_closes(page, three_runs, qtbot):
    _one_peer_queued(three_runs)
    page.tabs.setCurrentWidget(page.experiments)
    qtbot.waitUntil(page.experiments.buttons["Start"].isEnabled, timeout=WAIT)
    click(qtbot, page.window(), "startQueueButton")
    qtbot.waitUntil(lambda: is_at_work(three_runs), timeout=WAIT)
    page.window().close()

    def state() -> QueueState:
        with three_runs.session() as session:
            return job_queue.rows(session)[0].state

    end = time.monotonic() + 600
    while state() is not QueueState.DONE and time.monotonic() < end:
        time.sleep(0.3)
    assert state() is QueueState.DONE
