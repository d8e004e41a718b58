"""Ask what of a run leaves the program, and in which form."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from amae_app.ask_files import path_row
from amae_app.server_rows import SENDING, ServerRows, line
from amae_app.theme import quiet, restyle
from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_engine.errors import BadSetting
from amae_engine.pacs.server import Server
from amae_engine.words import plural

_NARROWEST = 360  # logical pixels of a column of the dialog


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """What is written.

    Attributes:
        logo, section: Of the report; None for none.
        images: Ids of the images whose DICOM objects are made; None for all of the run.
        server: Where the objects are sent; None keeps them in the folder.
        share: The folder of a copy to share; None makes none.
    """

    tables: bool
    report: bool
    pdf: bool
    logo: Path | None
    section: Path | None
    dicom: bool
    for_source_pacs: bool
    images: tuple[int, ...] | None
    server: Server | None
    password: str = field(repr=False)
    model: bool
    bundle: bool
    with_weights: bool
    share: Path | None


class ExportDialog(QDialog):
    """Collects an `ExportChoice`.

    Args:
        run_id: The run that is exported.
        listed: Ids of the images that are listed now.
        shown: Of the image that is shown; 0 for none.
        remembered: How a PACS was last spoken to.
        parent: The page.
    """

    def __init__(
        self,
        run_id: int,
        listed: tuple[int, ...],
        shown: int,
        remembered: dict[str, str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Export run {run_id}")
        self.setObjectName("exportDialog")
        self.setMinimumSize(880, 600)
        self.tables = _group("tables", "Scores and figures", True)
        self.report = _group("report", "Report", True)
        self.pdf = QCheckBox("as PDF too")
        self.pdf.setChecked(True)
        self.logo = line("none (PNG, JPEG or SVG)")
        self.section = line("none (a text file; its first line is the heading)")
        self.dicom = _group("dicom", "DICOM objects", False)
        self.images = ComboBox()
        self.images.addItem("all test images of the run", None)
        self.images.addItem(f"the {plural(len(listed), 'image')} listed now", listed)
        if shown:
            self.images.addItem("the image that is shown", (shown,))
        self.identity = ComboBox()
        self.identity.addItem("de-identified, with the image", False)
        self.identity.addItem("for the PACS the images came from (names patients)", True)
        self.send = QCheckBox("send to a PACS")
        self.rows = ServerRows(SENDING, remembered, self)
        self.model = _group("model", "Model that rates other images", False)
        self.bundle = _group("bundle", "Bundle that re-creates the result", False)
        self.weights = QCheckBox("with the networks' weights")
        self.share = _group("share", "Copy of the project to share", False)
        self.folder = line("a new or empty folder")
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        restyle(self.problem, "state", "warning")
        self._lay_out()

    def choice(self) -> ExportChoice:
        """What the reader chose.

        Raises:
            BadSetting: Nothing is chosen, or an entry cannot be what it must be.
        """
        groups = (
            self.tables, self.report, self.dicom, self.model, self.bundle, self.share,
        )  # fmt: skip
        if not any(group.isChecked() for group in groups):
            raise BadSetting("Choose at least one form.")
        sends = self.dicom.isChecked() and self.send.isChecked()
        if self.share.isChecked() and not self.folder.text().strip():
            raise BadSetting("Choose a new or empty folder for the copy.")
        return ExportChoice(
            tables=self.tables.isChecked(),
            report=self.report.isChecked(),
            pdf=self.pdf.isChecked(),
            logo=_file(self.logo),
            section=_file(self.section),
            dicom=self.dicom.isChecked(),
            for_source_pacs=bool(self.identity.currentData()),
            images=self.images.currentData(),
            server=self.rows.server() if sends else None,
            password=self.rows.password.text(),
            model=self.model.isChecked(),
            bundle=self.bundle.isChecked(),
            with_weights=self.weights.isChecked(),
            share=Path(self.folder.text().strip()) if self.share.isChecked() else None,
        )

    def accept(self) -> None:
        """Close, unless an entry is wrong."""
        try:
            self.choice()
        except BadSetting as error:
            self.problem.setText(str(error))
            return
        super().accept()

    def _lay_out(self) -> None:
        _fill(self.tables, "Scores as CSV and Parquet, curves as SVG and PNG, example images.")
        form = QFormLayout()
        form.addRow("", self.pdf)
        form.addRow("Logo", self._path(self.logo, "reportLogo", "A logo"))
        form.addRow("Own section", self._path(self.section, "reportSection", "A text file"))
        _fill(self.report, "One HTML file with data, methods, results, cases and limits.", form)
        form = QFormLayout()
        form.addRow("Images", self.images)
        form.addRow("Identity", self.identity)
        form.addRow("", self.send)
        self.rows.add_to(form)
        self.send.toggled.connect(self._on_send)
        self._on_send(False)
        _fill(
            self.dicom,
            "Image with overlay, segmentations of the map and of regions, a structured report.",
            form,
        )
        _fill(
            self.model,
            "What was learnt, how well it does and for which images; no pixels, no identity. It is "
            "applied in Studies (More → Apply a model), or with amae apply.",
        )
        form = QFormLayout()
        form.addRow("", self.weights)
        _fill(
            self.bundle,
            "Settings, hashes, decisions, split and scores; no pixels, no identity. "
            "Anyone who has the images can repeat the runs: amae rerun.",
            form,
        )
        form = QFormLayout()
        form.addRow(
            "Folder",
            self._path(self.folder, "shareFolder", "A new or empty folder", is_folder=True),
        )
        _fill(
            self.share,
            "Catalog, stored images and runs; without private/, notes, tags and names.",
            form,
        )
        for widget, name, text in (
            (self.pdf, "reportPdf", "The report as PDF too"),
            (self.images, "dicomImages", "Which images"),
            (self.identity, "dicomIdentity", "De-identified, or for the source PACS"),
            (self.send, "sendDicom", "Send the objects to a PACS"),
            (self.weights, "bundleWeights", "With the networks' weights"),
        ):
            named(widget, name, text)
        left, right = QVBoxLayout(), QVBoxLayout()
        for group in (self.tables, self.report, self.bundle, self.share):
            left.addWidget(group)
        left.addStretch(1)
        right.addWidget(self.dicom)
        right.addWidget(self.model)
        right.addStretch(1)
        sides = row_of((left, 1), (right, 1))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        start = buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        start.setObjectName("startExportButton")
        start.setProperty("primary", True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column_of((sides, 1), self.problem, buttons, into=self)

    @Slot(bool)
    def _on_send(self, sends: bool) -> None:
        self.rows.show_needed(sends)

    def _path(self, edit: QLineEdit, name: str, title: str, is_folder: bool = False) -> QWidget:
        named(edit, name, title)
        return path_row(edit, title, is_folder)


def _group(name: str, title: str, is_on: bool) -> QGroupBox:
    group = named(QGroupBox(title), f"{name}Group")
    group.setCheckable(True)
    group.setChecked(is_on)
    return group


def _fill(group: QGroupBox, text: str, form: QFormLayout | None = None) -> None:
    layout = QVBoxLayout(group)
    what = quiet(text)
    what.setMinimumHeight(what.heightForWidth(_NARROWEST))  # a layout forgets that texts wrap
    layout.addWidget(what)
    if form is not None:
        layout.addLayout(form)


def _file(edit: QLineEdit) -> Path | None:
    text = edit.text().strip()
    if text and not Path(text).is_file():
        raise BadSetting(f"{Path(text).name}: there is no such file.")
    return Path(text) if text else None
