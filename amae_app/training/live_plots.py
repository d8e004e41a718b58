"""What training does now: losses, learning rate, a reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPen, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from amae_app.theme import card, colours, heading, quiet, restyle
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_app.widgets.image_label import ImageLabel
from amae_app.widgets.themed_plot import ThemedPlot
from amae_engine.events import EpochEnd, Preview
from amae_engine.runs.rising_loss import rise_text

_LOW = 560  # logical pixels
_BEFORE, _NONE = "behind: the run before", "behind: nothing"


class LivePlots(QWidget):
    """Curves of the running (or last) step, another run's behind them, and the newest preview.

    Signals:
        behind_wanted(run): the reader compares with this run; `show_behind` takes its epochs.
    """

    behind_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._losses: dict[str, tuple[list[float], list[float]]] = {}
        self._rates: tuple[list[float], list[float]] = ([], [])
        self._step = ""
        self._longest = 1  # epochs of the longest curve: module B's may be fewer than A's
        self._curves: dict[str, pg.PlotDataItem] = {}
        self._before: dict[str, pg.PlotDataItem] = {}  # of another run, behind this one's
        self._trained: tuple[tuple[int, str], ...] = ()
        self._run = 0
        self._epochs: list[EpochEnd] = []  # of the run that is shown
        self.rise = quiet()
        self.rise.setObjectName("risingLoss")
        restyle(self.rise, "state", "warning")
        self.rise.hide()
        self.behind = named(
            ComboBox(),
            "behindCombo",
            "Run drawn faintly behind this one",
            "Another run of this step, drawn faintly behind this one",
        )
        self.behind.addItem(_BEFORE, 0)
        self.behind.activated.connect(self._on_behind)
        self.title = heading("No training yet")
        self.title.setObjectName("lossTitle")
        self.title.setWordWrap(True)
        self.detail = quiet("Losses, learning rate and a reconstruction appear here, live.")
        self.loss_plot = _plot("epoch", "loss", self._follow_theme)
        self.loss_plot.setObjectName("lossPlot")
        self.rate_plot = _plot("epoch", "rate", self._follow_theme)
        self._rate_curve = self.rate_plot.plot(pen=pg.mkPen(colours().quiet, width=2))
        self._images = [ImageLabel() for _ in range(4)]
        for image in self._images:
            image.setMinimumSize(64, 96)
        self._places: list[QWidget] = []  # of each with its caption
        layout = column_of((self._loss_card(), 4), into=self, margins=0, spacing=10)
        self.pictures = self._preview_card()
        self.pictures.hide()  # until there is one: modules over tokens have none
        self._rates_card = self._rate_card()
        fill(layout, (self.pictures, 4), (self._rates_card, 2))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A low window leaves its room to the losses."""
        self._rates_card.setVisible(self.height() >= _LOW)
        super().resizeEvent(event)

    @property
    def is_empty(self) -> bool:
        """Whether no epoch was drawn yet."""
        return not self._losses

    def add_epoch(self, event: EpochEnd) -> None:
        """Add one epoch's numbers; another stage starts new curves."""
        self.add_epochs((event,))

    def add_epochs(self, events: Sequence[EpochEnd]) -> None:
        """Add many epochs' numbers, and draw them at once."""
        for event in events:
            self._add(event)
        if events:
            self._draw(events[-1])

    def _add(self, event: EpochEnd) -> None:
        stage = _stage(event)
        if stage != self._step or (event.epoch == 1 and event.module in ("", "A")):
            self._start(stage)
        if event.run_id != self._run:
            self._run = event.run_id
            self._epochs = []
            self._offer()
        self._epochs.append(event)
        for name, loss in _losses_of(event):
            epochs, losses = self._losses.setdefault(name, ([], []))
            epochs.append(event.epoch)
            losses.append(loss)
        if event.epoch == 1:
            self._rates = ([], [])
        self._rates[0].append(event.epoch)
        self._rates[1].append(event.learning_rate)
        self._longest = max(self._longest, event.epochs)

    def _draw(self, event: EpochEnd) -> None:
        """The curves, and what the newest epoch says."""
        for name, points in self._losses.items():
            if name not in self._curves:
                self._curves[name] = self.loss_plot.plot(pen=_pens()[name], name=name)
            _draw_curve(self._curves[name], points)
        _draw_curve(self._rate_curve, self._rates)
        self.title.setText(f"Run {event.run_id} · {event.step}")
        measure = "cross-entropy" if _stage(event) == "Stage 1" else "masked-patch MSE"
        held = "unseen images" if event.module else "validation images"
        on = held if event.validation_loss is not None else "training images"
        loss = event.train_loss if event.validation_loss is None else event.validation_loss
        self.detail.setText(
            f"epoch {event.epoch} of {event.epochs} · {measure} {loss:.4f} on {on} · "
            f"{event.images_per_second:.0f} images/s"
        )
        self.rise.setText(rise_text(self._epochs))
        self.rise.setVisible(bool(self.rise.text()))
        self.loss_plot.setLabel("left", measure)
        self.loss_plot.setXRange(0, self._longest, padding=0.01)
        self.rate_plot.setXRange(0, max(event.epochs, 1), padding=0.01)

    def show_preview(self, event: Preview) -> None:
        """Show what the module reconstructs now, or what its starting weights do."""
        self.pictures.show()
        if not event.epoch:
            self._places[2].show()
        image, masked, before, now = self._images
        shown = {image: event.image, masked: event.masked}
        shown[now if event.epoch else before] = event.reconstruction
        for label, picture in shown.items():
            hidden = np.isnan(picture)
            grey = np.where(hidden, 0.14, picture)
            label.show_image(np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8))

    def offer(self, trained: tuple[tuple[int, str], ...]) -> None:
        """Offer runs to compare with: number and step of each."""
        self._trained = trained
        self._offer()

    def show_behind(self, epochs: tuple[EpochEnd, ...]) -> None:
        """Draw another run's losses faintly behind this one's, unless another step is shown now."""
        found: dict[str, tuple[list[float], list[float]]] = {}
        for event in epochs if epochs and _stage(epochs[0]) == self._step else ():
            for name, loss in _losses_of(event):
                points = found.setdefault(name, ([], []))
                points[0].append(event.epoch)
                points[1].append(loss)
        self._draw_behind(found)

    @Slot()
    def _on_behind(self) -> None:
        run = int(self.behind.currentData())
        if run == 0:
            run = max((number for number in self._others() if number < self._run), default=-1)
        if run > 0:
            self.behind_wanted.emit(run)
        else:
            self._draw_behind({})

    def _others(self) -> list[int]:
        """Other runs of the step that is shown, newest first."""
        return [run for run, step in self._trained if step == self._step and run != self._run]

    def _offer(self) -> None:
        """Offer the other runs of the step that is shown, and ask for the chosen one."""
        chosen = self.behind.currentData()
        self.behind.clear()
        self.behind.addItem(_BEFORE, 0)
        self.behind.addItem(_NONE, -1)
        for run in self._others():
            self.behind.addItem(f"behind: run {run}", run)
        self.behind.setCurrentIndex(max(self.behind.findData(chosen), 0))
        self._on_behind()

    def _draw_behind(self, losses: dict[str, tuple[list[float], list[float]]]) -> None:
        for curve in self._before.values():
            self.loss_plot.removeItem(curve)
        self._before = {
            name: self.loss_plot.plot(*points, pen=_faint(_pens()[name]))
            for name, points in losses.items()
        }
        for curve in self._before.values():
            curve.setZValue(-1)

    def _start(self, stage: str) -> None:
        same = stage == self._step
        self._step = stage
        if not same:
            self.pictures.hide()
        self._losses, self._longest = {}, 1
        for curve in self._curves.values():
            self.loss_plot.removeItem(curve)
        self._curves = {}
        self.loss_plot.plotItem.legend.clear()
        self._draw_behind({})

    def _follow_theme(self) -> None:
        for name, curve in self._curves.items():
            curve.setPen(_pens()[name])
        for name, curve in self._before.items():
            curve.setPen(_faint(_pens()[name]))
        self._rate_curve.setPen(pg.mkPen(colours().quiet, width=2))

    def _loss_card(self) -> QWidget:
        frame, layout = card()
        top = row_of((self.title, 1), self.behind)
        fill(layout, top, self.detail, self.rise, (self.loss_plot, 1))
        return frame

    def _preview_card(self) -> QWidget:
        frame, layout = card("Reconstruction")
        layout.addWidget(
            quiet("While a module trains: what it makes of one image's visible patches")
        )
        row = QHBoxLayout()
        for image, text in zip(
            self._images, ("training image", "visible patches", "before", "now"), strict=True
        ):
            place = QWidget()
            self._places.append(place)
            column = column_of((image, 1), into=place, margins=0)
            caption = QLabel(text)
            caption.setProperty("quiet", True)
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(caption)
            row.addWidget(place)
            if text == "before":  # until a module has one
                place.hide()
        layout.addLayout(row, 1)
        return frame

    def _rate_card(self) -> QWidget:
        frame, layout = card()
        self.rate_plot.setMinimumHeight(96)
        layout.addWidget(self.rate_plot, 1)
        return frame


