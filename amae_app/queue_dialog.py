"""What runs and what waits in this window; Compare, Experiments has the stored queue."""

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

from amae_app.job_queue import JobQueue, QueuedJob
from amae_app.theme import heading
from amae_app.widgets.building import column_of, named


class QueueDialog(QDialog):
    """Follows the queue while it is open.

    Args:
        queue: Of this window.
        parent: The window.

    Signals:
        stored_wanted(): the reader wants to see the stored queue.
    """

    stored_wanted = Signal()

    def __init__(self, queue: JobQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("queueDialog")
        self.setWindowTitle("Queue")
        self.resize(560, 320)
        self._queue = queue
        self.jobs = named(QListWidget(), "queueList", "Jobs of this window")
        layout = column_of(
            heading("This window"),
            (self.jobs, 1),
            _buttons(
                (
                    "First",
                    "firstJobButton",
                    "Let this job and what builds on it run next",
                    self._on_first,
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
            QPushButton("Stored queue…"),
            "storedQueueButton",
            tip="Experiments, and what was handed over when a window closed",
        )
        stored.setAutoDefault(False)
        stored.clicked.connect(self.stored_wanted)
        layout.addWidget(stored)
        queue.changed.connect(self.show_jobs)
        self.show_jobs()

    @Slot()
    def show_jobs(self) -> None:
        """List this window's current jobs."""
        row = self.jobs.currentRow()
        self.jobs.clear()
        running = self._queue.running_job
        if running is not None:
            state = "paused" if self._queue.is_paused else "running"
            self.jobs.addItem(f"{state} · {_text(running)}")
        for job in self._queue.waiting:
            item = QListWidgetItem(f"waits · {_text(job)}")
            item.setData(Qt.ItemDataRole.UserRole, job)
            self.jobs.addItem(item)
        if not self.jobs.count():
            self.jobs.addItem("Nothing runs or waits.")
        self.jobs.setCurrentRow(min(row, self.jobs.count() - 1))

    @Slot()
    def _on_first(self) -> None:
        job = self._chosen()
        if job is not None:
            self._queue.move_first(job)

    @Slot()
    def _on_drop(self) -> None:
        job = self._chosen()
        if job is not None:
            self._queue.drop(job)

    def _chosen(self) -> QueuedJob | None:
        item = self.jobs.currentItem()
        found = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        return found if isinstance(found, QueuedJob) else None


def _buttons(*acts: tuple[str, str, str, Callable[[], object]]) -> QHBoxLayout:
    row = QHBoxLayout()
    for text, name, tip, slot in acts:
        button = named(QPushButton(text), name, tip=tip)
        button.setAutoDefault(False)
        button.clicked.connect(slot)
        row.addWidget(button)
    row.addStretch(1)
    return row


def _text(job: QueuedJob) -> str:
    return f"{job.owner.name} · {job.title}" if job.owner.name else job.title
