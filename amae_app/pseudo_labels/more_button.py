"""What else can be done with decisions: a second reading, tables, stage 2's ratings."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QPushButton

from amae_app.pseudo_labels.curation_actions import CurationActions
from amae_app.pseudo_labels.reading_dialogs import ReadingDialogs
from amae_app.widgets.building import named


def more_button(
    dialogs: ReadingDialogs, acts: CurationActions, truth_action: QAction
) -> QPushButton:
    """The button with its menu."""
    button = named(
        QPushButton("More"),
        "moreCurationButton",
        tip="Second reading, decisions as a table, hidden truth",
    )
    menu = QMenu(button)
    menu.addAction("Second reading…", dialogs.ask_blind)
    menu.addAction("How readers agree…", dialogs.show_newest_agreement)
    menu.addSeparator()
    menu.addAction("Decisions to a table…", acts.ask_export)
    menu.addAction("Decisions from a table…", acts.ask_take_over)
    menu.addSeparator()
    menu.addAction("Let stage 2 rate the unlabeled images", acts.rate_unlabeled)
    menu.addAction("Second round: rank them by probe and stage 2", acts.second_round)
    menu.addAction(truth_action)
    button.setMenu(menu)
    return button
