"""Training curves of several runs over one another, live while they train."""

from __future__ import annotations

import math

import pyqtgraph as pg
from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QWidget

from amae_app.compare.compare_state import read_curves
from amae_app.theme import card
from amae_app.widgets.building import column_of, fill
from amae_app.widgets.curve_plot import PALETTE
from amae_app.widgets.themed_plot import ThemedPlot
from amae_app.window_context import WindowContext
from amae_engine.events import EpochEnd

_LOOK_MS = 4000


class TrainingPanel(QWidget):
    """The newest runs' losses, validation dashed."""

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.plot = ThemedPlot(counts=("bottom",))
        self.plot.setObjectName("trainingCurves")
        self.plot.setLabel("bottom", "epoch")
        self.plot.setLabel("left", "loss (training; validation dashed)")
        self.plot.setLogMode(y=True)
        self.legend = QLabel("No run has trained yet.")
        frame, layout = card()
        fill(layout, (self.plot, 1), self.legend)
        column_of(frame, into=self, margins=0)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.read)

    def showEvent(self, event: QShowEvent) -> None:
        """Look again and again while it is seen."""
        super().showEvent(event)
        self.read()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Look no more."""
        super().hideEvent(event)
        self._timer.stop()

    @Slot()
    def read(self) -> None:
        """Read the curves again."""
        project = self._context.project
        self._context.runner.run("curves", lambda: read_curves(project), self._show)

    def _show(self, curves: dict[str, tuple[EpochEnd, ...]]) -> None:
        self.plot.clear()
        lines, number = [], 0
        for name, epochs in curves.items():
            for module in dict.fromkeys(each.module for each in epochs):
                own = [each for each in epochs if each.module == module]
                tint = PALETTE[number % len(PALETTE)]
                number += 1
                x = [each.epoch for each in own]
                losses = [each.train_loss or math.nan for each in own]
                self.plot.plot(x, losses, pen=pg.mkPen(tint, width=2))
                known = [(e.epoch, e.validation_loss) for e in own if e.validation_loss]
                if known:
                    dashed = pg.mkPen(tint, width=1.5, style=pg.QtCore.Qt.PenStyle.DashLine)
                    self.plot.plot(*zip(*known, strict=True), pen=dashed)
                of = f", module {module}" if module else ""
                lines.append(f"<span style='color:{tint}'>■</span> {name}{of}")
        self.legend.setText("<br>".join(lines) or "No run has trained yet.")
