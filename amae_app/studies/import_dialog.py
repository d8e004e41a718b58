"""Ask what to import: a folder, files, a CSV table or a DDAD repartition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from amae_app.ask_files import ask_files, ask_folder
from amae_app.studies.import_preview_panel import ImportPreviewPanel
from amae_app.theme import quiet
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.fields import ComboBox, DoubleSpinBox, SpinBox
from amae_engine.errors import AmaeError
from amae_engine.jobs.importing.import_plan import ImportPlan, table_columns
from amae_engine.jobs.importing.import_preview import ImportPreview
from amae_engine.jobs.importing.import_report import Twins

_ROLES = {
    "by folder names": "",
    "normal (known)": "normal",
    "unlabeled": "unlabeled",
    "test": "test",
}
_TYPING_PAUSE_MS = 400
_WHAT = "DICOM, PNG, JPEG or TIFF images, a CSV table or a DDAD data.json"


class ImportDialog(QDialog):
    """Collects an `ImportPlan`; `plan()` gives it after the dialog was accepted.

    Signals:
        preview_wanted(): what is chosen has changed; `show_preview` or `show_problem` answers.
    """

    preview_wanted = Signal()

    def __init__(self, paths: list[Path] | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import images")
        self.setObjectName("importDialog")
        self.setMinimumSize(900, 480)
        self.setAcceptDrops(True)
        self._paths = list(paths or [])
        self._shown = QLabel()
        self._shown.setWordWrap(True)
        self.source = QLineEdit()
        self.source.setPlaceholderText("a short label such as hospital-A; no patient's name")
        self.role = named(ComboBox(), "roleCombo")
        self.role.addItems(list(_ROLES))
        self.images = QLineEdit()
        self.images.setPlaceholderText("the table's own folder")
        self.columns = [ComboBox() for _ in range(4)]
        self.values = named(QLineEdit(), "truthValuesEdit")
        self.values.setPlaceholderText("COVID=abnormal, clear=normal, poor=skip")
        self.values.setToolTip(
            "What values of the truth column mean: normal, abnormal, unknown, or skip to leave out"
        )
        self.manifest = QLineEdit()
        self.manifest.setPlaceholderText("a CSV with the columns file and patient")
        self.keep_suspects = named(
            QCheckBox("import images too that are probably here in another format"),
            "keepSuspectsCheck",
        )
        self.outside = named(
            QCheckBox("a table may name files outside the images' folder"), "outsideCheck"
        )
        self.preview = ImportPreviewPanel()
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(_TYPING_PAUSE_MS)
        self._wait.timeout.connect(self._want_preview)
        self.limited = QCheckBox("take only part of the unlabeled pool")
        self.count = SpinBox()
        self.count.setRange(1, 1_000_000)
        self.count.setValue(4000)
        self.ratio = DoubleSpinBox()
        self.ratio.setRange(0, 1)
        self.ratio.setSingleStep(0.1)
        self.ratio.setValue(0.6)
        self._form = QFormLayout()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.start = self._buttons.addButton("Import", QDialogButtonBox.ButtonRole.AcceptRole)
        self.start.setObjectName("startImportButton")
        self.start.setProperty("primary", True)
        self._lay_out()
        self._show_paths()

    def plan(self) -> ImportPlan:
        """What the reader chose."""
        names = [combo.currentText() for combo in self.columns]
        chosen = [("" if name == "(none)" else name) for name in names]
        return ImportPlan(
            paths=tuple(self._paths),
            role=_ROLES[self.role.currentText()],
            source=self.source.text().strip(),
            image_folder=Path(self.images.text()) if self.images.text().strip() else None,
            columns=tuple(chosen) if self._is_mapped() else (),
            truth_values=tuple(_pairs(self.values.text())) if self._is_table() else (),
            unlabeled=self.count.value() if self.limited.isChecked() else None,
            anomaly_ratio=self.ratio.value() if self.limited.isChecked() else None,
            manifest=Path(self.manifest.text()) if self.manifest.text().strip() else None,
            twins=Twins.KEEP if self.keep_suspects.isChecked() else Twins.LEAVE_OUT,
            outside=self.outside.isChecked(),
        )

    def show_preview(self, answer: ImportPreview) -> None:
        """Show what the chosen import would do."""
        self.preview.show_preview(answer)
        self.start.setEnabled(True)

    def show_problem(self, error: AmaeError) -> None:
        """Say why the chosen import cannot be done."""
        self.preview.show_text(str(error), is_warning=True)
        self.start.setEnabled(False)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take what was dropped in place of what was chosen."""
        self._paths = [Path(url.toLocalFile()) for url in event.mimeData().urls()]
        self._show_paths()

    def _lay_out(self) -> None:
        pick = QHBoxLayout()
        for text, name, slot in (
            ("Folder…", "pickFolderButton", self._pick_folder),
            ("Files, CSV or data.json…", "pickFilesButton", self._pick_files),
        ):
            button = named(QPushButton(text), name)
            button.clicked.connect(slot)
            pick.addWidget(button)
        pick.addStretch()
        layout = column_of(pick, self._shown, self._form)
        self._form.addRow("Source label", self.source)
        self._form.addRow("Role of the images", self.role)
        self._form.addRow("Folder of the table's files", self.images)
        for name, combo in zip(("File", "Role", "Truth", "Patient"), self.columns, strict=True):
            self._form.addRow(f"{name} column", combo)
        self._form.addRow("Truth values", self.values)
        self._form.addRow("Patients of the images", self.manifest)
        self._form.addRow("", self.limited)
        self._form.addRow("Unlabeled images M", self.count)
        self._form.addRow("Anomaly ratio AR", self.ratio)
        self._form.addRow("Same image twice", self.keep_suspects)
        self._form.addRow("Files elsewhere", self.outside)
        fill(
            layout,
            0,
            quiet(
                "Folders named normal, unlabeled, test/normal and test/abnormal give role and "
                "truth. Names, dates and numbers of patients stay out of the catalog."
            ),
        )
        sides = row_of((layout, 3), (self.preview, 2))
        column_of((sides, 1), self._buttons, into=self)
        self._watch()
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)

    def _watch(self) -> None:
        """Ask for a new preview when something that matters to it changes."""
        for edit in (self.images, self.values, self.manifest):
            edit.textChanged.connect(self._wait.start)
        for combo in (self.role, *self.columns):
            combo.currentTextChanged.connect(self._wait.start)
        self.limited.toggled.connect(self._wait.start)
        self.count.valueChanged.connect(self._wait.start)
        self.ratio.valueChanged.connect(self._wait.start)

    @Slot()
    def _want_preview(self) -> None:
        if self._paths:
            self.preview.show_text("Reading…")
            self.preview_wanted.emit()

    def _is(self, suffix: str) -> bool:
        return len(self._paths) == 1 and self._paths[0].suffix.lower() == suffix

    def _is_table(self) -> bool:
        return self._is(".csv") or self._is(".gz")

    def _is_mapped(self) -> bool:
        return self._is_table() and self.columns[0].currentText() not in ("", "(none)")

    def _show_paths(self) -> None:
        count = len(self._paths)
        names = ", ".join(path.name for path in self._paths[:4]) + (" …" if count > 4 else "")
        self._shown.setText(names or f"Choose {_WHAT}.")
        self.start.setEnabled(bool(self._paths))
        is_csv, is_json = self._is_table(), self._is(".json")
        columns = table_columns(self._paths[0]) if is_csv else ()
        for widget in self.columns:
            self._form.setRowVisible(widget, bool(columns))
        self._form.setRowVisible(self.values, is_csv)
        self._form.setRowVisible(self.manifest, is_json)
        for part in (self.limited, self.count, self.ratio):
            self._form.setRowVisible(part, is_json)
        self._form.setRowVisible(self.images, is_csv or is_json)
        self._form.setRowVisible(self.role, not is_json)
        self._offer_columns(columns)
        if self._paths and not self.source.text():
            self.source.setText("" if self._paths[0].is_dir() else self._paths[0].stem[:20])
        self.adjustSize()
        self._wait.start()

    def _offer_columns(self, names: Sequence[str]) -> None:
        """Let the reader map the columns; () where a public set's table needs no mapping."""
        wanted = (
            ("file", "path", "image", "filename"),
            ("split", "role"),
            ("truth", "label", "target"),
            ("patient", "patient_id", "patientid"),
        )
        for combo, guesses in zip(self.columns, wanted, strict=True):
            combo.clear()
            combo.addItems(["(none)", *names])
            found = next((n for g in guesses for n in names if n.lower() == g), "(none)")
            combo.setCurrentText(found)

    @Slot()
    def _pick_folder(self) -> None:
        self._pick(lambda: [ask_folder(self, "A folder with images")])

    @Slot()
    def _pick_files(self) -> None:
        self._pick(lambda: ask_files(self, "Images or a table"))

    def _pick(self, ask: Callable[[], list[str]]) -> None:
        chosen = [Path(text) for text in ask() if text]
        if chosen:
            self._paths = chosen
            self._show_paths()


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """What "COVID=abnormal, poor=skip" says."""
    for part in text.split(","):
        name, equals, meaning = part.rpartition("=")
        if equals:
            yield name.strip(), meaning.strip().lower()
