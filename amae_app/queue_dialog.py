"""What runs and what waits: this window's jobs, and the project's stored experiments."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from amae_app.job_queue import JobQueue, QueuedJob
from amae_app.theme import heading, quiet
from amae_app.window_context import WindowContext
from amae_app.words import plural
from amae_engine.catalog import job_queue
from amae_engine.catalog.job_queue import QueueRow
from amae_engine.catalog.tables import QueueState
from amae_engine.errors import AmaeError

_LEFT = (QueueState.WAITING, QueueState.RUNNING, QueueState.PAUSED, QueueState.FAILED)


class QueueDialog(QDialog):
    """Follows the queue while it is open.

    Args:
        queue: Of this window.
        context: The open project, whose stored queue is shown too.
    """

    def __init__(
        self, queue: JobQueue, context: WindowContext | None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("queueDialog")
        self.setWindowTitle("Queue")
        self.resize(640, 460)
        self._queue, self._context = queue, context
        self.jobs = QListWidget()
        self.jobs.setObjectName("queueList")
        self.jobs.setAccessibleName("Jobs of this window")
        self.stored = QListWidget()
        self.stored.setObjectName("storedQueueList")
        self.stored.setAccessibleName("Stored experiments of this project")
        self.about = quiet()
        layout = QVBoxLayout(self)
        layout.addWidget(heading("This window"))
        layout.addWidget(self.jobs, 1)
        layout.addLayout(
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
            )
        )
        layout.addWidget(heading("Stored experiments (amae queue)"))
        layout.addWidget(self.stored, 1)
        layout.addWidget(self.about)
        layout.addLayout(
            _buttons(
                (
                    "First",
                    "firstStoredButton",
                    "Let this job run next",
                    lambda: self._act(job_queue.move_first),
                ),
                (
                    "Cancel",
                    "cancelStoredButton",
                    "Take it out",
                    lambda: self._act(job_queue.cancel),
                ),
                (
                    "Retry",
                    "retryStoredButton",
                    "Try a failed job again",
                    lambda: self._act(job_queue.retry),
                ),
            )
        )
        queue.changed.connect(self.show_jobs)
        self.show_jobs()
        self._read()

    @Slot()
    def show_jobs(self) -> None:
        """List this window's jobs as they stand."""
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

    def _read(self) -> None:
        if self._context is None:
            self._show_stored([])
            return
        project = self._context.project

        def read() -> list[QueueRow]:
            with project.session() as session:
                return job_queue.rows(session)

        self._context.background("stored-queue", read, self._show_stored)

    def _show_stored(self, rows: list[QueueRow] | AmaeError) -> None:
        if isinstance(rows, AmaeError):
            self.about.setText(str(rows))
            return
        self.stored.clear()
        left = [row for row in rows if row.state in _LEFT]
        for row in left:
            why = f": {row.error}" if row.error else ""
            item = QListWidgetItem(f"{row.state} · {row.title}{why}")
            item.setData(Qt.ItemDataRole.UserRole, row.id)
            self.stored.addItem(item)
        self.about.setText(
            f"{plural(len(left), 'job')} left of {len(rows)}; they run by `amae queue run`, or "
            f"from Compare, Experiments."
            if rows
            else "No experiment is queued."
        )

    def _act(self, act: Callable[..., object]) -> None:
        item, context = self.stored.currentItem(), self._context
        if item is None or context is None:
            return
        number, project = int(item.data(Qt.ItemDataRole.UserRole)), context.project

        def write() -> None:
            with project.session() as session:
                act(session, number)

        context.act(write, lambda _: self._read())

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
        button = QPushButton(text)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        button.clicked.connect(slot)
        row.addWidget(button)
    row.addStretch(1)
    return row


def _text(job: QueuedJob) -> str:
    return f"{job.owner.name} · {job.title}" if job.owner.name else job.title
