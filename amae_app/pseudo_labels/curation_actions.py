"""What a reader can do to the unlabeled images: decide, undo, read blind, take over, retrain."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from amae_app.ask_files import ask_file, ask_target
from amae_app.window_context import WindowContext
from amae_engine.catalog import blind_readings, decisions, standing
from amae_engine.catalog.decisions import Offer
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import Label
from amae_engine.events import Changed
from amae_engine.jobs.curation.decision_csv import read_decisions, summary, write_decisions
from amae_engine.jobs.curation.second_reading import ChosenBy, begin_second_reading
from amae_engine.jobs.planning.next_jobs import rating_unlabeled, retraining
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import PseudoLabelView
from amae_engine.jobs.pseudo_labels.stage2_effect import Stage2Effect
from amae_engine.words import plural

_PAGE = "pseudoLabels"


class CurationActions(QObject):
    """Writes to the catalog off the event thread and announces it.

    Signals:
        reading_begun(session): a blind second reading.
        disputed(images, label, kept): names of images by id that were to get a label, and the decisions
            by image that stayed in its place.
    """

    reading_begun = Signal(int)
    disputed = Signal(object, object, object)

    def __init__(self, context: WindowContext, page: QWidget) -> None:
        super().__init__(page)
        self._context, self._page = context, page

    def decide(
        self, images: dict[int, str], labels: list[Label], kind: str, run_id: int, offer: Offer
    ) -> None:
        """Decide on images, names by id, in one act."""
        reader = self._context.reader
        self._context.act(
            self._context.call(decisions.decide, list(images), labels, reader, run_id, kind, offer),
            self._decided,
            " / ".join(dict.fromkeys(labels)),
            images,
            _PAGE,
        )

    def decide_undisputed(
        self, images: dict[int, str], label: Label, run_id: int, offer: Offer
    ) -> None:
        """Decide on those images, names by id, that have no other decision; tell of the others."""
        reader = self._context.reader

        def done(kept: dict[int, standing.Standing]) -> None:
            self._decided(None)
            if kept:
                self.disputed.emit(images, label, kept)

        self._context.act(
            self._context.call(
                standing.decide_undisputed, list(images), label, reader, run_id, offer
            ),
            done,
            str(label),
            images,
            _PAGE,
        )

    def read_blind(self, session_id: int, images: dict[int, str], label: Label) -> None:
        """Note what the second reader calls images."""
        act = self._context.call(blind_readings.read, session_id, list(images), label)
        self._context.act(act, self._decided, f"second reading: {label}", images, _PAGE)

    def begin_blind(self, view: PseudoLabelView, count: int, chosen_by: ChosenBy) -> None:
        """Choose images for a blind second reading, and begin it."""
        project, reader = self._context.project, self._context.reader
        self._context.act(
            lambda: begin_second_reading(project, view, reader, count, chosen_by),
            self.reading_begun.emit,
            "begin a second reading",
        )

    @Slot(int, int, object)
    def agree(self, session_id: int, image_id: int, label: Label) -> None:
        """Decide on a conflict by consensus."""
        self._context.act(
            self._context.call(blind_readings.agree, session_id, image_id, label),
            self._decided,
            f"consensus: {label}",
            {image_id: ""},
            _PAGE,
        )

    @Slot()
    def ask_export(self) -> None:
        """Ask where to write the decisions, and write them."""
        name = ask_target(self._page, "Decisions as a table", "decisions.csv", "CSV (*.csv)")
        if name:
            self.export(Path(name))

    def export(self, path: Path) -> None:
        """Write every decision to a table."""
        project, reader = self._context.project, self._context.reader
        self._context.act(
            lambda: write_decisions(project, path, reader),
            lambda count: self._context.announcer.notify(f"{plural(count, 'decision')} written."),
            "decisions as a table",
        )

    @Slot()
    def ask_take_over(self) -> None:
        """Ask for a table of decisions, and take them over."""
        name = ask_file(self._page, "Decisions from a table", "CSV (*.csv)")
        if name:
            self.take_over(Path(name))

    def take_over(self, path: Path) -> None:
        """Take the decisions of a table over."""
        project, reader = self._context.project, self._context.reader

        def done(text: str) -> None:
            self._context.announcer.notify(text)
            self._decided(None)

        self._context.act(
            lambda: summary(read_decisions(project, path, reader)),
            done,
            f"decisions of {path.name}",
        )

    def retrain(self, effect: Stage2Effect) -> None:
        """Train stage 2 again on the current labels: B alone where A would be the same."""
        project, labels = self._context.project, self._context.labels
        self._context.act(lambda: retraining(project, labels, effect), self._queue)

    @Slot()
    def rate_unlabeled(self) -> None:
        """Let the newest stage 2 rate the unlabeled images too, next to the test images."""
        project = self._context.project
        self._context.act(lambda: rating_unlabeled(project), self._queue)

    def _queue(self, jobs: tuple[NewJob, ...]) -> None:
        self._context.queue.add(*jobs)

    @Slot()
    def second_round(self) -> None:
        """Re-rank U by the probe and stage 2; train on that where validation images say so."""
        self._context.queue.add(NewJob("Second round", "rounds", {}))

    def _decided(self, _: object) -> None:
        self._context.announcer.announce(Changed.DECISIONS)
