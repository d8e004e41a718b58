"""What a reader can do to the unlabeled images: decide, undo, read blind, take over, retrain."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from amae_app.ask_files import ask_file, ask_target
from amae_app.child_job import ChildJob
from amae_app.window_context import WindowContext
from amae_engine.catalog import blind_readings, decisions, runs, standing
from amae_engine.catalog.database import Session
from amae_engine.catalog.decisions import Offer
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import ScoreConfig, Stage2Config
from amae_engine.events import Changed
from amae_engine.jobs.curation.decision_csv import read_decisions, summary, write_decisions
from amae_engine.jobs.curation.second_reading import ChosenBy, begin_second_reading
from amae_engine.jobs.planning.defaults import default_config
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
        self._context.write(
            lambda session: decisions.decide(
                session, list(images), labels, reader, run_id, kind, offer
            ),
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

        self._context.write(
            lambda session: standing.decide_undisputed(
                session, list(images), label, reader, run_id, offer
            ),
            done,
            str(label),
            images,
            _PAGE,
        )

    def read_blind(self, session_id: int, images: dict[int, str], label: Label) -> None:
        """Note what the second reader calls images."""

        def act(session: Session) -> None:
            for image_id in images:
                blind_readings.read(session, session_id, image_id, label)

        self._context.write(act, self._decided, f"second reading: {label}", images, _PAGE)

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
        self._context.write(
            lambda session: blind_readings.agree(session, session_id, image_id, label),
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
            lambda count: self._context.notify(f"{plural(count, 'decision')} written."),
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
            self._context.notify(text)
            self._decided(None)

        self._context.act(
            lambda: summary(read_decisions(project, path, reader)),
            done,
            f"decisions of {path.name}",
        )

    def retrain(self, effect: Stage2Effect) -> None:
        """Train stage 2 again on the current labels: B alone where A would be the same."""
        project, labels = self._context.project, self._context.labels
        b_alone = effect.b_alone

        def settings() -> tuple[Stage2Config, ScoreConfig]:
            then = project.in_session(lambda session: runs.get(session, effect.run_id).config)
            module_a = effect.run_id if b_alone else 0
            stage2 = Stage2Config.from_dict(then).replace(
                module_a_run=module_a, pseudo_labels=labels
            )
            return stage2, default_config(project, ScoreConfig).config

        def queue(configs: tuple[Stage2Config, ScoreConfig]) -> None:
            stage2, score = configs
            title = "Stage 2, module B" if b_alone else "Stage 2"
            self._context.queue.add(
                (title, ChildJob(project.folder, "stage2", stage2)),
                ("Scoring", ChildJob(project.folder, "score", score)),
            )

        self._context.act(settings, queue)

    @Slot()
    def rate_unlabeled(self) -> None:
        """Let the newest stage 2 rate the unlabeled images too, next to the test images."""
        project = self._context.project
        folder, both = project.folder, (str(Split.TEST), str(Split.UNLABELED))

        def settings() -> ScoreConfig:
            return default_config(project, ScoreConfig).config.replace(splits=both)

        self._context.act(
            settings,
            lambda config: self._context.queue.add(("Scoring", ChildJob(folder, "score", config))),
        )

    @Slot()
    def second_round(self) -> None:
        """Re-rank U by the probe and stage 2; train on that where validation images say so."""
        folder = self._context.project.folder
        self._context.queue.add(("Second round", ChildJob(folder, "rounds", {})))

    def _decided(self, _: object) -> None:
        self._context.announce(Changed.DECISIONS)
