"""The bottom bar: what runs, how far, time left, images/s, Pause, Cancel."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from amae_app.job_queue import JobQueue, QueuedJob
from amae_app.theme import restyle
from amae_engine.events import Event, Level, Notice, Progress, clock


class JobBar(QFrame):
    """Shows the queue's running job; the newest notice when nothing runs."""

    def __init__(self, queue: JobQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue, self._idle = queue, "Nothing runs."
        self.setProperty("bar", True)
        self._what = QLabel(self._idle)
        self._what.setObjectName("jobLabel")
        self._progress = QProgressBar()
        self._progress.setObjectName("jobProgress")
        self._progress.setAccessibleName("Progress of the running job")
        self._progress.setFixedWidth(180)
        self._detail = QLabel()
        self._detail.setObjectName("jobDetail")
        self.pause_button = QPushButton("Pause")
        self.pause_button.setObjectName("pauseButton")
        self.pause_button.setToolTip("Pause the running job; nothing is lost")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setObjectName("cancelButton")
        self.cancel_button.setToolTip("End the running job; its last whole epoch is kept")
        self._notice = QLabel()
        self._notice.setObjectName("noticeLabel")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 4)
        for widget in (
            self._what,
            self._progress,
            self._detail,
            self.pause_button,
            self.cancel_button,
        ):
            layout.addWidget(widget)
        layout.addWidget(self._notice, 1)
        self.pause_button.clicked.connect(queue.toggle_pause)
        self.cancel_button.clicked.connect(queue.cancel)
        queue.event_came.connect(self._on_event)
        queue.changed.connect(self._on_changed)
        queue.ended.connect(self._on_ended)
        self._on_changed()

    def show_idle(self, text: str) -> None:
        """What stands here while nothing runs: why a project is only read, for one."""
        self._idle = text or "Nothing runs."
        self._on_changed()

    @Slot(str, object)
    def show_notice(self, message: str, level: Level = Level.INFO) -> None:
        """Show one sentence; a warning stands out."""
        restyle(self._notice, "state", "warning" if level is Level.WARNING else "")
        room = max(200, self._notice.width())
        text = self._notice.fontMetrics().elidedText(message, Qt.TextElideMode.ElideRight, room)
        self._notice.setText(text)
        self._notice.setToolTip(message)

    @Slot(object, object)
    def _on_event(self, job: QueuedJob, event: Event) -> None:
        if isinstance(event, Progress):
            self._what.setText(_of_project(job, event.step))
            self._progress.setRange(0, max(event.total, 0))
            self._progress.setValue(event.done)
            left = "" if event.seconds_left is None else f"{clock(event.seconds_left)} left"
            rate = f"{event.rate:.0f} images/s" if event.rate >= 1 else ""
            self._detail.setText(" · ".join(part for part in (left, rate) if part))
        elif isinstance(event, Notice):
            self.show_notice(event.message, event.level)

    @Slot()
    def _on_changed(self) -> None:
        running = self._queue.running_job
        for widget in (self._progress, self._detail, self.pause_button, self.cancel_button):
            widget.setVisible(running is not None)
        if running is None:
            self._what.setText(self._idle)
            self._detail.clear()
            return
        self.pause_button.setText("Resume" if self._queue.is_paused else "Pause")
        self.cancel_button.setEnabled(not self._queue.is_cancelling)
        self.cancel_button.setText("Cancelling…" if self._queue.is_cancelling else "Cancel")
        if not self._detail.text():
            self._what.setText(f"{_of_project(running, running.title)}: starting…")
            self._progress.setRange(0, 0)

    @Slot(object, object, str)
    def _on_ended(self, job: QueuedJob, _result: object, message: str) -> None:
        self._detail.clear()
        title = _of_project(job, job.title)
        if message == "cancelled":
            self.show_notice(f"{title}: cancelled; the last whole epoch is kept.")
        elif message:
            self.show_notice(f"{title}: {message}", Level.WARNING)


def _of_project(job: QueuedJob, text: str) -> str:
    """A job's text with the project that it belongs to."""
    return f"{job.owner.name} · {text}" if job.owner.name else text
