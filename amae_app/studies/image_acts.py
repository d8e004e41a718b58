"""What a reader says of images in Studies: their truth, tags, whether held ones come in."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from amae_app.studies.held_dialog import HeldDialog
from amae_app.window_context import WindowContext
from amae_engine.catalog import held_images, studies, tags, validation_images
from amae_engine.events import Changed
from amae_engine.words import plural

_PAGE = "studies"


class ImageActs(QObject):
    """Each act is written off the event thread, and reported.

    Args:
        context: The open project.
        selected: The ids of the images that are selected now.
        done: Takes what to tell the reader.
        page: The dialogs' parent.
    """

    def __init__(
        self,
        context: WindowContext,
        selected: Callable[[], list[int]],
        done: Callable[[str], None],
        page: QWidget,
    ) -> None:
        super().__init__(page)
        self._context, self._selected, self._done, self._page = context, selected, done, page
        self.held_dialog: HeldDialog | None = None

    def set_truth(self, truth: int | None) -> None:
        """State what is known about the selected test images; others keep what they have."""
        ids, reader = self._selected(), self._context.reader
        if not ids:
            self._context.announcer.notify("Select images in the table first.")
            return
        word = {0: "normal", 1: "abnormal", None: "unknown"}[truth]

        def done(test: list[int]) -> None:
            text = f"Truth of {plural(len(test), 'test image')}: {word}."
            if len(test) < len(ids):
                text += (
                    f" {plural(len(ids) - len(test), 'image')} not of the test split: unlabeled ones "
                    f"are decided on in Pseudo-labels, normal ones are known to be."
                )
            self._done(text)

        what = f"truth: {word}, of {plural(len(ids), 'image')}"
        self._context.act(
            self._context.call(studies.set_test_truth, ids, truth, reader),
            done,
            what,
            page=_PAGE,
        )

    def set_validation(self, is_validation: bool) -> None:
        """Set the selected test images apart to choose thresholds by, or give them back."""
        ids, reader = self._selected(), self._context.reader
        if not ids:
            self._context.announcer.notify("Select images in the table first.")
            return

        def done(changed: list[int]) -> None:
            verb = "set apart for validation" if is_validation else "to be tested on again"
            text = f"{plural(len(changed), 'test image')} {verb} (whole patients)."
            self._done(text)

        what = "set apart for validation" if is_validation else "test on again"
        self._context.act(
            self._context.call(validation_images.set_validation, ids, is_validation, reader),
            done,
            f"{what}, {plural(len(ids), 'image')}",
            page=_PAGE,
        )

    def draw_validation(self, share: float) -> None:
        """Set a share of the test patients apart, at random within each truth."""
        reader = self._context.reader
        self._context.act(
            self._context.call(validation_images.draw_validation, share, reader),
            lambda drawn: self._done(f"{plural(len(drawn), 'image')} set apart."),
            f"{share:.0%} of the test patients set apart",
            page=_PAGE,
        )

    def tag(self, word: str, takes_away: bool = False) -> None:
        """Give the selected images a tag, or take it from them."""
        ids, reader = self._selected(), self._context.reader
        if not ids:
            self._context.announcer.notify("Select images in the table first.")
            return
        act = tags.remove_tag if takes_away else tags.add_tag

        def done(changed: list[int]) -> None:
            verb = "taken from" if takes_away else "given to"
            self._done(f"“{word.strip().lower()}” {verb} {plural(len(changed), 'image')}.")

        what = f"tag “{word}”, of {plural(len(ids), 'image')}"
        self._context.act(self._context.call(act, ids, word, reader), done, what, page=_PAGE)

    def keep_filter(self, name: str, text: str) -> None:
        """Keep a filter under a name, for every reader of the project."""
        self._context.act(self._context.call(tags.save_filter, name, text), self._filters_changed)

    def forget_filter(self, name: str) -> None:
        """Forget a saved filter."""
        self._context.act(self._context.call(tags.forget_filter, name), self._filters_changed)

    def _filters_changed(self, _: None) -> None:
        self._context.announcer.announce(Changed.SETTINGS)

    @Slot()
    def ask_held(self) -> None:
        """Show the images that are held back, for the reader to let in or leave out."""

        def show(rows: list[studies.ImageRow]) -> None:
            if not rows:
                self._context.announcer.notify("No image is held back.")
                return
            self.held_dialog = HeldDialog(self._context, rows, self._page)
            self.held_dialog.decided.connect(self.decide_held)
            self.held_dialog.open()

        self._context.runner.run("held images", self._context.call(held_images.waiting), show)

    @Slot(object, bool)
    def decide_held(self, ids: list[int], lets_in: bool) -> None:
        """Let held images into their split, or leave them out."""
        reader = self._context.reader
        do = held_images.let_in if lets_in else held_images.leave_out

        word = "let in" if lets_in else "left out"
        self._context.act(
            self._context.call(do, ids, reader),
            lambda n: self._done(f"{plural(n, 'image')} {word}."),
            f"{word}, {plural(len(ids), 'held image')}",
            page=_PAGE,
        )
