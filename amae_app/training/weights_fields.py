"""Which weights the next run starts from, and their attention heads where the file is silent."""

from __future__ import annotations

import re
from pathlib import Path

from PySide6.QtCore import QRegularExpression, Slot
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import QLineEdit, QWidget

from amae_app.ask_files import ask_file
from amae_app.widgets.building import column_of, named
from amae_app.widgets.fields import ComboBox
from amae_engine.jobs.training.starting_weights import SHIPPED

_FILE = "choose a file…"
_HEADS = QRegularExpression(r"\s*(\d{1,2}(\s*,\s*\d{1,2})?)?\s*")


class WeightsFields(QWidget):
    """The bundled weights, a project's own, or a file with its attention heads beneath.

    Args:
        first: What is chosen when the weights are first offered.
    """

    def __init__(self, first: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = ComboBox()
        self.combo.addItems([*SHIPPED, _FILE])
        named(
            self.combo,
            "weightsCombo",
            "Starting weights",
            "f0 and g0: bundled (children's images), adults (adults' too), your own pre-training, or "
            "an official checkpoint",
        )
        self.heads_edit = named(QLineEdit(), "headsEdit", "Attention heads")
        self.heads_edit.setPlaceholderText("heads, if untold")
        self.heads_edit.setValidator(QRegularExpressionValidator(_HEADS, self))
        self.heads_edit.setToolTip(
            "Attention heads of encoder and decoder, as in 6, 16: for a checkpoint that does not "
            "tell them. The weights do not show them, and another number makes another function"
        )
        self._file, self._first = "", first
        column_of(self.combo, self.heads_edit, into=self, margins=0, spacing=4)
        self.combo.textActivated.connect(self._on_chosen)
        self.combo.currentTextChanged.connect(self._show_heads)
        self._show_heads()

    @property
    def name(self) -> str:
        """What is chosen: "bundled", "adults", "run:N" or a path."""
        return self.combo.currentText()

    @property
    def heads(self) -> tuple[int, ...]:
        """What the reader wrote for a file; () where the file is to tell."""
        if self.name != self._file:
            return ()
        return tuple(int(number) for number in re.findall(r"\d+", self.heads_edit.text()))

    def offer(self, pretrain_runs: tuple[int, ...]) -> None:
        """List the weights that can be started from."""
        names = [*SHIPPED, *(f"run:{number}" for number in pretrain_runs)]
        names += [self._file] if self._file else []
        if [self.combo.itemText(i) for i in range(self.combo.count() - 1)] == names:
            return
        chosen = self._first or self.name
        self._first = ""
        self.combo.clear()
        self.combo.addItems([*names, _FILE])
        if chosen in names:
            self.combo.setCurrentText(chosen)

    def follow_preset(self, name: str) -> None:
        """Choose the shipped weights of a preset, unless the reader has others."""
        if self.name in SHIPPED and name in SHIPPED:
            self.combo.setCurrentText(name)

    @Slot()
    def _show_heads(self) -> None:
        self.heads_edit.setVisible(bool(self._file) and self.name == self._file)

    @Slot(str)
    def _on_chosen(self, text: str) -> None:
        if text != _FILE:
            return
        name = ask_file(
            self, "A masked autoencoder's weights", "Weights (*.pth *.pt *.safetensors)"
        )
        self.combo.setCurrentIndex(0)
        if name and Path(name).is_file():
            self._file = name
            self.combo.insertItem(self.combo.count() - 1, name)
            self.combo.setCurrentText(name)
