"""Reads and writes the regions of the shown image, and joins list, outlines and keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot

from amae_app.results.image_review import ImageReview
from amae_app.results.region_panel import ACTS, RegionPanel
from amae_app.results.region_table import is_offered
from amae_app.results.reviewed_image import ReviewedImage
from amae_app.widgets.page_keys import PageKeys
from amae_app.widgets.region_layer import Look, RegionLayer, ShownOutline, Tool
from amae_app.window_context import WindowContext
from amae_engine.catalog import regions
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.evaluation.regions import Outline
from amae_engine.events import Changed
from amae_engine.jobs.curation.image_regions import (
    ImageRegions,
    ListedRegion,
    image_regions,
    judge_part,
)

_LOOKS = {
    RegionState.IMPORTED: Look.IMPORTED,
    RegionState.REJECTED: Look.REJECTED,
    RegionState.GONE: Look.OFFERED,
}


class RegionReading(QObject):
    """The regions of one image at a time; acts are written off the event thread, in their order.

    Signals:
        marked_changed(with_regions, with_notes): ids of the images that have some.
    """

    marked_changed = Signal(object, object)

    def __init__(
        self, context: WindowContext, review: ImageReview, keys: PageKeys, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._context, self._review = context, review
        self.panel = RegionPanel()
        self.layer = RegionLayer(review.main)
        self.image_id = 0  # of the image that is shown
        self._run_id = 0
        self._shown: ReviewedImage | None = None
        self._found: ImageRegions | None = None
        self._add_keys(keys)
        panel, layer = self.panel, self.layer
        panel.act_wanted.connect(self._on_act)
        panel.chosen.connect(layer.choose)
        panel.region_noted.connect(self._on_region_note)
        panel.image_noted.connect(self._on_image_note)
        panel.outlines_toggled.connect(layer.set_visible)
        layer.picked.connect(panel.choose)
        layer.drawn.connect(self._on_drawn)
        layer.edited.connect(self._on_edited)
        layer.said.connect(review.viewer.measuring.said)
        layer.tool_changed.connect(self._on_tool)
        review.map_cut.connect(self._read)
        context.announcer.announced.connect(self._on_announced)

    def show_image(self, image_id: int, run_id: int, shown: ReviewedImage | None) -> None:
        """Read another image's regions; 0 and None for none."""
        if image_id != self.image_id:
            self.panel.flush_notes()
            self.layer.drop()
            self.layer.show_outlines(())
        self.image_id, self._run_id, self._shown = image_id, run_id, shown
        self._read()

    def read_marked(self) -> None:
        """Read again which images have regions or notes."""
        self._context.runner.run(
            "marked-images",
            self._context.call(regions.marked_images),
            lambda found: self.marked_changed.emit(*found),
        )

    def _add_keys(self, keys: PageKeys) -> None:
        for name, (text, key, _) in ACTS.items():
            act = partial(self._on_act, name)
            keys.add(f"region_{name}", f"{text.lower()} (regions)", key, act, is_named=False)
        for name, text, key, step in (
            ("next", "next region", "N", partial(self.panel.step, 1)),
            ("previous", "region before", "Shift+N", partial(self.panel.step, -1)),
            ("outlines", "outlines", "O", self.panel.outlines.toggle),
            ("stop", "end drawing", "Esc", self.layer.stop),
        ):
            keys.add(f"region_{name}", text, key, step, is_named=False)
        self.panel.name_buttons(keys)
        keys.changed.connect(partial(self.panel.name_buttons, keys))

    @Slot()
    def _read(self) -> None:
        image_id, shown, reader = self.image_id, self._shown, self._context.reader
        if not image_id or shown is None:
            self._show(None)
            return
        project, threshold = self._context.project, self._review.map_threshold
        self._context.runner.run(
            "regions",
            lambda: image_regions(project, image_id, reader, shown.maps, shown.kind, threshold),
            self._show,
        )

    def _show(self, found: ImageRegions | None) -> None:
        if found is not None and found.image_id != self.image_id:
            return
        self._found = found
        listed = found.listed if found is not None else ()
        self.layer.show_outlines(
            [ShownOutline(each.outline, _LOOKS.get(each.state, Look.MARKED)) for each in listed]
        )
        self.panel.show_regions(found, self._context.reader, self._review.map_cut_text)
        self.layer.choose(self.panel.table.currentIndex().row())

    @Slot(str)
    def _on_act(self, name: str) -> None:
        if name in set(Tool):
            self.layer.start(Tool(name))
            return
        if name in ("undo", "redo"):
            self.panel.flush_notes()
            (self._context.undo if name == "undo" else self._context.redo)()
            return
        region = self.panel.current
        if region is None:
            self._context.announcer.notify("Choose a region first, or draw one (P, E).")
        elif name == "remove":
            self._remove(region)
        else:
            self._judge(region, RegionState.AGREED if name == "agree" else RegionState.REJECTED)

    def _judge(self, region: ListedRegion, state: RegionState) -> None:
        shown, image_id, run = self._shown, self.image_id, self._run_id
        if shown is None:
            return
        threshold, reader = self._review.map_threshold, self._context.reader
        self._write(
            self._context.call(
                judge_part, region, image_id, state, reader, run, shown.kind, threshold
            ),
            f"region {state}",
        )

    def _remove(self, region: ListedRegion) -> None:
        reader = self._context.reader
        if is_offered(region):
            self._context.announcer.notify("A part of the map cannot be deleted; reject it (X).")
            return

        self._write(self._context.call(regions.remove, region.region, reader), "region deleted")

    @Slot(object)
    def _on_drawn(self, outline: Outline) -> None:
        image_id, reader = self.image_id, self._context.reader
        if not image_id:
            return
        new = [NewRegion(image_id, outline, RegionState.DRAWN)]
        self._write(self._context.call(regions.add, new, reader), "region drawn")

    @Slot(int, object)
    def _on_edited(self, place: int, outline: Outline) -> None:
        if self._found is None or not 0 <= place < len(self._found.listed):
            return
        region, reader = self._found.listed[place], self._context.reader
        if not region.region or region.reader != reader:  # theirs stays; the edited one is ours
            self._judge(replace(region, outline=outline), RegionState.AGREED)
            return
        self._write(
            self._context.call(regions.change, region.region, reader, outline=outline),
            "region edited",
        )

    @Slot(str)
    def _on_region_note(self, text: str) -> None:
        region, reader = self.panel.noted, self._context.reader
        if region is None or not region.region:
            return
        self._write(
            self._context.call(regions.change, region.region, reader, note=text),
            f"note on a region: {text}",
        )

    @Slot(str)
    def _on_image_note(self, text: str) -> None:
        image_id, reader = self.image_id, self._context.reader
        if not image_id:
            return
        self._write(self._context.call(regions.note_image, image_id, text, reader), f"note: {text}")

    @Slot()
    def _on_tool(self) -> None:
        self.panel.show_tool(self.layer.tool)

    def _write(self, act: Callable[[], object], what: str) -> None:
        name = "" if self._shown is None else self._shown.name
        self._context.act(act, self._wrote, what, {self.image_id: name}, "results")

    def _wrote(self, _: object) -> None:
        self._read()
        self.read_marked()

    @Slot(object)
    def _on_announced(self, changed: Changed) -> None:
        if changed & Changed.REGIONS:
            self._wrote(None)
