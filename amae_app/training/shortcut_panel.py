"""The shortcut check's line before training, and what the reader chose to do about it."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

from amae_app.training.shortcut_dialog import ShortcutDialog
from amae_app.widgets.building import column_of, named
from amae_engine.config import MatchingMethod, Stage1Config
from amae_engine.drive import drive
from amae_engine.jobs.confounders.choose_matching import ShortcutCheck
from amae_engine.jobs.confounders.shortcut_check import check_shortcuts
from amae_engine.project import Project

_MOST = 1500  # images each of N and U that the window looks at: about three seconds


def check_some(project: Project, config: Stage1Config) -> ShortcutCheck:
    """Check up to 1,500 images each of N and U; stage 1 itself looks at all."""
    return drive(check_shortcuts(project, config, _MOST))


class ShortcutPanel(QWidget):
    """One line, and a button to the facts.

    Signals:
        check_wanted(): another matching was chosen, so the check should be made again.
    """

    check_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen: tuple[MatchingMethod, tuple[str, ...]] | None = None  # None: the preset's
        self._before: tuple[MatchingMethod, tuple[str, ...]] | None = None
        self._of_preset = MatchingMethod.AUTO
        self._check: ShortcutCheck | None = None
        self._dialog: ShortcutDialog | None = None
        self.line = named(QLabel(), "shortcutLine")
        self.line.setWordWrap(True)
        self.button = named(
            QPushButton("Shortcut check…"),
            "shortcutButton",
            tip="How N and U differ, property by property, and what stage 1 does about it",
        )
        column_of(self.line, self.button, into=self, margins=0)
        self.button.clicked.connect(self._on_details)
        self.setVisible(False)

    def settings_of(self, config: Stage1Config) -> Stage1Config:
        """Stage 1's settings with what was chosen here, if anything was."""
        self._of_preset = config.shortcuts
        if self._chosen is None:
            return config
        return config.replace(shortcuts=self._chosen[0], match_by=self._chosen[1])

    def show_check(self, check: ShortcutCheck | None) -> None:
        """Show what was found; None hides it: there are no images yet."""
        self._check = check
        self.setVisible(check is not None)
        if check is None:
            return
        self.line.setText(f"{'✓' if check.is_clean else '!'} {check.headline}")
        self.line.setToolTip(check.why)
        if self._dialog is not None:
            self._dialog.show_check(check)

    @Slot()
    def _on_details(self) -> None:
        if self._check is None:
            return
        self._before = self._chosen
        self._dialog = ShortcutDialog(*(self._chosen or (self._of_preset, ())), self)
        self._dialog.show_check(self._check)
        self._dialog.check_wanted.connect(self._on_check)
        self._dialog.finished.connect(self._on_closed)
        self._dialog.open()

    @Slot()
    def _on_check(self) -> None:
        if self._dialog is not None:
            self._chosen = self._dialog.chosen
            self.check_wanted.emit()

    @Slot(int)
    def _on_closed(self, result: int) -> None:
        if self._dialog is None:
            return
        is_accepted = result == ShortcutDialog.DialogCode.Accepted
        self._chosen = self._dialog.chosen if is_accepted else self._before
        self._dialog = None
        self.check_wanted.emit()
