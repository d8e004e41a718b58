"""Images on which two runs disagree most, side by side with each run's map."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.compare.compare_state import ComparedRun, Disagreed, disagreements
from amae_app.image_loader import ImageLoader
from amae_app.theme import card, quiet
from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.image_viewer import ImageViewer
from amae_app.widgets.map_colours import SEQUENTIAL, map_colours
from amae_app.window_context import WindowContext
from amae_engine.config import ScoreKind
from amae_engine.runs.map_files import ImageMaps, load_image_maps

_OPACITY, _ABOVE = 0.5, 0.25


@dataclass(frozen=True, slots=True)
class _Maps:
    """The two runs' maps of an image."""

    image_id: int
    each: tuple[ImageMaps | None, ImageMaps | None]


class DisagreementPanel(QWidget):
    """A list, and the image twice."""

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._pair: tuple[ComparedRun, ComparedRun] | None = None
        self._kind: ScoreKind | None = None
        self._found: list[Disagreed] = []
        self.about = quiet("Select two runs in Runs.")
        self.table = named(
            QTableWidget(0, 4), "disagreementTable", "Images on which the runs disagree"
        )
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setMinimumWidth(290)
        self.viewers = (ImageViewer("By the first run"), ImageViewer("By the second run"))
        self.titles = (QLabel(), QLabel())
        self._loaders = tuple(
            ImageLoader(context, viewer, f"compare {n}") for n, viewer in enumerate(self.viewers)
        )
        frame, layout = card()
        layout.addWidget(self.about)
        row = row_of((self.table, 2))
        for title, viewer in zip(self.titles, self.viewers, strict=True):
            column = column_of(title, (viewer, 1))
            row.addLayout(column, 3)
        layout.addLayout(row, 1)
        column_of(frame, into=self, margins=0)
        self.table.currentCellChanged.connect(self._on_current)
        first, second = (viewer.view for viewer in self.viewers)
        first.moved.connect(lambda: second.follow(first))
        second.moved.connect(lambda: first.follow(second))
        for loader in self._loaders:
            loader.shown.connect(self._read_maps)

    def show_pair(self, chosen: list[ComparedRun], kind: ScoreKind | None) -> None:
        """Find where the first two of the runs disagree."""
        self._kind = kind
        if len(chosen) < 2:
            self._pair, self._found = None, []
            self.about.setText("Select two runs in Runs.")
            self.table.setRowCount(0)
            return
        first, second = self._pair = (chosen[0], chosen[1])
        project = self._context.project
        self._context.runner.run(
            "disagreements", lambda: disagreements(project, first, second, kind), self._show
        )

    def _show(self, found: list[Disagreed]) -> None:
        if self._pair is None:
            return
        self._found = found
        names = [f"run {run.score_run.id}" for run in self._pair]
        self.about.setText(
            f"Test images that {names[0]} and {names[1]} rank farthest apart; ranks in % of the "
            f"images that both judged, 100 the most abnormal."
        )
        self.table.setHorizontalHeaderLabels(["Image", "Truth", *names])
        self.table.setRowCount(len(found))
        for row, each in enumerate(found):
            truth = {0: "normal", 1: "abnormal"}.get(each.truth, "–")
            texts = (each.name, truth, *(f"{100 * rank:.0f}" for rank in each.ranks))
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.table.setItem(row, column, item)
        for title, name in zip(self.titles, names, strict=True):
            title.setText(name)
        if found:
            self.table.setCurrentCell(0, 0)

    @Slot()
    def _on_current(self) -> None:
        row = self.table.currentRow()
        if not 0 <= row < len(self._found):
            return
        likely = [each.ref.image_id for each in self._found[row + 1 : row + 2]]
        for loader in self._loaders:
            loader.show(self._found[row].ref, likely)
        self._read_maps()

    @Slot()
    def _read_maps(self) -> None:
        row, pair, project = self.table.currentRow(), self._pair, self._context.project
        if pair is None or not 0 <= row < len(self._found):
            return
        image_id = self._found[row].ref.image_id

        def read() -> _Maps:
            one, two = (load_image_maps(project, run.score_run.id, image_id) for run in pair)
            return _Maps(image_id, (one, two))

        self._context.runner.run("compared maps", read, self._draw)

    def _draw(self, maps: _Maps) -> None:
        if self._pair is None:
            return
        for run, found, viewer in zip(self._pair, maps.each, self.viewers, strict=True):
            kind = self._kind or run.leading
            values = found.of_score(kind) if found is not None and kind is not None else None
            if values is None or found is None or kind is None:
                viewer.view.show_map(None)
                continue
            scale, signed = found.scale[kind], kind.has_signed_map
            viewer.view.show_map(
                map_colours(values, scale, SEQUENTIAL[0], _OPACITY, _ABOVE, signed)
            )
