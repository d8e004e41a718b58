"""What an import would do, shown before it is done."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QListWidget, QWidget

from amae_app.theme import card, quiet, restyle
from amae_app.widgets.building import column_of, fill, named
from amae_engine.jobs.importing.import_preview import ImportPreview

_TRUTHS = {0: "normal", 1: "abnormal", None: "truth unknown"}


class ImportPreviewPanel(QWidget):
    """Counts by role and truth, what would be left out and why; or what is wrong."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, layout = card("What would happen")
        self.summary = named(QLabel(), "previewLabel")
        self.summary.setWordWrap(True)
        self.summary.setTextFormat(Qt.TextFormat.RichText)
        self.reasons = named(
            QListWidget(), "previewReasons", "Files that would be left out, and why"
        )
        self.reasons.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.reasons.setWordWrap(True)
        fill(
            layout,
            self.summary,
            (self.reasons, 1),
            quiet("A dry run: nothing is imported before you press Import."),
        )
        column_of(frame, into=self, margins=0)
        self.show_text("Choose images to see what would happen to them.")

    def show_text(self, text: str, is_warning: bool = False) -> None:
        """A sentence in place of a preview."""
        restyle(self.summary, "state", "warning" if is_warning else "")
        self.summary.setText(text)
        self.reasons.clear()
        self.reasons.setVisible(False)

    def show_preview(self, preview: ImportPreview) -> None:
        """Counts, and the first reasons."""
        lines = "".join(
            f"<tr><td>{c.role}&nbsp;&nbsp;</td><td>{_TRUTHS[c.truth]}&nbsp;&nbsp;</td>"
            f"<td align='right'><b>{c.images}</b></td></tr>"
            for c in preview.counts
        )
        warnings = [
            f"{count} {text}"
            for count, text in (
                (preview.missing, "files are missing"),
                (preview.repeated, "files are named more than once"),
                (preview.shared_patients, "patients would be in more than one split"),
                (preview.refused, f"of {preview.tried} files tried would be refused"),
                (preview.known, f"of {preview.tried} files tried are here already"),
            )
            if count
        ]
        remarks = "<br>".join(warnings) or f"{preview.tried} files were tried: all can be read."
        restyle(self.summary, "state", "")
        self.summary.setText(
            f"Taken for: <b>{preview.kind}</b>, {preview.files} files<table>{lines}</table>{remarks}"
        )
        self.reasons.clear()
        self.reasons.addItems([f"{count} × {text}" for text, count in preview.left_out])
        self.reasons.addItems(list(preview.reasons))
        self.reasons.setVisible(self.reasons.count() > 0)
