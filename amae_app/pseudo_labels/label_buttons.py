"""What a reader can call an image, each button with its key."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from amae_app.widgets.building import column_of, named
from amae_app.widgets.page_keys import PageKeys
from amae_engine.catalog.tables import Label

_TEXTS = {
    Label.NORMAL: ("normal", "Normal"),
    Label.ABNORMAL: ("abnormal", "Abnormal"),
    Label.EXCLUDE: ("exclude", "Exclude"),
    Label.NONE: ("", "Take back"),
}


class LabelButtons(QWidget):
    """Normal, abnormal, exclude, take back; and confirm.

    Signals:
        chosen(label): by its button.
        confirmed(): the reader agrees with the rating.
    """

    chosen = Signal(object)
    confirmed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[Label, QPushButton] = {}
        self.confirm = QPushButton()
        layout = column_of(into=self, margins=0)
        for row in ((Label.NORMAL, Label.ABNORMAL), (Label.EXCLUDE, Label.NONE)):
            line = QHBoxLayout()
            for label in row:
                button = named(
                    QPushButton(_TEXTS[label][1]),
                    f"label{label.capitalize() or 'None'}Button",
                    _TEXTS[label][1],
                    "Your decision wins over any rating",
                )
                button.clicked.connect(partial(self.chosen.emit, label))
                self.buttons[label] = button
                line.addWidget(button)
            layout.addLayout(line)
        named(
            self.confirm,
            "confirmButton",
            tip="Agree with what rates the selected images, each on its own side",
        )
        self.confirm.clicked.connect(self.confirmed)
        layout.addWidget(self.confirm)

    def name(self, keys: PageKeys) -> None:
        """Each button with the key that does the same."""
        for label, (act, text) in _TEXTS.items():
            if act:
                self.buttons[label].setText(f"{keys.shown(act)}  {text}")
        self.confirm.setText(f"{keys.shown('confirm')}  Confirm the rating")

    def show_confirm(self, can: bool) -> None:
        """Whether there is a rating on the screen that a reader can agree with."""
        self.confirm.setVisible(can)
