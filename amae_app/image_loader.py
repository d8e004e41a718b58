"""What stands between a page's list and its viewer: the stored image at once, then the original."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal, Slot

from amae_app.image_ref import ImageRef
from amae_app.widgets.image_viewer import ImageViewer
from amae_app.widgets.measuring import Scale
from amae_app.window_context import WindowContext
from amae_engine.jobs.curation.original_images import OriginalImage, OriginalState


class ImageLoader(QObject):
    """Shows an image of a list in a viewer, and has its neighbours ready.

    Args:
        context: The open project.
        viewer: Where to show it.
        name: Of the page, which keeps its own order of answers.

    Signals:
        shown(image id): its stored image or its original is on screen.
    """

    shown = Signal(int)

    def __init__(self, context: WindowContext, viewer: ImageViewer, name: str) -> None:
        super().__init__(viewer)
        self._context, self._viewer, self._name = context, viewer, name
        self._now: ImageRef | None = None
        self._original: OriginalImage | None = None  # of the image that is shown, once it came
        context.originals.came.connect(self._on_original)

    def show(self, image: ImageRef | None, likely: list[int]) -> None:
        """Show another image, or none.

        Args:
            image: From the list.
            likely: Ids of those that may follow.
        """
        self._now, self._original = image, None
        self._viewer.show_stored(None)
        if image is None:
            return
        self._original = self._context.originals.get(image.image_id, likely, self._name)
        if self._original is not None and self._original.grey is not None:
            self._show_original(image, self._original)
            self.shown.emit(image.image_id)
            return
        project, row = self._context.project, image.store_row

        def show(answer: npt.NDArray[np.uint8]) -> None:
            if self._now is not image or self._viewer.is_original:
                return  # another image was chosen, or the original was quicker
            self._viewer.show_stored(answer, image.aspect)
            if self._original is not None:  # it cannot be shown, and says why
                self._show_original(image, self._original)
            self.shown.emit(image.image_id)

        key = f"{self._name} stored image"
        self._context.runner.run(key, lambda: project.pixels.read(np.array([row]))[0], show)

    @Slot(int, object)
    def _on_original(self, image_id: int, original: OriginalImage) -> None:
        if self._now is not None and self._now.image_id == image_id:
            self._original = original
            self._show_original(self._now, original)

    def _show_original(self, image: ImageRef, original: OriginalImage) -> None:
        if original.grey is None:
            gone = original.state is OriginalState.GONE
            self._viewer.show_notice(original.message, can_relink=gone)
            return
        spacing = original.spacing
        rows, columns = original.grey.codes.shape
        scale = Scale(columns, rows)
        if spacing is not None:
            scale = Scale(columns, rows, spacing.column_mm, spacing.row_mm, spacing.tag)
        self._viewer.show_original(original.grey, image.aspect, original.sides, scale)
