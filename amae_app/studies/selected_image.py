"""The selected image, its facts, and what a reader can say of all selected ones."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from amae_app.image_loader import ImageLoader
from amae_app.image_ref import ImageRef
from amae_app.studies.studies_actions import StudiesActions
from amae_app.theme import card, quiet
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_app.widgets.image_viewer import ImageViewer
from amae_app.window_context import WindowContext
from amae_engine.catalog.studies import ImageRow
from amae_engine.catalog.tables import Split
from amae_engine.jobs.importing.demo import ATTRIBUTION, DEMO_SOURCE

_TRUTHS = {"normal": 0, "abnormal": 1, "unknown": None}


class SelectedImage(QWidget):
    """A card with the viewer and three entries: split, truth, tag.

    Args:
        context: The open project.
        acts: What the entries do.
    """

    def __init__(self, context: WindowContext, acts: StudiesActions) -> None:
        super().__init__()
        self._acts = acts
        self.viewer = ImageViewer("The selected image")
        self.facts = quiet()
        self.split = ComboBox()
        self.truth = ComboBox()
        self.tag = QLineEdit()
        self._loader = ImageLoader(context, self.viewer, "studies")
        frame, layout = card()
        fill(layout, (self.viewer, 1), self.facts)
        for row in self._entries():
            layout.addLayout(row)
        column_of(frame, into=self, margins=0)
        self.tag.returnPressed.connect(self._on_tag)
        self.viewer.relink_wanted.connect(context.navigator.relink_wanted)

    def show_row(self, row: ImageRow, likely: list[int]) -> None:
        """Show an image.

        Args:
            row: Of the table.
            likely: Ids of those that may be selected next.
        """
        spacing = f" · {row.pixel_spacing_mm:g} mm" if row.pixel_spacing_mm else ""
        kind = " ".join(part for part in (row.modality, row.photometric) if part)
        self.facts.setText(
            f"{row.name} · {row.columns} × {row.rows} · {row.bits_stored} bit{spacing}\n"
            f"{kind} · {row.transfer_syntax}\nidentity removed at import"
            + (f"\n{row.flags}" if row.flags else "")
            + (f"\n{ATTRIBUTION}" if row.source == DEMO_SOURCE else "")
        )
        self._loader.show(ImageRef(row.id, row.store_row, row.aspect), likely)

    def _entries(self) -> list[QHBoxLayout]:
        self.split.addItems([str(split) for split in Split])
        self.truth.addItems(list(_TRUTHS))
        self.tag.setPlaceholderText("tag, one word")
        rows = []
        for entry, name, what, buttons in (
            (self.split, "moveToCombo", "Split for the selected images",
             (("Move selected here", "moveButton", "Give the selected images this role",
               self._on_move),)),
            (self.truth, "truthCombo", "Truth of the selected test images",
             (("Truth of selected", "truthButton",
               "Set the truth of the selected test images; Ctrl+Z takes it back",
               self._on_truth),)),
            (self.tag, "tagEdit", "A tag for the selected images",
             (("Tag", "tagButton", "Give the selected images this tag", self._on_tag),
              ("Untag", "untagButton", "Take this tag from the selected images",
               self._on_untag))),
        ):  # fmt: skip
            named(entry, name, what, what)
            row = row_of((entry, 1))
            for text, button_name, tip, slot in buttons:
                button = named(QPushButton(text), button_name, tip=tip)
                button.clicked.connect(slot)
                row.addWidget(button, 1)
            rows.append(row)
        return rows

    @Slot()
    def _on_move(self) -> None:
        self._acts.move(Split(self.split.currentText()))

    @Slot()
    def _on_truth(self) -> None:
        self._acts.of_images.set_truth(_TRUTHS[self.truth.currentText()])

    @Slot()
    def _on_tag(self) -> None:
        self._acts.of_images.tag(self.tag.text())

    @Slot()
    def _on_untag(self) -> None:
        self._acts.of_images.tag(self.tag.text(), takes_away=True)
