"""When something goes wrong that should not: say so, keep the work, show a log without identities."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable
from types import TracebackType

from PySide6.QtCore import QObject, QProcess, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)

from amae_app.main_window import MainWindow
from amae_app.theme import heading, quiet
from amae_app.widgets.building import column_of, named

_log = logging.getLogger(__name__)
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\\/\s\"':,;]+)*[\\/]([^\\/\s\"':,;]+)")
_QUOTED = re.compile(r"'[^'\n]{0,400}'|\"[^\"\n]{0,400}\"")
_NUMBER = re.compile(r"\d[\d.\-]{4,}")
_NAME = re.compile(r"\w+\^\w*")
_OWN = re.compile(r'(  File )"[^"]*?((?:amae_app|amae_engine)[\\/][^"]+|[^"\\/]+)"')


def scrubbed(error: BaseException) -> str:
    """The trace of an error: our files by name; no folder, quoted text, name or long number."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    text = []
    for line in "".join(lines).splitlines():
        if line.startswith("  File "):
            text.append(_OWN.sub(r"\1\2", line))
        elif line.startswith("    "):
            text.append(line)  # a line of source
        else:
            text.append(_scrub(line))
    return "\n".join(text)


def _scrub(text: str) -> str:
    for pattern, instead in ((_QUOTED, "'…'"), (_PATH, "…"), (_NAME, "…"), (_NUMBER, "#")):
        text = pattern.sub(instead, text)
    return text


class CrashDialog(QDialog):
    """Tells of an error; the catalog has kept the work.

    Args:
        details: The scrubbed trace.
        restart: Starts the program anew and ends this one.
        parent: The window.
    """

    def __init__(
        self, details: str, restart: Callable[[], object], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("crashDialog")
        self.setWindowTitle("Something went wrong")
        self.resize(680, 420)
        self.details = QPlainTextEdit(details)
        self.details.setReadOnly(True)
        self.details.setAccessibleName("What happened, for a report")
        layout = column_of(
            heading("Something went wrong in AMAE"),
            quiet(
                "Your work is kept: every decision is in the project's catalog when it is made, and "
                "training keeps its last whole epoch. You can go on, or start the program anew. The "
                "text below names no patient, file or folder; send it to whoever maintains AMAE here."
            ),
            (self.details, 1),
            into=self,
        )
        row = QHBoxLayout()
        for text, name, act in (
            ("Copy details", "copyCrashButton", self._copy),
            ("Start anew", "restartButton", restart),
            ("Go on", "goOnButton", self.accept),
        ):
            button = named(QPushButton(text), name)
            button.clicked.connect(act)
            row.addWidget(button)
        layout.addLayout(row)

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.details.toPlainText())


class CrashGuard(QObject):
    """Shows a `CrashDialog` for every error that nobody caught; one at a time.

    Args:
        window: Over which it opens.
    """

    _came = Signal(str)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.dialog: CrashDialog | None = None
        self._came.connect(self._show)

    def install(self) -> None:
        """Take over `sys.excepthook`."""
        sys.excepthook = self.on_error

    def on_error(
        self, _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        """Log an error without identities, and report it on the event thread."""
        if isinstance(error, KeyboardInterrupt):
            QApplication.quit()
            return
        details = scrubbed(error)
        _log.error("Uncaught error\n%s", details)
        self._came.emit(details)

    @Slot(str)
    def _show(self, details: str) -> None:
        if self.dialog is not None:
            self.dialog.details.appendPlainText(f"\n{details}")
            return
        self.dialog = CrashDialog(details, self._restart, self._window)
        self.dialog.finished.connect(self._on_finished)
        self.dialog.open()

    @Slot()
    def _on_finished(self) -> None:
        self.dialog = None

    @Slot()
    def _restart(self) -> None:
        command = sys.executable, ["-P", "-m", "amae_app"]
        self._window.closed.connect(
            lambda: QProcess.startDetached(*command)
        )  # it holds the project
        self._window.close()
