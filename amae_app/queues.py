"""The queues that this window works: one machine, which they have one after another."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Signal

from amae_app.project_queue import ProjectQueue
from amae_engine.project import Project


class Queues(QObject):
    """The open project's queue, and those of projects that this window still works for.

    Signals:
        event_came(queue, event), ended(queue, job, result, message): of each, as it says them.
        changed(): of any.
        refused(message): of any.
        closed(): after `close_all`.
    """

    event_came = Signal(object, object)
    ended = Signal(object, object, object, str)
    changed = Signal()
    refused = Signal(str)
    closed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queues: list[ProjectQueue] = []
        self._open: ProjectQueue | None = None
        self._holder: ProjectQueue | None = None  # works now
        self._line: list[ProjectQueue] = []
        self._is_closing = False

    @property
    def all(self) -> tuple[ProjectQueue, ...]:
        """Each of them."""
        return tuple(self._queues)

    @property
    def shown(self) -> ProjectQueue | None:
        """The one that is at work, or else that of the open project."""
        return self._holder or self._open

    @property
    def running(self) -> str:
        """The title of what runs; "" where nothing does."""
        return self.shown.running if self.shown is not None else ""

    def open(self, project: Project) -> ProjectQueue:
        """The queue of a project that the window opens."""
        found = next(
            (q for q in self._queues if q.folder == project.folder and not q.is_closing), None
        )
        if found is None:
            found = ProjectQueue(project.folder, project.name, project.only_reading, self)
            found.event_came.connect(partial(self.event_came.emit, found))
            found.ended.connect(partial(self.ended.emit, found))
            found.refused.connect(self.refused)
            found.changed.connect(self._on_changed)
            found.work_wanted.connect(partial(self._stand_in_line, found))
            found.idle.connect(partial(self._on_idle, found))
            found.closed.connect(partial(self._on_closed, found))
            self._queues.append(found)
        before, self._open = self._open, found
        if before is not None and before is not found:
            self._close_idle(before)
        self._on_changed()
        return found

    def close_all(self, goes_on: bool) -> None:
        """Close each queue, as `ProjectQueue.close` does; `closed` follows."""
        self._is_closing, self._open = True, None
        self._line.clear()
        for queue in self.all:
            queue.close(goes_on)
        if not self._queues:
            self.closed.emit()

    def _stand_in_line(self, queue: ProjectQueue) -> None:
        if queue not in self._line:
            self._line.append(queue)
        self._pass_on()

    def _pass_on(self) -> None:
        if self._holder is None and self._line and not self._is_closing:
            self._holder = self._line.pop(0)
            self._holder.begin()
        self._on_changed()

    def _on_idle(self, queue: ProjectQueue) -> None:
        if self._holder is queue:
            self._holder = None
        self._pass_on()
        self._close_idle(queue)

    def _close_idle(self, queue: ProjectQueue) -> None:
        if queue is not self._open and not queue.is_working and not self._is_closing:
            queue.close()

    def _on_changed(self) -> None:
        holder = self._holder
        for queue in self._queues:
            other = holder.running if holder is not None and holder is not queue else ""
            busy_with = f"{other} of project {holder.name}" if holder and other else ""
            if queue.busy_with != busy_with:
                queue.busy_with = busy_with
                queue.changed.emit()
        self.changed.emit()

    def _on_closed(self, queue: ProjectQueue) -> None:
        self._queues.remove(queue)
        queue.deleteLater()
        if self._is_closing and not self._queues:
            self.closed.emit()
