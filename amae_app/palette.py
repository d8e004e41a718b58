"""Ctrl+K: everything that can be done or gone to, by its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QWidget

from amae_app.theme import quiet
from amae_app.widgets.building import column_of, named

_MOST = 40  # lines that are shown


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        kind: "page", "action", "key", "setting", "run", "image" or "help".
        act: What choosing it does.
    """

    kind: str
    text: str
    act: Callable[[], object]


def matching(entries: Iterable[Entry], words: str) -> list[Entry]:
    """The entries that hold every word, those that begin with the first word first."""
    sought = words.lower().split()
    found = [e for e in entries if all(word in f"{e.text} {e.kind}".lower() for word in sought)]
    if not sought:
        return found
    first = sought[0]

    def rank(entry: Entry) -> tuple[bool, bool]:
        text = entry.text.lower()
        return not text.startswith(first), f" {first}" not in f" {text}"

    return sorted(found, key=rank)


class Palette(QDialog):
    """A line to type into and what it finds.

    Args:
        entries: What there is without asking the catalog.
        parent: The window.

    Signals:
        more_wanted(text): the reader types; `add` takes what the catalog has.
    """

    more_wanted = Signal(str)

    def __init__(self, entries: Sequence[Entry], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("palette")
        self.setWindowTitle("Find anything")
        self.resize(620, 460)
        self._entries, self._more = tuple(entries), tuple[Entry, ...]()
        self._shown: list[Entry] = []
        self.line = named(
            QLineEdit(),
            "paletteLine",
            "Find an action, a page, an image, a run, a setting, a help topic",
        )
        self.line.setPlaceholderText("An action, page, image, run, setting or help topic")
        self.found = named(QListWidget(), "paletteList", "What was found")
        self.found.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column_of(
            self.line, (self.found, 1), quiet("↑ ↓ choose · Return does it · Esc closes"), into=self
        )
        self.line.textChanged.connect(self._on_text)
        self.line.installEventFilter(self)
        self.found.itemClicked.connect(self._on_chosen)
        self._show()

    def add(self, entries: Sequence[Entry]) -> None:
        """Show what the catalog has for the text as well."""
        self._more = tuple(entries)
        self._show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrows move in the list while the line keeps the focus."""
        if event.type() is QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None and self.found.count():
                self.found.setCurrentRow((self.found.currentRow() + step) % self.found.count())
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._on_chosen()
                return True
        return super().eventFilter(watched, event)

    @Slot(str)
    def _on_text(self, text: str) -> None:
        self._more = ()
        self._show()
        if text.strip():
            self.more_wanted.emit(text.strip())

    def _show(self) -> None:
        found = [*matching(self._entries, self.line.text()), *self._more]
        self._shown = found[:_MOST]
        self.found.clear()
        for entry in self._shown:
            self.found.addItem(QListWidgetItem(f"{entry.text}    · {entry.kind}"))
        self.found.setCurrentRow(0 if self._shown else -1)

    @Slot()
    def _on_chosen(self) -> None:
        row = self.found.currentRow()
        if 0 <= row < len(self._shown):
            act = self._shown[row].act
            self.accept()
            act()
