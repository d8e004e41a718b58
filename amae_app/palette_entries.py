"""What Ctrl+K finds: pages, acts of the shown page, settings, help topics, runs and images."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QPushButton, QWidget

from amae_app.palette import Entry
from amae_app.palette_state import Found
from amae_app.widgets.page_keys import PageKeys
from amae_app.workspaces import WORKSPACES
from amae_engine.resources import resource

DOCUMENTS = {
    "results": "Results on development images",
    "peers": "Methods it is compared with",
    "method": "The method",
    "import_and_export": "Images in, results out",
    "cli": "Commands",
    "settings": "Settings",
    "performance": "Performance",
    "robustness": "Robustness",
    "deployment": "Deployment",
    "architecture": "Architecture",
    "glossary": "Glossary",
    "changelog": "Changelog",
}
_BOLD = re.compile(r"\*\*(.+?)\*\*")


def help_pages() -> dict[str, str]:
    """The title of every help page and document, by its file in resources."""
    workspaces = {row.help_page: row.title for row in WORKSPACES}
    return workspaces | {f"docs/{name}.md": title for name, title in DOCUMENTS.items()}


def page_entries(go: Callable[[int], object]) -> list[Entry]:
    """The workspaces."""
    return [
        Entry("page", f"Go to {row.title}", partial(go, number))
        for number, row in enumerate(WORKSPACES)
    ]


def act_entries(page: QWidget) -> list[Entry]:
    """What the shown page can do: its keys, menus and buttons that can work now."""
    found: dict[str, Entry] = {}
    for keys in page.findChildren(PageKeys):
        for act in keys.acts:
            text = f"{act.text[:1].upper()}{act.text[1:]}  ({keys.shown(act.name)})"
            found[text] = Entry("key", text, act.act)
    for action in page.findChildren(QAction):
        text = action.text().split("\t")[0].replace("&", "")
        if text and action.isEnabled() and action.menu() is None:
            found.setdefault(text, Entry("action", text, action.trigger))
    for button in page.findChildren(QPushButton):
        text = button.text().split("  ")[0]
        if len(text) > 2 and button.isEnabled() and button.isVisible() and button.menu() is None:
            found.setdefault(text, Entry("action", text, button.click))
    return list(found.values())


def help_entries(show: Callable[[str, str], object]) -> list[Entry]:
    """The help pages and their topics, which stand in bold there; the documents."""
    found = []
    for path, title in help_pages().items():
        page = resource(path)
        if not page.is_file():
            continue
        topics = [title]
        if path.startswith("help/"):
            topics += _BOLD.findall(page.read_text(encoding="utf-8"))
        for topic in dict.fromkeys(topics):
            text = title if topic == title else f"{title}: {topic}"
            found.append(Entry("help", text, partial(show, path, topic)))
    return found


def catalog_entries(
    found: Found, show_run: Callable[[int], object], show_image: Callable[[str], object]
) -> list[Entry]:
    """Runs and images that the catalog has."""
    runs = [Entry("run", title, partial(show_run, run)) for run, title in found.runs]
    return runs + [Entry("image", name, partial(show_image, name)) for name in found.images]
