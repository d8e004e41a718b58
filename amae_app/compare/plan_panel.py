"""Which experiment is to be queued, how large its peers are, and how long it would take."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QWidget,
)

from amae_app.queue_state import RunningJob
from amae_app.theme import quiet
from amae_app.widgets.building import column_of, named
from amae_app.widgets.fields import ComboBox, DoubleSpinBox, SpinBox
from amae_app.window_context import WindowContext
from amae_engine.catalog.job_queue import NewJob
from amae_engine.config.peers import PeerSize
from amae_engine.jobs.child_process import run_in_child
from amae_engine.jobs.planning.estimates import Estimate, Like, estimate
from amae_engine.jobs.planning.experiment_plans import Experiment, Plan, plan_jobs
from amae_engine.jobs.planning.queue_experiment import queue_experiment

_TRIALS = "Trials of peers"
_SIZES = {
    PeerSize.PUBLISHED: "peers as published",
    PeerSize.COMPACT: "compact peers (64 px)",
}


class PlanPanel(QWidget):
    """A row of choices, the acts, and a sentence.

    Signals:
        queued(): the grid is in the stored queue.
    """

    queued = Signal()

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._tried: dict[Like, float] = {}
        self.kind = ComboBox()
        self.replicates = SpinBox()
        self.peer_size = ComboBox()
        self.minutes = DoubleSpinBox()
        self.measure = QPushButton("Measure times")
        self.add = QPushButton("Queue and start")
        self.reported = quiet()
        self._lay_out()
        self.kind.activated.connect(self.tell)
        self.peer_size.activated.connect(self.tell)
        for number in (self.replicates, self.minutes):
            number.valueChanged.connect(self.tell)
        self.measure.clicked.connect(self._on_measure)
        self.add.clicked.connect(self._on_add)
        context.queue.ended.connect(self._on_ended)

    @Slot()
    def tell(self) -> None:
        """Say how long the grid would take, before it is queued."""
        project, plan, tried = self._context.project, self._plan(), dict(self._tried)

        self._context.runner.run(
            "estimate",
            lambda: estimate(project, plan_jobs(project, plan), tried).text,
            self.reported.setText,
            lambda error: self.reported.setText(str(error)),
        )

    def _lay_out(self) -> None:
        for experiment in Experiment:
            self.kind.addItem(experiment.label, str(experiment))
        for size, text in _SIZES.items():
            self.peer_size.addItem(text, str(size))
        self.replicates.setRange(1, 20)
        self.replicates.setValue(4)
        self.replicates.setSuffix(" replicates")
        self.minutes.setRange(0, 10_000)
        self.minutes.setDecimals(1)
        self.minutes.setSpecialValueText("every epoch")
        self.minutes.setSuffix(" min a peer")
        rows = [QHBoxLayout(), QHBoxLayout()]
        for row, widget, name, tip in (
            (0, self.kind, "experimentCombo", "Which table or figure of the paper"),
            (0, self.replicates, "replicatesSpin", "Runs that differ in their seed; the paper: 4"),
            (1, self.peer_size, "peerSizeCombo",
             "How large the methods that AMAE is compared with are; compact ones train on a laptop "
             "and are named so in every table"),
            (1, self.minutes, "peerMinutesSpin",
             "As many epochs of each method as fit into so many minutes; 0 for all of its own"),
            (1, self.measure, "measurePeersButton",
             "Try each method for a few steps, to say how long the grid would take here"),
            (0, self.add, "queueExperimentButton",
             "Queue the whole grid; a worker goes on when the window closes"),
        ):  # fmt: skip
            named(widget, name, tip, tip)
            rows[row].addWidget(widget, 1 if widget is self.kind else 0)
        self.add.setProperty("primary", True)
        self.reported.setObjectName("experimentTold")
        column = column_of(into=self, margins=0)
        rows[1].addStretch(1)
        for each in rows:
            column.addLayout(each)
        column.addWidget(self.reported)

    def _plan(self) -> Plan:
        peers: dict[str, Any] = {
            "size": self.peer_size.currentData(),
            "minutes": self.minutes.value(),
        }
        return Plan(
            Experiment(self.kind.currentData()),
            tuple(range(self.replicates.value())),
            settings={"peer": peers},
        )

    @Slot()
    def _on_add(self) -> None:
        project, plan = self._context.project, self._plan()

        def done(answer: tuple[str, Estimate]) -> None:
            name, guess = answer
            truth = ""
            if plan.experiment.uses_hidden_truth:
                truth = " The unlabeled images are drawn by their hidden truth."
            self.reported.setText(f"{name}: {guess.text}{truth}")
            self.queued.emit()

        self._context.act(lambda: queue_experiment(project, plan), done)

    @Slot()
    def _on_measure(self) -> None:
        project, plan = self._context.project, self._plan()

        def measure(jobs: list[NewJob]) -> None:
            peers = [job.config for job in jobs if job.job == "peer"]
            if not peers:
                self._context.announcer.notify(
                    "This experiment has no peer; its own steps tell their time."
                )
                return
            times = partial(run_in_child, project.folder, "peer_times", {"configs": peers})
            self._context.queue.do(_TRIALS, times)

        self._context.act(lambda: plan_jobs(project, plan), measure)

    @Slot(object, object, str)
    def _on_ended(self, job: RunningJob, result: object, _message: str) -> None:
        if job.title == _TRIALS and isinstance(result, dict):
            self._tried |= result
            self.tell()
