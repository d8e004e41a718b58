"""Ask which model rates which images."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QTextBrowser,
    QWidget,
)

from amae_app.ask_files import path_row
from amae_app.server_rows import line
from amae_app.theme import quiet, restyle
from amae_app.widgets.building import column_of, named
from amae_engine.errors import AmaeError
from amae_engine.jobs.model_files.model_answers import about
from amae_engine.jobs.model_files.read_model import Model


class ApplyDialog(QDialog):
    """Shows what a model says of itself; collects `model` and `images`.

    Args:
        parent: The page.

    Signals:
        model_chosen(path): `show_model` or `show_problem` answers.
    """

    model_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Apply a model")
        self.setObjectName("applyDialog")
        self.setMinimumSize(720, 520)
        self.model = named(line("a file that ends in .amae"), "modelEdit", "The model")
        self.images = named(
            line("none: the test images that are here already"),
            "applyImagesEdit",
            "A folder with images",
        )
        self.said = named(QTextBrowser(), "modelText", "What the model says of itself")
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        restyle(self.problem, "state", "warning")
        self.start = QPushButton("Rate the images")
        self.start.setEnabled(False)
        self._lay_out()
        self.model.textChanged.connect(self._on_model)

    def show_model(self, model: Model) -> None:
        """Show what the chosen model says; the images can be rated now."""
        lines = [f"{each[:1].upper()}{each[1:]}" for each in about(model)]
        self.said.setPlainText("\n\n".join(lines))
        self.start.setEnabled(True)

    def show_problem(self, error: AmaeError) -> None:
        """A sentence about what is wrong with the file."""
        self.problem.setText(str(error))

    @Slot(str)
    def _on_model(self, text: str) -> None:
        self.said.clear()
        self.problem.clear()
        self.start.setEnabled(False)
        if text.strip():
            self.model_chosen.emit(text.strip())

    def accept(self) -> None:
        """Close, unless the folder is not there."""
        place = self.images.text().strip()
        if place and not Path(place).exists():
            self.problem.setText(f"{Path(place).name}: there is no such folder.")
            return
        super().accept()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Model", path_row(self.model, "A model"))
        form.addRow("Images", path_row(self.images, "A folder with images", is_folder=True))
        what = quiet(
            "Images are imported as test images; then all test images are rated by the model. Its "
            "scores and maps are a run of their own in Results, under the model's name."
        )
        what.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.addButton(self.start, QDialogButtonBox.ButtonRole.AcceptRole)
        named(self.start, "startApplyButton")
        self.start.setProperty("primary", True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column_of(what, form, (self.said, 1), self.problem, buttons, into=self)
