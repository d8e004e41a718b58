"""Workspace 1: the table of images, import, splits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QStackedWidget,
    QWidget,
)

from amae_app.studies.image_table import ImageTable, line_now
from amae_app.studies.image_table_model import COLUMNS, ImageTableModel
from amae_app.studies.import_dialog import ImportDialog
from amae_app.studies.import_report import ImportReportWindow
from amae_app.studies.selected_image import SelectedImage
from amae_app.studies.studies_actions import StudiesActions
from amae_app.studies.studies_state import (
    Listed,
    ListedBy,
    StudiesState,
    preview_of,
    read_rows,
    read_studies,
)
from amae_app.theme import card, heading, quiet, restyle
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.empty_state import EmptyState
from amae_app.widgets.page_keys import PageKeys
from amae_app.widgets.panes import Pane, Panes
from amae_app.window_context import WindowContext
from amae_app.workspace import Workspace
from amae_engine.catalog import studies
from amae_engine.errors import AmaeError
from amae_engine.events import Changed
from amae_engine.jobs.importing.import_plan import ImportPlan
from amae_engine.jobs.importing.import_report import ImportReport
from amae_engine.jobs.importing.retrieve_images import RetrievalReport
from amae_engine.jobs.model_files.read_model import SUFFIX
from amae_engine.words import plural

_TYPING_PAUSE_MS = 250
_LEFT = ("studies.filter", "studies.sort", "studies.image")


class StudiesPage(Workspace):
    """Images in a table that SQL filters and sorts."""

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self._state: StudiesState | None = None
        self._sort, self._descending = "name", False
        self._listed_by: ListedBy | None = None
        self._returns_to = 0  # an image to go to in the list that is being read
        self.setAcceptDrops(True)
        self.model = ImageTableModel(context.thumbnails, self)
        self.table = ImageTable()
        self.filter = QLineEdit()
        self.summary = quiet()
        self.held_button = QPushButton("Images held back…")
        self.splits = QLabel()
        self.leak = QLabel()
        self.reports: list[ImportReportWindow] = []
        self.actions_of_page = StudiesActions(context, self._selected, self)
        self.selected = SelectedImage(context, self.actions_of_page)
        self._dialog: ImportDialog | None = None
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_PAUSE_MS)
        self._typing.timeout.connect(self._read_ids)
        self.keys = PageKeys(self, "studies", context.settings)
        self.keys.add("filter", "filter", "/", self.filter.setFocus)
        self.selected.viewer.add_keys(self.keys)
        self._lay_out()
        self.setFocusProxy(self.table)
        context.queue.ended.connect(self._on_job_ended)

    def refresh(self, changed: Changed) -> None:
        """Read counts and ids again when images changed."""
        if changed & (Changed.IMAGES | Changed.SETTINGS):
            self._read_ids()

    def view(self) -> dict[str, str]:
        """How the page is left, for the next start."""
        sort = f"{'-' if self._descending else ''}{self._sort}"
        texts = (self.filter.text(), sort, *map(str, self._selected()[:1]))
        return dict(zip(_LEFT, texts, strict=False))

    def restore_view(self, view: Mapping[str, str]) -> None:
        """Show it again as it was left."""
        text, sort, image = (view.get(name, "") for name in _LEFT)
        key, self._descending = sort.removeprefix("-"), sort.startswith("-")
        self._sort = key if key in studies.SORT_KEYS else "name"
        self._returns_to = int(image) if image.isdecimal() else 0
        self.table.show_sort(self._sort, self._descending)
        self.filter.setText(text)

    def show_part(self, name: str) -> None:
        """List what a filter text names."""
        self.filter.setText(name)

    def return_to(self, image_id: int) -> None:
        """Go to an image, once it is listed."""
        self._returns_to = image_id
        self._read_ids()

    def badge_text(self) -> str:
        """Images in the project."""
        return f"{self._state.images:,}".replace(",", "\u2009") if self._state else ""

    def start_import(self, plan: ImportPlan) -> None:
        """Queue an import."""
        self.actions_of_page.start_import(plan)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Ask how to import what was dropped, or what a model that was dropped is to rate."""
        dropped = [Path(url.toLocalFile()) for url in event.mimeData().urls()]
        models = [path for path in dropped if path.suffix == SUFFIX]
        if models:
            self.actions_of_page.ask_apply(str(models[0]))
        else:
            self._ask_import(dropped)

    def _lay_out(self) -> None:
        side = column_of(self._splits_card(), (self.selected, 1))
        box = QWidget()
        box.setLayout(side)
        side.setContentsMargins(0, 0, 0, 0)
        panes = (
            Pane(self._table_card(), "Images", 480, 760, stretch=5),
            Pane(box, "Splits and image", 340, 370, stretch=2, fold=1),
        )
        column_of(Panes(panes, "studies", self._context.settings), into=self, margins=10)

    def _table_card(self) -> QWidget:
        frame, layout = card()
        top = row_of((heading("Studies"), 1))
        self.filter.setObjectName("filterEdit")
        self.filter.setPlaceholderText("Filter: split:test truth:abnormal source:demo")
        named(
            self.filter,
            label="Filter the images",
            tip="Keys: split, truth, source, view, name, patient, flag, tag",
        )
        self.filter.setMinimumWidth(200)
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._typing.start)
        button = named(QPushButton("Import…"), "importButton")
        button.setProperty("primary", True)
        button.setShortcut("Ctrl+I")
        button.setToolTip("Import a folder, images, a CSV table or a data.json (Ctrl+I)")
        button.clicked.connect(self._on_import)
        fill(top, self.filter, self._saved_filters(), self.actions_of_page.button(), button)
        layout.addLayout(top)
        layout.addWidget(self.summary)  # of the whole width: what is wrong with a filter fits
        self._lay_out_table()
        self._stack = QStackedWidget()
        self._stack.addWidget(self.table)
        empty = EmptyState(
            "No images yet.\n\nDrop a folder, DICOM files, a CSV or a data.json here, or press "
            "Import…\nYou need images known to be normal, unlabeled images, and some test images.",
            "emptyStudies",
        )
        self._stack.addWidget(empty)
        layout.addWidget(self._stack, 1)
        return frame

    def _lay_out_table(self) -> None:
        self.table.setModel(self.model)
        self.table.lay_out()
        self.table.horizontalHeader().sectionClicked.connect(self._on_header)
        self.table.selectionModel().selectionChanged.connect(self._on_selected)
        self.model.page_wanted.connect(self._read_page)
        self.model.page_came.connect(self._on_selected)

    def _splits_card(self) -> QWidget:
        frame, layout = card("Splits")
        self.splits.setObjectName("splitsLabel")
        self.splits.setTextFormat(Qt.TextFormat.RichText)
        layout.addWidget(self.splits)
        self.leak.setObjectName("leakLabel")
        self.leak.setWordWrap(True)
        layout.addWidget(self.leak)
        named(self.held_button, "heldButton", tip="Look at them, let them in or leave them out")
        self.held_button.hide()
        self.held_button.clicked.connect(self.actions_of_page.of_images.ask_held)
        layout.addWidget(self.held_button)
        return frame

    def _saved_filters(self) -> QPushButton:
        self.filters = QMenu(self)
        self.filters.aboutToShow.connect(self._fill_filters)
        button = named(
            QPushButton("Saved"),
            "savedFiltersButton",
            tip="Filters and tags of this project; keep this filter under a name",
        )
        button.setMenu(self.filters)
        return button

    @Slot()
    def _fill_filters(self) -> None:
        menu, acts = self.filters, self.actions_of_page.of_images
        menu.clear()
        saved = self._state.saved_filters if self._state is not None else ()
        for name, text in saved:
            menu.addAction(f"{name}:  {text}", partial(self.filter.setText, text))
        for tag, count in self._state.tags if self._state is not None else ():
            menu.addAction(f"tag:{tag}  ({count})", partial(self.filter.setText, f"tag:{tag}"))
        menu.addSeparator()
        keep = menu.addAction("Keep this filter…", self._ask_filter_name)
        keep.setEnabled(bool(self.filter.text().strip()))
        forget = menu.addMenu("Forget")
        forget.setEnabled(bool(saved))
        for name, _ in saved:
            forget.addAction(name, partial(acts.forget_filter, name))

    @Slot()
    def _ask_filter_name(self) -> None:
        name, is_ok = QInputDialog.getText(self, "Keep this filter", "Its name")
        if is_ok:
            self.actions_of_page.of_images.keep_filter(name, self.filter.text())

    @Slot(object, object)
    def _read_page(self, key: tuple[int, int], ids: list[int]) -> None:
        self._context.runner.run(
            f"studies page {key[1]}",
            self._context.call(read_rows, ids, self._context.reader),
            partial(self.model.take_page, key),
        )

    @Slot()
    def _read_ids(self) -> None:
        text, sort, descending = self.filter.text(), self._sort, self._descending
        read = self._context.call(read_studies, text, sort, descending, self._context.reader)
        self._context.runner.run("studies", read, self._show, self._show_error)

    def _show_error(self, error: AmaeError) -> None:
        self.summary.setText(str(error))
        restyle(self.summary, "state", "warning")

    def _show(self, answer: Listed) -> None:
        restyle(self.summary, "state", "")
        self._state, ids, listed_by = answer
        chosen = self._selected()
        before, line = self.model.ids, max(self.table.currentIndex().row(), 0)
        scrolled = self.table.verticalScrollBar().value()
        is_same_list = listed_by == self._listed_by
        self._listed_by = listed_by
        self.model.show_ids(ids, self._context.shows_truth)
        self._stack.setCurrentIndex(1 if self._state.images == 0 else 0)
        shown = f", {len(ids)} shown" if len(ids) != self._state.images else ""
        self.summary.setText(f"{self._state.summary()}{shown}")
        self.splits.setText(self._state.splits_html(self._context.shows_truth))
        self.held_button.setVisible(self._state.held > 0)
        self.held_button.setText(f"{plural(self._state.held, 'image')} held back…")
        self.leak.setText(self._state.leak_text())
        restyle(self.leak, "state", self._state.leak_state())
        if len(ids):
            wanted = np.flatnonzero(ids == self._returns_to)
            places = wanted if len(wanted) else np.flatnonzero(np.isin(ids, chosen))
            now = wanted[0] if len(wanted) else line_now(before, line, ids, is_same_list)
            self.table.select_lines(int(now), places)
        if is_same_list and not self._returns_to:
            self.table.verticalScrollBar().setValue(scrolled)
        self._returns_to = 0
        self.badge_changed.emit()

    @Slot(int)
    def _on_header(self, section: int) -> None:
        key = COLUMNS[section][1]
        if not key:
            return
        self._descending = not self._descending if key == self._sort else False
        self._sort = key
        self.table.show_sort(self._sort, self._descending)
        self._read_ids()

    @Slot()
    def _on_selected(self) -> None:
        chosen = self.table.selectionModel().selectedRows()
        row = self.model.row_at(chosen[-1].row()) if chosen else None
        if row is None:
            return
        number = chosen[-1].row()
        around = [self.model.row_at(number + step) for step in (1, -1, 2)]
        likely = [each.id for each in around if each is not None]
        self.selected.show_row(row, likely)

    def _selected(self) -> list[int]:
        chosen = self.table.selectionModel().selectedRows()
        return self.model.ids_at([index.row() for index in chosen])

    @Slot()
    def _on_import(self) -> None:
        self._ask_import([])

    def _ask_import(self, paths: list[Path]) -> None:
        self._dialog = ImportDialog(paths, self)
        self._dialog.accepted.connect(self._on_import_accepted)
        self._dialog.preview_wanted.connect(self._read_preview)
        self._dialog.open()

    @Slot()
    def _read_preview(self) -> None:
        if self._dialog is None:
            return
        project, plan = self._context.project, self._dialog.plan()
        self._context.runner.run(
            "import-preview",
            lambda: preview_of(project, plan),
            self._dialog.show_preview,
            self._dialog.show_problem,
        )

    @Slot()
    def _on_import_accepted(self) -> None:
        if self._dialog is not None:
            self.start_import(self._dialog.plan())

    @Slot(object, object, str)
    def _on_job_ended(self, _job: object, result: object, _message: str) -> None:
        if isinstance(result, ImportReport | RetrievalReport):
            self._context.announcer.notify(result.summary())
        report = result.imported if isinstance(result, RetrievalReport) else result
        if isinstance(report, ImportReport):
            window = ImportReportWindow(report, self)
            window.twins_wanted.connect(self.actions_of_page.import_twins)
            self.reports.append(window)
            window.show()
