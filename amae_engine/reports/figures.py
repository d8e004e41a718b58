"""ROC and PR curves and images with their maps as PNG, SVG or PDF."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.atomic_write import atomic_write
from amae_engine.reports.table import RESEARCH_USE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCALE_INCHES = 0.8  # next to the images: the maps' colour scale
_IMAGES_IN_ROW = 6
Picture = npt.NDArray[np.float32]
_COLOURS = (
    "#7f7f7f", "#4a9df0", "#2ca089", "#e08a2c", "#b58fd6", "#c4544f", "#8c6d46", "#d98cb3",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedCurve:
    """A curve with its legend text; x and y are (k,) in [0, 1]."""

    label: str
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImagePanel:
    """An image (H, W) in 0…1, maps of it, and other pictures of it.

    Attributes:
        maps: (h, w) by name, each divided by its scale, which is common to all images.
        pictures: (h, w) in 0…1, by name.
        aspect: Width over height of the original, which the arrays do not have.
    """

    title: str
    image: Picture
    maps: Mapping[str, Picture]
    pictures: Mapping[str, Picture]
    aspect: float = 1.0


def write_curves(
    path: Path, roc: Sequence[NamedCurve], pr: Sequence[NamedCurve], measured_on: str
) -> None:
    """ROC next to PR; the suffix of `path` gives the format."""
    figure = _figure(10, 5)
    for place, (title, curves) in enumerate((("ROC", roc), ("Precision-recall", pr)), start=1):
        axes = figure.add_subplot(1, 2, place)
        for curve, colour in zip(curves, itertools.cycle(_COLOURS), strict=False):
            axes.plot(curve.x, curve.y, label=curve.label, color=colour)
        if title == "ROC":
            axes.plot((0, 1), (0, 1), color="#bbbbbb", linewidth=0.8, linestyle="--")
        x, y = ("1 − specificity", "sensitivity") if title == "ROC" else ("recall", "precision")
        axes.set(title=title, xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.01))
        axes.legend(fontsize=7, loc="lower right" if title == "ROC" else "lower left")
    _save(figure, path, f"Measured on {measured_on}. {RESEARCH_USE}")


def write_image_panels(path: Path, panels: Sequence[ImagePanel], about: str) -> None:
    """A row an image: image, its maps over it, its other pictures; one colour scale a map."""
    wide = 1 + max((len(panel.maps) + len(panel.pictures) for panel in panels), default=0)
    figure = _figure(2.25 * wide, 2.3 * len(panels))
    # a plain grid: to lay out sixty axes by what they hold takes seconds
    figure.set_layout_engine("none")
    right = 1 - _SCALE_INCHES / (2.25 * wide)
    grid = figure.subplots(
        len(panels),
        wide,
        squeeze=False,
        subplot_kw={"xticks": (), "yticks": (), "frame_on": False},
        gridspec_kw={
            "left": 0.01,
            "right": right - 0.01,
            "top": 1 - 0.25 / (2.3 * len(panels)),
            "bottom": 0.3 / (2.3 * len(panels)),
            "wspace": 0.04,
            "hspace": 0.14,
        },
    )
    drawn = None
    for panel, places in zip(panels, grid, strict=True):
        columns: list[tuple[str, Picture, Picture | None]] = [(panel.title, panel.image, None)]
        columns += [(name, panel.image, values) for name, values in panel.maps.items()]
        columns += [(name, picture, None) for name, picture in panel.pictures.items()]
        place = (0, panel.aspect, 0, 1)
        for axes, (title, image, values) in zip(places, columns, strict=False):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1, extent=place)
            if values is not None:
                drawn = axes.imshow(
                    values, cmap="inferno", vmin=0, vmax=1, alpha=0.55, extent=place
                )
            axes.set_title(title, fontsize=8, pad=2, y=1.0)
    if drawn is not None:
        at = figure.add_axes((right, 0.25, 0.18 / (2.25 * wide), 0.5))
        bar = figure.colorbar(drawn, cax=at)
        bar.set_label("share of a map's scale, one for all images of the run", fontsize=7)
    _save(figure, path, f"{about}. {RESEARCH_USE}")


def write_means(
    path: Path,
    columns: Sequence[str],
    rows: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    measure: str,
    about: str,
) -> None:
    """Means over columns with their bars, a line a row; NaN where there is none.

    Args:
        path: Its suffix gives the format.
        columns: k names, in order.
        rows: Means (k,) and half widths of their bars (k,), by the row's name.
        measure: What is on the axis.
        about: What the numbers are.
    """
    figure = _figure(max(5.0, 1.2 * len(columns) + 3), 4)
    axes = figure.add_subplot(1, 1, 1)
    places = range(len(columns))
    for (name, (means, halves)), colour in zip(
        rows.items(), itertools.cycle(_COLOURS), strict=False
    ):
        axes.errorbar(places, means, yerr=halves, label=name, color=colour, capsize=3, marker="o")
    axes.set_xticks(list(places), list(columns))
    axes.set_ylabel(measure)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path, f"{about} {RESEARCH_USE}")


def write_synthetic_panel(
    path: Path,
    images: npt.NDArray[np.float32],
    labels: npt.NDArray[np.float32],
    about: str,
) -> None:
    """Images with a synthetic anomaly, six in a row; what was changed is outlined.

    Args:
        path: Its suffix gives the format.
        images: (n, H, W) in [0, 1].
        labels: (n, H, W); above 0 where an image was changed.
        about: How they were made, and from what.
    """
    rows = -(-len(images) // _IMAGES_IN_ROW)
    figure = _figure(2 * _IMAGES_IN_ROW, 2 * rows + 0.3)
    for place, (image, label) in enumerate(zip(images, labels, strict=True), start=1):
        axes = figure.add_subplot(rows, _IMAGES_IN_ROW, place)
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        if label.max() > 0:
            axes.contour(label > 0, levels=[0.5], colors="#e08a2c", linewidths=0.8)
        axes.axis("off")
    _save(figure, path, f"Synthetic anomalies: {about}. {RESEARCH_USE}")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path, about: str) -> None:
    figure.supxlabel(about, fontsize=7)
    with atomic_write(path) as unfinished:
        figure.savefig(unfinished, dpi=130, format=path.suffix[1:])