def _stage(event: EpochEnd) -> str:
    return event.step.split(" · ")[0]


def _losses_of(event: EpochEnd) -> list[tuple[str, float]]:
    """The curves that an epoch adds to: of the training images, and of the others."""
    of = event.module
    found = [(f"module {of}" if of else "train", event.train_loss)]
    if event.validation_loss is not None:
        found.append((f"{of}, unseen images" if of else "validation", event.validation_loss))
    return found


def _draw_curve(curve: pg.PlotDataItem, points: Sequence[Sequence[float]]) -> None:
    """A line, or a dot where there is one point only."""
    curve.setData(*points)
    curve.setSymbolPen(curve.opts["pen"])
    curve.setSymbolBrush(curve.opts["pen"].color())
    curve.setSymbol("o" if len(points[0]) == 1 else None)


def _pens() -> dict[str, QPen]:
    c = colours()
    return {
        "train": pg.mkPen(c.accent, width=2),
        "validation": pg.mkPen(c.good, width=2, style=Qt.PenStyle.DashLine),
        "module A": pg.mkPen(c.normal, width=2),
        "module B": pg.mkPen(c.abnormal, width=2),
        "A, unseen images": pg.mkPen(c.normal, width=2, style=Qt.PenStyle.DashLine),
        "B, unseen images": pg.mkPen(c.abnormal, width=2, style=Qt.PenStyle.DashLine),
    }


def _faint(pen: QPen) -> QPen:
    colour = pen.color()
    colour.setAlpha(90)
    return pg.mkPen(colour, width=1.5, style=pen.style())


class _Plot(ThemedPlot):
    """A plot that says when the theme has changed."""

    def __init__(self, follow: Callable[[], None]) -> None:
        self._follow = follow
        super().__init__(counts=("bottom",))

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
    return plot
