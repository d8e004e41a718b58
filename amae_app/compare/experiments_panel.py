"""Experiments: a grid of runs queued with one act, worked apart from the window, and its table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.compare.experiments_state import ExperimentsState, read_experiments
from amae_app.compare.plan_panel import PlanPanel
from amae_app.theme import card, quiet
from amae_app.widgets.building import column_of, fill, named
from amae_app.widgets.fields import ComboBox
from amae_app.window_context import WindowContext
from amae_engine.events import Changed
from amae_engine.jobs.planning.queue_experiment import write_results

_JOBS = ("Job", "State", "Run", "What", "Why")


class ExperimentsPanel(QWidget):
    """Queues, follows and shows experiments.

    Signals:
        run_wanted(number): the reader wants to see the run behind a cell.
    """

    run_wanted = Signal(int)

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._state: ExperimentsState | None = None
        self.plan = PlanPanel(context)
        self.chosen = ComboBox()
        self.table = QTableWidget(0, 0)
        self.about = quiet()
        self.jobs = QTableWidget(0, len(_JOBS))
        self.queue_text = QLabel()
        self.buttons: dict[str, QPushButton] = {}
        self._lay_out()
        context.queue.changed.connect(self._look)
        self.plan.queued.connect(context.queue.start_apart)
        self.chosen.activated.connect(self.read)
        self.table.cellDoubleClicked.connect(self._on_cell)

    @Slot()
    def read(self) -> None:
        """Read the queue and the chosen table again."""
        self._read(None)

    @Slot()
    def _look(self) -> None:
        """See how far the queue is; the table is made anew only where a job of it has moved on."""
        self._read(self._state)

    def _read(self, before: ExperimentsState | None) -> None:
        project, reader = self._context.project, self._context.reader
        name = self.chosen.currentText()
        self._context.runner.run(
            "experiments", lambda: read_experiments(project, name, reader, before), self._show
        )

    def _lay_out(self) -> None:
        frame, layout = card("Experiments")
        layout.addWidget(self.plan)
        halves = QSplitter(Qt.Orientation.Vertical)
        halves.addWidget(self._results())
        halves.addWidget(self._queue())
        layout.addWidget(halves, 1)
        column_of(frame, into=self, margins=0)

    def _results(self) -> QWidget:
        box = QWidget()
        column = column_of(into=box, margins=0)
        row = QHBoxLayout()
        named(self.chosen, "experimentNames", "Which experiment's table")
        fill(row, QLabel("Table of"), self.chosen, 0)
        export = named(
            QPushButton("Export table and figure"),
            "exportExperimentButton",
            tip="Text, CSV, LaTeX, PNG and SVG into the project's exports",
        )
        export.clicked.connect(self._on_export)
        row.addWidget(export)
        column.addLayout(row)
        named(
            self.table,
            "experimentTable",
            "The experiment's table",
            "Double click a cell to see one of its runs in Results",
        )
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        fill(column, (self.table, 1), self.about)
        return box

    def _queue(self) -> QWidget:
        box, queue = QWidget(), self._context.queue
        column = column_of(into=box, margins=0)
        row = QHBoxLayout()
        self.queue_text.setObjectName("queueText")
        row.addWidget(self.queue_text, 1)
        for text, name, tip, slot in (
            ("Start", "startQueueButton", "Start a worker that goes on without the window",
             queue.start_apart),
            ("Pause", "pauseQueueButton", "Leave everything for later; nothing is lost",
             queue.toggle_pause),
            ("First", "firstButton", "Run the selected job next", self._of_job(queue.move_first)),
            ("Cancel", "cancelJobButton", "Cancel the selected job and what builds on it",
             self._of_job(queue.drop)),
            ("Try again", "retryJobButton", "Queue the selected job again",
             self._of_job(queue.retry)),
        ):  # fmt: skip
            button = named(QPushButton(text), name, tip=tip)
            button.clicked.connect(slot)
            self.buttons[text] = button
            row.addWidget(button)
        column.addLayout(row)
        named(self.jobs, "queueTable", "The stored queue")
        self.jobs.setHorizontalHeaderLabels(list(_JOBS))
        self.jobs.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.jobs.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.jobs.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.jobs.verticalHeader().setVisible(False)
        header = self.jobs.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        column.addWidget(self.jobs, 1)
        return box

    def _show(self, state: ExperimentsState) -> None:
        before, self._state = self._state, state
        names = [self.chosen.itemText(n) for n in range(self.chosen.count())]
        if names != list(state.names):
            self.chosen.clear()
            self.chosen.addItems(list(state.names))
            if state.table is not None:
                self.chosen.setCurrentText(state.table.experiment)
        self._show_table(state)
        self._show_jobs(state)
        if before is None:
            self.plan.tell()
        if before is not None and before.left > state.left:
            self._context.announcer.announce(Changed.SCORES | Changed.RUNS)

    def _show_table(self, state: ExperimentsState) -> None:
        table = state.table
        self.about.setText(state.problem if table is None else table.about)
        rows, columns = (table.rows, table.columns) if table is not None else ((), ())
        self.table.setRowCount(len(rows))
        self.table.setColumnCount(len(columns))
        self.table.setVerticalHeaderLabels(list(rows))
        self.table.setHorizontalHeaderLabels(list(columns))
        if table is None:
            return
        for y, row in enumerate(rows):
            for x, column in enumerate(columns):
                item = QTableWidgetItem(table.text(row, column))
                cell = table.cells.get((row, column))
                if cell is not None:
                    of_seeds = ", ".join(f"seed {s}: run {r}" for s, r in cell.runs.items())
                    failed = "; ".join(f"seed {s} failed: {w}" for s, w in cell.failed.items())
                    item.setToolTip(
                        "\n".join(each for each in (of_seeds, failed, cell.length) if each)
                    )
                self.table.setItem(y, x, item)
        self.table.resizeColumnsToContents()

    def _show_jobs(self, state: ExperimentsState) -> None:
        self.queue_text.setText(state.text())
        selected = self._selected()
        self.jobs.setRowCount(len(state.jobs))
        for row, job in enumerate(state.jobs):
            texts = (str(job.id), str(job.state), str(job.run_id or "–"), job.title, job.error)
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.jobs.setItem(row, column, item)
            if job.id == selected:
                self.jobs.selectRow(row)
        self.buttons["Pause"].setText("Resume" if self._context.queue.is_paused else "Pause")
        self.buttons["Start"].setEnabled(state.left > 0 and not state.is_at_work)

    def _selected(self) -> int:
        item = self.jobs.item(self.jobs.currentRow(), 0)
        return int(item.text()) if item is not None else 0

    def _of_job(self, act: Callable[[int], None]) -> Callable[[], None]:
        """The act on the selected job."""

        def do() -> None:
            if job := self._selected():
                act(job)
            else:
                self._context.announcer.notify("Select a job of the queue first.")

        return do

    @Slot()
    def _on_export(self) -> None:
        table = self._state.table if self._state is not None else None
        if table is None:
            return
        folder = self._context.project.exports_folder
        self._context.act(
            lambda: write_results(table, folder),
            lambda files: self._context.announcer.notify(f"Written to {files[0].parent}"),
        )

    @Slot(int, int)
    def _on_cell(self, row: int, column: int) -> None:
        table = self._state.table if self._state is not None else None
        if table is None:
            return
        cell = table.cells.get((table.rows[row], table.columns[column]))
        runs = {} if cell is None else cell.runs
        if len(runs) == 1:
            self.run_wanted.emit(next(iter(runs.values())))
        elif runs:
            menu = QMenu(self.table)
            for seed, run in sorted(runs.items()):
                menu.addAction(f"Run {run}, seed {seed}", partial(self.run_wanted.emit, run))
            menu.popup(QCursor.pos())
