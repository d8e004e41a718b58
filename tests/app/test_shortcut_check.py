"""The shortcut check in the Train workspace, as a reader uses it."""

from pathlib import Path

from planted_images import border, planted
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDialogButtonBox, QLabel, QTableWidget
from widgets_by_name import WAIT, click, find

from amae_app.training.shortcut_dialog import ShortcutDialog
from amae_engine.config import MatchingMethod
from amae_engine.project import Project


def test_a_shortcut_is_reported_and_another_method_reaches_the_run(
    project: Project, tmp_path: Path, open_window, qtbot, monkeypatch
):
    planted(project, tmp_path, border)
    window = open_window(project)
    page = window.pages[1]
    window.context.navigator.page_wanted.emit("train")
    line = find(page, QLabel, "shortcutLine")
    qtbot.waitUntil(lambda: "N and U differ by border: AUC 0." in line.text(), timeout=WAIT)
    assert line.text().startswith("✓")
    assert "stage 1 matches them by border" in line.text()
    click(qtbot, page, "shortcutButton")
    dialog = page.findChild(ShortcutDialog)
    table = find(dialog, QTableWidget, "shortcutTable")
    rows = {table.item(row, 0).text(): row for row in range(table.rowCount())}
    assert table.item(rows["border"], 3).text() == "a confounder · matched"
    table.item(rows["border"], 0).setCheckState(Qt.CheckState.Checked)
    method = find(dialog, QComboBox, "matchingCombo")
    method.setCurrentText(MatchingMethod.LEAVE_OUT.label)
    click(qtbot, dialog, "checkAgainButton")
    why = find(dialog, QLabel, "shortcutWhy")
    qtbot.waitUntil(lambda: "Surplus images are left out" in why.text(), timeout=WAIT)
    dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok).click()
    config = page.cards.shortcuts.settings_of(page.settings.stage1())
    assert (config.shortcuts, config.match_by) == (MatchingMethod.LEAVE_OUT, ("border",))


def test_a_cancelled_dialog_changes_nothing(project: Project, tmp_path: Path, open_window, qtbot):
    planted(project, tmp_path, border)
    window = open_window(project)
    page = window.pages[1]
    line = find(page, QLabel, "shortcutLine")
    qtbot.waitUntil(lambda: "border" in line.text(), timeout=WAIT)
    click(qtbot, page, "shortcutButton")
    dialog = page.findChild(ShortcutDialog)
    find(dialog, QComboBox, "matchingCombo").setCurrentText(MatchingMethod.OFF.label)
    click(qtbot, dialog, "checkAgainButton")
    why = find(dialog, QLabel, "shortcutWhy")
    qtbot.waitUntil(lambda: "Nothing is done about it" in why.text(), timeout=WAIT)
    dialog.reject()
    assert page.cards.shortcuts.settings_of(page.settings.stage1()).shortcuts is MatchingMethod.AUTO
    qtbot.waitUntil(lambda: line.text().startswith("✓"), timeout=WAIT)
