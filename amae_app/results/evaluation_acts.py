"""What a reader does about the judgement of a run: choose a point, lock it, seal; ask for maps."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from amae_app.message_boxes import ask
from amae_app.window_context import WindowContext
from amae_engine.catalog import locked_points
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.locked_points import LockedRow
from amae_engine.config import ScoreKind
from amae_engine.evaluation.operating_rules import RuleChoice
from amae_engine.events import Changed
from amae_engine.jobs.evaluation.evaluate_run import RunEvaluation
from amae_engine.jobs.evaluation.operating_points import ChosenPoint, choose_point, lock_point
from amae_engine.jobs.evaluation.subgroups import subgroups


class EvaluationActs(QObject):
    """Works off the event thread.

    Signals:
        chosen(point): an operating point, by a rule.
        grouped(groups): a score judged in each subgroup.
    """

    chosen = Signal(object)
    grouped = Signal(object)

    def __init__(self, context: WindowContext, page: QWidget) -> None:
        super().__init__(page)
        self._context, self._page = context, page

    def choose(self, run: int, kind: ScoreKind, choice: RuleChoice) -> None:
        """Choose a threshold on validation or normal images."""
        project = self._context.project
        self._context.runner.run(
            "choose", lambda: choose_point(project, run, kind, choice), self.chosen.emit
        )

    def make_maps(self, run: int, image_ids: list[int]) -> None:
        """Queue the making of images' maps, of a run that kept none."""
        config = {"run_id": run, "image_ids": image_ids}
        self._context.queue.add(NewJob(f"Maps of run {run}", "maps", config))

    def ask_lock(self, run: int, kind: ScoreKind, choice: RuleChoice) -> None:
        """Choose a point and, since a lock is for good, say what it fixes and ask once."""
        project = self._context.project

        def show(point: ChosenPoint) -> None:
            text = (
                f"Lock {kind.label} of run {point.run_id} at {point.threshold:.4g}?\n\n"
                f"{choice.text}; chosen on {point.chosen_on}. A locked point stays, and the test images "
                f"are open from then on."
            )
            ask(self._page, "lockPoint", text, "Lock", lambda: self.lock(point))

        self._context.runner.run("lock", lambda: choose_point(project, run, kind, choice), show)

    def lock(self, point: ChosenPoint) -> None:
        """Fix a point with the reader's name, and open the test images."""
        project, reader = self._context.project, self._context.reader

        def done(row: LockedRow) -> None:
            self._context.announcer.notify(row.text)
            self._context.announcer.announce(Changed.SCORES | Changed.IMAGES)  # their truth is open

        self._context.act(
            lambda: lock_point(project, point, reader),
            done,
            f"lock the operating point of {point.kind.label}, run {point.run_id}",
            page="results",
        )

    @Slot()
    def seal(self) -> None:
        """Close the truth of the test images."""
        reader = self._context.reader
        self._context.act(
            self._context.call(locked_points.seal, reader),
            lambda _: self._context.announcer.announce(Changed.SCORES | Changed.IMAGES),
            "seal",
            page="results",
        )

    def group(self, evaluation: RunEvaluation | None, kind: ScoreKind) -> None:
        """Judge a score in each subgroup."""
        project = self._context.project
        if evaluation is None:
            self.grouped.emit([])
            return
        self._context.runner.run(
            "subgroups",
            lambda: subgroups(project, evaluation, kind),
            self.grouped.emit,
            lambda _: self.grouped.emit([]),  # too few images of any group
        )
