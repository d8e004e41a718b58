"""A workspace is its page and one row: whatever lists workspaces follows."""

from collections.abc import Generator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from amae_app.main_window import MainWindow
from amae_app.palette import Entry
from amae_app.settings import Settings
from amae_app.workspace import Workspace
from amae_app.workspaces import WORKSPACES, WorkspaceRow
from tests.robustness import soak


class PretendPage(Workspace):
    """A page that does no more than it must."""

    def badge_text(self) -> str:
        return "seven words"

    def palette_entries(self) -> list[Entry]:
        return [Entry("setting", "Pretend setting", lambda: self.show_part("setting"))]

    def show_part(self, name: str) -> None:
        self.part = name


@pytest.fixture
def pretend() -> Generator[WorkspaceRow, None, None]:
    row = WorkspaceRow(
        "pretend", "Pretend", PretendPage, "What it is for", "railPretend", "A sentence."
    )
    WORKSPACES.append(row)
    yield row
    WORKSPACES.remove(row)


def test_a_pretend_workspace_is_everywhere(pretend, open_window, small_project, qtbot):
    window: MainWindow = open_window(small_project)
    (page,) = [each for each in window.pages if isinstance(each, PretendPage)]
    page.badge_changed.emit()
    # the rail
    button = window.findChild(QPushButton, "railPretend")
    assert "seven words" in button.toolTip()
    assert "What it is for (Ctrl+6)" in button.toolTip()
    # Ctrl+N, and what is remembered
    window.activateWindow()
    QTest.keyClick(window, Qt.Key.Key_6, Qt.KeyboardModifier.ControlModifier)
    assert window.stack.currentWidget() is page
    assert Settings().workspace == "pretend"
    # another page sends the reader there
    window.show_page(0)
    window.context.navigator.page_wanted.emit("pretend")
    assert window.stack.currentWidget() is page
    # the palette
    window.show_page(0)
    window.finder.open_palette()
    texts = {entry.text: entry for entry in window.finder.palette._entries}
    assert {"Go to Pretend", "Pretend setting"} <= set(texts)
    texts["Go to Pretend"].act()
    assert window.stack.currentWidget() is page
    texts["Pretend setting"].act()
    assert page.part == "setting"
    window.finder.palette.close()
    # the tour
    window.finder.start_tour()
    for _ in WORKSPACES[:-1]:
        window.finder.tour.next_button.click()
    assert "A sentence." in window.finder.tour.text.text()
    window.finder.tour.end()


def test_help_knows_a_pretend_workspace(pretend, tmp_path: Path, monkeypatch, qtbot):
    from amae_app import help_window, palette_entries

    page = tmp_path / "pretend.md"
    page.write_text("# Pretend\n\nWhat **may be done** here.\n")

    def resource(name: str, own=palette_entries.resource) -> Path:
        return page if name == "help/pretend.md" else own(name)

    for module in (help_window, palette_entries):
        monkeypatch.setattr(module, "resource", resource)
    found = [entry.text for entry in palette_entries.help_entries(lambda *_: None)]
    assert {"Pretend", "Pretend: may be done"} <= set(found)
    shown = help_window.HelpWindow("help/pretend.md")
    qtbot.addWidget(shown)
    assert shown.pages.currentText() == "Pretend"
    assert "may be done" in shown.browser.toPlainText()


def test_the_robustness_script_shows_it(pretend, monkeypatch):
    shown: list[int] = []
    monkeypatch.setattr(soak, "show", lambda _window, page: shown.append(page))
    acts = soak._round(None, Path())
    for _ in WORKSPACES:
        next(acts)()
    assert shown == list(range(len(WORKSPACES)))
