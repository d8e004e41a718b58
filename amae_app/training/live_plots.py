"""What training does now: losses, learning rate, a reconstruction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from amae_app.theme import card, colours, heading, quiet
from amae_app.widgets.image_label import ImageLabel
from amae_app.widgets.themed_plot import ThemedPlot
from amae_engine.events import EpochEnd, Preview


class LivePlots(QWidget):
    """Curves of the running (or last) step and the newest preview."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._losses: dict[str, tuple[list[float], list[float]]] = {}
        self._rates: tuple[list[float], list[float]] = ([], [])
        self._step = ""
        self._curves: dict[str, pg.PlotDataItem] = {}
        self._before: dict[str, pg.PlotDataItem] = {}  # of the run before, behind this one's
        self.title = heading("No training yet")
        self.title.setObjectName("lossTitle")
        self.detail = quiet("Losses, learning rate and a reconstruction appear here, live.")
        self.loss_plot = _plot("epoch", "loss", self._follow_theme)
        self.loss_plot.setObjectName("lossPlot")
        self.rate_plot = _plot("epoch", "rate", self._follow_theme)
        self._rate_curve = self.rate_plot.plot(pen=pg.mkPen(colours().quiet, width=2))
        self._images = [ImageLabel() for _ in range(3)]
        for image in self._images:
            image.setMinimumHeight(96)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self._loss_card(), 4)
        self.pictures = self._preview_card()
        self.pictures.hide()  # until there is one: modules over tokens have none
        layout.addWidget(self.pictures, 4)
        layout.addWidget(self._rate_card(), 2)

    @property
    def is_empty(self) -> bool:
        """Whether no epoch was drawn yet."""
        return not self._losses

    def add_epoch(self, event: EpochEnd) -> None:
        """Add one epoch's numbers; another stage starts new curves."""
        stage = event.step.split(" · ")[0]
        if stage != self._step or (event.epoch == 1 and event.module in ("", "A")):
            self._start(stage)
        name = f"module {event.module}" if event.module else "train"
        self._append(name, event.epoch, event.train_loss)
        if event.validation_loss is not None:
            self._append("validation", event.epoch, event.validation_loss)
        if event.epoch == 1:
            self._rates = ([], [])
        self._rates[0].append(event.epoch)
        self._rates[1].append(event.learning_rate)
        self._rate_curve.setData(*self._rates)
        self.title.setText(f"Run {event.run_id} · {event.step}")
        measure = "cross-entropy" if stage == "Stage 1" else "masked-patch MSE"
        on = "validation images" if event.validation_loss is not None else "training images"
        loss = event.train_loss if event.validation_loss is None else event.validation_loss
        self.detail.setText(
            f"epoch {event.epoch} of {event.epochs} · {measure} {loss:.4f} on {on} · "
            f"{event.images_per_second:.0f} images/s"
        )
        self.loss_plot.setLabel("left", measure)
        for plot in (self.loss_plot, self.rate_plot):
            plot.setXRange(0, max(event.epochs, 1), padding=0.01)

    def show_preview(self, event: Preview) -> None:
        """Show what the module reconstructs now."""
        self.pictures.show()
        for label, picture in zip(
            self._images, (event.image, event.masked, event.reconstruction), strict=True
        ):
            hidden = np.isnan(picture)
            grey = np.where(hidden, 0.14, picture)
            label.show_image(np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8))

    def _start(self, stage: str) -> None:
        same = stage == self._step
        self._step = stage
        self.pictures.hide()
        before, self._losses = (self._losses if same else {}), {}
        for curve in (*self._curves.values(), *self._before.values()):
            self.loss_plot.removeItem(curve)
        self._curves = {}
        self.loss_plot.plotItem.legend.clear()
        self._before = {
            name: self.loss_plot.plot(*points, pen=_faint(_pens()[name]))
            for name, points in before.items()
        }
        for curve in self._before.values():
            curve.setZValue(-1)

    def _append(self, name: str, epoch: int, loss: float) -> None:
        if name not in self._curves:
            self._curves[name] = self.loss_plot.plot(pen=_pens()[name], name=name)
            self._losses[name] = ([], [])
        epochs, losses = self._losses[name]
        epochs.append(epoch)
        losses.append(loss)
        self._curves[name].setData(epochs, losses)

    def _follow_theme(self) -> None:
        for name, curve in self._curves.items():
            curve.setPen(_pens()[name])
        for name, curve in self._before.items():
            curve.setPen(_faint(_pens()[name]))
        self._rate_curve.setPen(pg.mkPen(colours().quiet, width=2))

    def _loss_card(self) -> QWidget:
        frame, layout = card()
        layout.addWidget(self.title)
        layout.addWidget(self.detail)
        layout.addWidget(self.loss_plot, 1)
        return frame

    def _preview_card(self) -> QWidget:
        frame, layout = card("Reconstruction now")
        layout.addWidget(
            quiet("While a module trains: what it makes of one image's visible patches")
        )
        row = QHBoxLayout()
        for image, text in zip(
            self._images, ("training image", "visible patches", "reconstruction"), strict=True
        ):
            column = QVBoxLayout()
            column.addWidget(image, 1)
            caption = QLabel(text)
            caption.setProperty("quiet", True)
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(caption)
            row.addLayout(column)
        layout.addLayout(row, 1)
        return frame

    def _rate_card(self) -> QWidget:
        frame, layout = card()
        self.rate_plot.setMinimumHeight(96)
        layout.addWidget(self.rate_plot, 1)
        return frame


def _pens() -> dict[str, QPen]:
    c = colours()
    return {
        "train": pg.mkPen(c.accent, width=2),
        "validation": pg.mkPen(c.good, width=2, style=Qt.PenStyle.DashLine),
        "module A": pg.mkPen(c.normal, width=2),
        "module B": pg.mkPen(c.abnormal, width=2),
    }


def _faint(pen: QPen) -> QPen:
    colour = pen.color()
    colour.setAlpha(90)
    return pg.mkPen(colour, width=1.5)


class _Plot(ThemedPlot):
    """A plot that says when the theme has changed."""

    def __init__(self, follow: Callable[[], None]) -> None:
        self._follow = follow
        super().__init__()

    def follow_theme(self) -> None:
        """The curves too."""
        super().follow_theme()
        self._follow()


def _plot(x: str, y: str, follow: Callable[[], None]) -> ThemedPlot:
    plot = _Plot(follow)
    plot.setLabel("bottom", x)
    plot.setLabel("left", y)
    plot.getAxis("left").enableAutoSIPrefix(False)
    plot.getAxis("left").setWidth(80)
    plot.showGrid(x=True, y=True, alpha=0.15)
    plot.addLegend(offset=(-10, 10), labelTextColor=colours().text)
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(False, False)
    plot.hideButtons()
    return plot
