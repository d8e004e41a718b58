"""What a reader sees before a project is open."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

from amae_app.theme import card, heading, quiet
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_engine.jobs.importing.demo import ATTRIBUTION

_SHOWN = 4  # recent projects


class StartPage(QWidget):
    """Demo project, new project, open project, and the recent ones.

    Args:
        recent: Folders, newest first.
        parent: The window.
    """

    demo_wanted = Signal()
    new_wanted = Signal()
    open_wanted = Signal()
    recent_wanted = Signal(object)

    def __init__(self, recent: Sequence[Path] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, layout = card()
        frame.setFixedWidth(560)
        title = QLabel("AMAE")
        title.setStyleSheet("font-size: 26pt; font-weight: 700;")
        fill(
            layout,
            title,
            quiet(
                "Finds abnormal chest X-rays when many images are known to be normal and many more "
                "were never labelled. You bring images, the program learns in two stages, you "
                "correct what it believed, and you look at the test images together."
            ),
        )
        layout.addSpacing(8)
        for text, explanation, name, signal, primary in (
            (
                "Open the demo project",
                "240 real images, ready to train; about 5 minutes on a laptop, no network needed.\n"
                + ATTRIBUTION,
                "openDemoButton",
                self.demo_wanted,
                True,
            ),
            ("New project…", "An empty folder for your own images.", "newProjectButton",
             self.new_wanted, False),
            ("Open project…", "A project folder made earlier.", "openProjectButton",
             self.open_wanted, False),
        ):  # fmt: skip
            button = named(QPushButton(text), name, text, explanation)
            button.setProperty("primary", primary)
            button.setMinimumHeight(36)
            button.clicked.connect(signal)
            fill(layout, button, quiet(explanation))
        if recent:
            layout.addWidget(heading("Recent projects"))
        for folder in recent[:_SHOWN]:
            button = named(QPushButton(folder.name), "recentButton", tip=str(folder))
            button.clicked.connect(partial(self.recent_wanted.emit, folder))
            layout.addWidget(button)
        layout.addSpacing(8)
        layout.addWidget(quiet("Research use only. Not a medical device."))
        middle = row_of(0, frame, 0)
        outer = column_of(0, middle, 0, into=self)
        outer.setAlignment(Qt.AlignmentFlag.AlignCenter)
