"""A blind second reading: which images, and how far it is."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QPushButton,
    QWidget,
)

from amae_app.theme import card, quiet
from amae_app.widgets.building import column_of, fill, named
from amae_app.widgets.fields import ComboBox, SpinBox
from amae_engine.catalog.blind_readings import SessionRow
from amae_engine.jobs.curation.second_reading import ChosenBy
from amae_engine.words import plural

_DEFAULT_COUNT = 50


class BlindPanel(QWidget):
    """Stands in place of ratings, cuts and history while a reader reads blind.

    Signals:
        ended(): the reader goes back.
        agreement_wanted(): the reader asks how the readings agree.
    """

    ended = Signal()
    agreement_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.progress = named(quiet(), "blindProgress")
        frame, layout = card("Second reading")
        fill(
            layout,
            quiet(
                "Ratings and the first reader's labels are hidden. What you call an image decides "
                "nothing yet: it is compared with the first reader's label afterwards."
            ),
            self.progress,
            0,
        )
        for text, name, tip, signal in (
            ("How we agree…", "agreementButton", "Cohen's κ and the conflicts, so far",
             self.agreement_wanted),
            ("Leave this reading", "endBlindButton", "It can be continued later", self.ended),
        ):  # fmt: skip
            button = named(QPushButton(text), name, tip=tip)
            button.clicked.connect(signal)
            layout.addWidget(button)
        column_of(frame, into=self, margins=0)

    def show_progress(self, read: int, images: int) -> None:
        """How many images are read."""
        left = images - read
        text = f"{read} of {plural(images, 'image')} read"
        self.progress.setText(f"{text}, {left} left." if left else f"{text}: all of them.")


class BlindDialog(QDialog):
    """Begin or continue a second reading.

    Args:
        sessions: This reader's earlier ones, newest first.
        candidates: How many images another reader has decided on and this one has not.
        reader: Who reads.
    """

    def __init__(
        self, sessions: list[SessionRow], candidates: int, reader: str, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Second reading")
        self.setObjectName("blindDialog")
        self.which = ComboBox()
        self.count = SpinBox()
        self.chosen_by = ComboBox()
        self.which.setObjectName("whichReading")
        self.which.addItem("a new reading", 0)
        for row in sessions:
            self.which.addItem(
                f"reading {row.id} of {row.began_at[:10]}: {row.read} of {row.images} read", row.id
            )
        open_ones = [n for n, row in enumerate(sessions, start=1) if row.read < row.images]
        self.which.setCurrentIndex(open_ones[0] if open_ones else 0)
        self.count.setRange(1, max(candidates, 1))
        self.count.setValue(min(_DEFAULT_COUNT, max(candidates, 1)))
        self.chosen_by.addItems([str(each) for each in ChosenBy])
        form = QFormLayout()
        form.addRow("Read", self.which)
        form.addRow("Images", self.count)
        form.addRow("Chosen", self.chosen_by)
        layout = column_of(
            quiet(
                f"{reader or 'A reader without a name'} can read "
                f"{plural(candidates, 'image')} that another reader has decided on and "
                f"{reader or 'this one'} has not."
            ),
            form,
            into=self,
        )
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        layout.addWidget(self.buttons)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.which.currentIndexChanged.connect(self._show_which)
        self._candidates = candidates
        self._show_which()

    @property
    def session_id(self) -> int:
        """The reading to continue, 0 for a new one."""
        return int(self.which.currentData())

    @property
    def how(self) -> ChosenBy:
        """How the images of a new one are chosen."""
        return ChosenBy(self.chosen_by.currentText())

    def _show_which(self) -> None:
        is_new = self.session_id == 0
        self.count.setEnabled(is_new)
        self.chosen_by.setEnabled(is_new)
        can = not is_new or self._candidates > 0
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(can)
