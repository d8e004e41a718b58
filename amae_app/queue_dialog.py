"""What runs and what waits, here and in other processes; Compare, Experiments also has what is over."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from amae_app.project_queue import ProjectQueue
from amae_app.queues import Queues
from amae_app.theme import heading
from amae_app.widgets.building import column_of, named
from amae_engine.catalog.tables import QueueState


class QueueDialog(QDialog):
    """Follows the queues while it is open.

    Args:
        queues: Of this window.
        parent: The window.

    Signals:
        stored_wanted(): the reader wants to see what is over, too.
    """

    stored_wanted = Signal()

    def __init__(self, queues: Queues, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("queueDialog")
        self.setWindowTitle("Queue")
        self.resize(560, 320)
        self._queues = queues
        self.jobs = named(QListWidget(), "queueList", "Jobs that run and wait")
        layout = column_of(
            heading("What runs and waits"),
            (self.jobs, 1),
            _buttons(
                (
                    "First",
                    "firstJobButton",
                    "Let this job and what builds on it run next",
                    self._on_first,
                ),
                (
                    "Start",
                    "startJobsButton",
                    "Work what waits or is paused, in this window",
                    self._on_start,
                ),
                (
                    "Take out",
                    "dropJobButton",
                    "Take out this job and what builds on it",
                    self._on_drop,
                ),
            ),
            into=self,
        )
        stored = named(
            QPushButton("Whole queue…"),
            "storedQueueButton",
            tip="Every job of this project, with what is over and what failed",
        )
        stored.setAutoDefault(False)
        stored.clicked.connect(self.stored_wanted)
        layout.addWidget(stored)
        queues.changed.connect(self.show_jobs)
        self.show_jobs()

    @Slot()
    def show_jobs(self) -> None:
        """List the jobs of every queue."""
        row = self.jobs.currentRow()
        self.jobs.clear()
        for queue in self._queues.all:
            running = queue.running_job
            if running is not None:
                state = "paused" if queue.is_paused else "running"
                self._add(queue, running.id, f"{state} · {queue.name} · {running.title}")
            for job in queue.waiting:
                state = "waits" if job.state is QueueState.WAITING else "paused"
                self._add(queue, job.id, f"{state} · {queue.name} · {job.title}")
        if not self.jobs.count():
            self.jobs.addItem("Nothing runs or waits.")
        self.jobs.setCurrentRow(min(row, self.jobs.count() - 1))

    def _add(self, queue: ProjectQueue, number: int, text: str) -> None:
        item = QListWidgetItem(text)
        item.setData(Qt.ItemDataRole.UserRole, (queue, number))
        self.jobs.addItem(item)

    @Slot()
    def _on_first(self) -> None:
        if (chosen := self._chosen()) is not None:
            chosen[0].move_first(chosen[1])

    @Slot()
    def _on_start(self) -> None:
        for queue in self._queues.all:
            if queue.is_paused:
                queue.toggle_pause()
            else:
                queue.start()

    @Slot()
    def _on_drop(self) -> None:
        if (chosen := self._chosen()) is not None:
            chosen[0].drop(chosen[1])

    def _chosen(self) -> tuple[ProjectQueue, int] | None:
        item = self.jobs.currentItem()
        found = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        return found if isinstance(found, tuple) else None


def _buttons(*acts: tuple[str, str, str, Callable[[], object]]) -> QHBoxLayout:
    row = QHBoxLayout()
    for text, name, tip, slot in acts:
        button = named(QPushButton(text), name, tip=tip)
        button.setAutoDefault(False)
        button.clicked.connect(slot)
        row.addWidget(button)
    row.addStretch(1)
    return row
