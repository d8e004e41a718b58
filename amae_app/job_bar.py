"""The bottom bar: what runs, how far, time left, images/s, Pause, Cancel, the queue, notices."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QFrame, QProgressBar, QPushButton, QSizePolicy, QWidget

from amae_app.project_queue import ProjectQueue
from amae_app.queue_state import RunningJob
from amae_app.queues import Queues
from amae_app.theme import restyle
from amae_app.widgets.building import fill, named, row_of
from amae_app.widgets.elided_label import ElidedLabel
from amae_engine.events import Event, Level, Notice, Progress, clock, pace

_NEVER_WHOLE = 0.99  # while it runs
_PROGRESS, _DETAIL, _BUTTON, _QUEUE = 150, 170, 92, 104  # widths that nothing moves
_WHOLE = 1000  # of the progress bar
_SECONDS = {Level.INFO: 15, Level.WARNING: 60}  # that a notice stays


class JobBar(QFrame):
    """Everything has its fixed place: Pause is where it was when the job began.

    Signals:
        queue_wanted(): the reader wants to see what waits.
        unsaved_wanted(): the reader wants to see the acts that are not saved.
    """

    queue_wanted = Signal()
    unsaved_wanted = Signal()

    def __init__(self, queues: Queues, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queues, self._idle = queues, "Nothing runs."
        self._step = ""
        self._share = JobShare()
        self.setProperty("bar", True)
        self._what = ElidedLabel(self._idle)
        self._what.setObjectName("jobLabel")
        self._progress = named(QProgressBar(), "jobProgress", "Progress of the running job")
        self._progress.setFixedWidth(_PROGRESS)
        self._detail = ElidedLabel()
        self._detail.setObjectName("jobDetail")
        self._detail.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self._detail.setFixedWidth(_DETAIL)
        self.pause_button = named(
            QPushButton("Pause"), "pauseButton", tip="Pause the running job; nothing is lost"
        )
        self.cancel_button = named(
            QPushButton("Cancel"),
            "cancelButton",
            tip="End the running job; its last whole epoch is kept",
        )
        self.queue_button = named(
            QPushButton("Queue"),
            "queueButton",
            tip="What runs and what waits: reorder, take out, try again",
        )
        for button in (self.pause_button, self.cancel_button):
            button.setFixedWidth(_BUTTON)
        self.queue_button.setFixedWidth(_QUEUE)
        self.unsaved_button = named(
            QPushButton("Not saved"),
            "unsavedButton",
            tip="Acts that could not be saved: try again, or write them down",
        )
        self.unsaved_button.setVisible(False)
        self._notice = ElidedLabel()
        self._notice.setObjectName("noticeLabel")
        self._expiry = QTimer(self)
        self._expiry.setSingleShot(True)
        self._expiry.timeout.connect(self.clear_notice)
        layout = row_of((self._what, 1), into=self, margins=(12, 4, 12, 4))
        for widget in (self._progress, self._detail, self.pause_button, self.cancel_button,
                       self.queue_button):  # fmt: skip
            layout.addWidget(widget)
        fill(layout, (self._notice, 1), self.unsaved_button)
        self.pause_button.clicked.connect(self._on_pause)
        self.cancel_button.clicked.connect(self._on_cancel)
        self.queue_button.clicked.connect(self.queue_wanted)
        self.unsaved_button.clicked.connect(self.unsaved_wanted)
        queues.event_came.connect(self._on_event)
        queues.changed.connect(self._on_changed)
        queues.ended.connect(self._on_ended)
        self._on_changed()

    def show_idle(self, text: str) -> None:
        """What stands here while nothing runs: why a project is only read, for one."""
        self._idle = text or "Nothing runs."
        self._on_changed()

    @Slot(str, object)
    def show_notice(self, message: str, level: Level = Level.INFO) -> None:
        """Show one sentence for a while; a warning stands out and stays longer."""
        restyle(self._notice, "state", "warning" if level is Level.WARNING else "")
        self._notice.say(message)
        self._expiry.start(1000 * _SECONDS[level])

    @Slot()
    def clear_notice(self) -> None:
        """The notice has been there long enough, or belongs to another project."""
        self._notice.say("")

    @Slot(int)
    def show_unsaved(self, acts: int) -> None:
        """How many acts could not be saved; stays in sight until they are."""
        self.unsaved_button.setText(f"Not saved: {acts}")
        self.unsaved_button.setVisible(acts > 0)

    @Slot(str)
    def warn(self, message: str) -> None:
        """Show what could not be done."""
        self.show_notice(message, Level.WARNING)

    @Slot()
    def _on_pause(self) -> None:
        if self._queues.shown is not None:
            self._queues.shown.toggle_pause()

    @Slot()
    def _on_cancel(self) -> None:
        if self._queues.shown is not None:
            self._queues.shown.cancel()

    @Slot(object, object)
    def _on_event(self, queue: ProjectQueue, event: Event) -> None:
        if isinstance(event, Progress):
            self._show_progress(queue, event)
        elif isinstance(event, Notice):
            self.show_notice(event.message, event.level)

    def _show_progress(self, queue: ProjectQueue, event: Progress) -> None:
        self._step = self._of_project(queue, event.step)
        self._show_what(queue)
        self._progress.setRange(0, _WHOLE)
        self._progress.setValue(round(_WHOLE * self._share.at(event)))
        left = "" if event.seconds_left is None else f"{clock(event.seconds_left)} left"
        self._detail.say(" · ".join(part for part in (left, pace(event)) if part))

    @Slot()
    def _on_changed(self) -> None:
        queue = self._queues.shown
        running = queue.running_job if queue is not None else None
        waiting = len(queue.waiting) if queue is not None else 0
        is_paused = queue is not None and queue.is_paused
        is_cancelling = queue is not None and queue.is_cancelling
        self.queue_button.setText(f"Queue: {waiting}" if waiting else "Queue")
        for widget in (self._progress, self.pause_button, self.cancel_button):
            widget.setEnabled(running is not None or is_paused)
        self.pause_button.setText("Resume" if is_paused else "Pause")
        self.cancel_button.setText("Cancelling…" if is_cancelling else "Cancel")
        self.cancel_button.setEnabled(self.cancel_button.isEnabled() and not is_cancelling)
        restyle(self._progress, "paused", is_paused)
        self._share.pause(is_paused)
        if queue is None or running is None:
            self._step = ""
            left = [job.title for job in queue.waiting] if queue is not None and is_paused else []
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            self._what.say(f"Paused: {left[0]}{more}" if left else self._idle)
            self._detail.say("")
            self._progress.setRange(0, 1)
            self._progress.reset()
            return
        if not self._step:
            self._share = JobShare()
            self._step = f"{self._of_project(queue, running.title)}: starting…"
            self._progress.setRange(0, 0)
        if queue.progress is not None:
            self._show_progress(queue, queue.progress)
        self._show_what(queue)

    def _show_what(self, queue: ProjectQueue) -> None:
        """What runs, whether it is paused, and what follows."""
        waiting = len(queue.waiting)
        paused = "Paused: " if queue.is_paused else ""
        long = f" ({queue.state.forecast})" if queue.state.forecast else ""
        follows = f" · then {waiting} more{long}" if waiting else ""
        self._what.say(f"{paused}{self._step}{follows}")

    @Slot(object, object, object, str)
    def _on_ended(
        self, queue: ProjectQueue, job: RunningJob, _result: object, message: str
    ) -> None:
        self._step = ""
        self._detail.say("")
        title = self._of_project(queue, job.title)
        if message in ("cancelled", "paused"):
            self.show_notice(f"{title}: {message}; the last whole epoch is kept.")
        elif message:
            self.warn(f"{title}: {message}")

    @staticmethod
    def _of_project(queue: ProjectQueue, text: str) -> str:
        """A job's text with the project that it belongs to."""
        return f"{queue.name} · {text}"


class JobShare:
    """How much of a running job is done: by its time, so that the bar and the time left agree.

    Where no time left is known, by the step's units. It never goes back, and is whole at the end alone.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._paused_at: float | None = None
        self._share = 0.0

    def pause(self, is_paused: bool) -> None:
        """Time in a pause does not count."""
        if is_paused and self._paused_at is None:
            self._paused_at = time.monotonic()
        elif not is_paused and self._paused_at is not None:
            self._began += time.monotonic() - self._paused_at
            self._paused_at = None

    def at(self, event: Progress) -> float:
        """The share now, 0 to 1."""
        if event.seconds_left is not None:
            spent = time.monotonic() - self._began
            share = spent / max(spent + event.seconds_left, 1e-6)
        else:
            share = event.done / event.total if event.total > 0 else 0.0
        self._share = max(self._share, min(share, _NEVER_WHOLE))
        return self._share
