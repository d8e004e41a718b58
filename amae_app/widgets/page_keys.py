"""A page's keys: they act wherever the focus is, can be changed, and are listed by `?`.

A click never takes them away: buttons, sliders and pictures take the focus by Tab alone, so it
stays in the page's list, whose arrows move through the images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QKeySequenceEdit,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)
from shiboken6 import isValid

from amae_app.settings import Settings
from amae_app.theme import quiet
from amae_app.widgets.keys_dialog import KeysDialog, shown_key

_ENTRIES = (QLineEdit, QAbstractSpinBox, QTextEdit, QPlainTextEdit, QKeySequenceEdit)
_LISTED_BY = "?"
_NEVER = {"Esc"}


@dataclass(frozen=True, slots=True)
class KeyAct:
    """One act of a page: its name, what it does, and its keys as they were made.

    Attributes:
        is_named: Whether the line at the foot of the page names it; the list names all.
    """

    name: str
    text: str
    keys: tuple[str, ...]
    act: Callable[[], object]
    is_named: bool = True


class PageKeys(QObject):
    """The keys of one page.

    Attributes:
        line: The page's keys in a line, for the foot of the page; it follows their changes.

    Signals:
        changed(): some act has other keys.

    Args:
        page: Where they act; hidden, it leaves them to the page that is shown.
        name: Under which changed keys are kept.
        settings: Where they are kept.
        mouse: What the mouse and the list's own keys do, at the beginning of the line.
    """

    changed = Signal()

    def __init__(self, page: QWidget, name: str, settings: Settings, mouse: str = "") -> None:
        super().__init__(page)
        self._mouse = mouse
        self.line = quiet()
        self._page, self._name, self._settings = page, name, settings
        self._acts: dict[str, KeyAct] = {}
        self._shortcuts: dict[str, list[QShortcut]] = {}
        kept = settings.keys(name)  # of an act that had Esc, its own keys come back
        self._changed = {act: keys for act, keys in kept.items() if not _NEVER & set(keys)}
        self._shortcut(_LISTED_BY, self.ask)

    def add(
        self,
        name: str,
        text: str,
        keys: str | tuple[str, ...],
        act: Callable[[], object],
        is_named: bool = True,
    ) -> None:
        """Give an act its keys, or those that the reader chose for it."""
        made = (keys,) if isinstance(keys, str) else keys
        self._acts[name] = KeyAct(name, text, made, act, is_named)
        self._bind(name)
        self.line.setText(self.text())

    @property
    def acts(self) -> tuple[KeyAct, ...]:
        """Every act that has a key."""
        return tuple(self._acts.values())

    def keys_of(self, name: str) -> tuple[str, ...]:
        """The keys of an act now."""
        return self._changed.get(name, self._acts[name].keys)

    def text(self) -> str:
        """The page's keys in a line, for its foot."""
        parts = [
            f"{' '.join(map(shown_key, self.keys_of(name)))} {act.text}"
            for name, act in self._acts.items()
            if act.is_named
        ]
        mouse = [self._mouse] if self._mouse else []
        return " · ".join([*mouse, *parts, f"{_LISTED_BY} all keys"])

    def change(self, name: str, key: str) -> str:
        """Let an act have another key; "" gives it back its own.

        Returns:
            "" or why it cannot have the key, and nothing is changed.
        """
        if key in _NEVER:
            return f"{key} closes dialogs and can be no key of a page."
        for other in self._acts:
            if other != name and key and key in self.keys_of(other):
                return f"{shown_key(key)} is the key of “{self._acts[other].text}”."
        if key and (key,) != self._acts[name].keys:
            self._changed[name] = (key,)
        else:
            self._changed.pop(name, None)
        self._settings.set_keys(self._name, self._changed)
        self._bind(name)
        self.line.setText(self.text())
        self.changed.emit()
        return ""

    def shown(self, name: str) -> str:
        """The first key of an act, as a button names it."""
        return shown_key(self.keys_of(name)[0])

    def ask(self) -> None:
        """Show all keys, and let the reader change them."""
        dialog = KeysDialog(self, self._acts, self._page)
        dialog.open()

    def _bind(self, name: str) -> None:
        for shortcut in self._shortcuts.pop(name, []):
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        act = self._acts[name].act
        self._shortcuts[name] = [self._shortcut(key, act) for key in self.keys_of(name)]

    def _shortcut(self, key: str, act: Callable[[], object]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(key), self._page)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(lambda: act() and None)
        return shortcut


def keep_focus(page: QWidget) -> None:
    """Let everything but the page's focus proxy and text entries take the focus by Tab alone.

    A click on anything else gives it to the proxy, the page's list. A number's entry keeps digits and arrows to itself and leaves letters and Space to the page.
    """
    main = page.focusProxy()
    for widget in page.findChildren(QWidget):
        if widget is main or isinstance(widget, _ENTRIES) or _is_inside_entry(widget):
            continue
        if main is not None and main.isAncestorOf(widget):
            continue
        if widget.focusPolicy() & Qt.FocusPolicy.ClickFocus:
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    for view in page.findChildren(QAbstractItemView):
        view.setTabKeyNavigation(False)  # arrows go through a table, Tab goes on to what follows
    for box in page.findChildren(QAbstractSpinBox):
        for part in (box, box.lineEdit()):
            part.installEventFilter(_letters_to_page(page))
    if main is not None:
        page.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # a click on anything else comes up to here


def _is_inside_entry(widget: QWidget) -> bool:
    parent = widget.parentWidget()
    return isinstance(parent, _ENTRIES)


class _LettersToPage(QObject):
    """An entry of numbers would swallow the letters that it cannot use."""

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Leave letters and Space to the page's keys."""
        if event.type() is not QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        text = event.text()
        if text and (text.isalpha() or text.isspace()):
            event.ignore()
            return True
        return False


def _letters_to_page(page: QWidget) -> _LettersToPage:
    found = page.findChild(_LettersToPage)
    return found if isinstance(found, _LettersToPage) else _LettersToPage(page)


class ReturnPresses(QObject):
    """Return presses the button that has the focus: Space is the page's; Ctrl+K is the window's.

    It follows the focus, where all keys go: a filter of every event of the application would be asked
    seventy thousand times while a project opens.
    """

    @Slot(QWidget, QWidget)
    def follow(self, before: QWidget | None, now: QWidget | None) -> None:
        """The focus goes from one widget to another."""
        if before is not None and isValid(before):
            before.removeEventFilter(self)
        if now is not None:
            now.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Of the widget that has the focus."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            control = event.modifiers() == Qt.KeyboardModifier.ControlModifier
            if control and event.key() == Qt.Key.Key_K:  # a text entry deletes with it
                event.ignore()
                return True
            return False
        is_key = event.type() is QEvent.Type.KeyPress and isinstance(event, QKeyEvent)
        if is_key and isinstance(watched, QAbstractButton):
            assert isinstance(event, QKeyEvent)
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                watched.animateClick()
                return True
        return False


def let_return_press() -> None:
    """Install `ReturnPresses` once."""
    application = QApplication.instance()
    if isinstance(application, QApplication) and application.findChild(ReturnPresses) is None:
        presses = ReturnPresses(application)
        application.focusChanged.connect(presses.follow)
        presses.follow(None, application.focusWidget())
