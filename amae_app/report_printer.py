"""A report's HTML as PDF, by Qt; works without a display."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from PySide6.QtCore import QLoggingCategory, QMarginsF, QRectF, QSizeF, Qt
from PySide6.QtGui import (
    QFont,
    QFontDatabase,
    QGuiApplication,
    QImage,
    QPageLayout,
    QPageSize,
    QPainter,
    QPdfWriter,
    QTextCursor,
    QTextDocument,
    QTextFormat,
)
from PySide6.QtSvg import QSvgRenderer

from amae_engine.atomic_write import atomic_write

_DPI = 150
_CSS_DPI = 96  # what a width in HTML is measured in
_PAGE = QPageSize(QPageSize.PageSizeId.A4)
_MARGINS_MM = QMarginsF(18, 16, 18, 16)
_DATA = re.compile(r'(<img src=")data:image/([a-z+]+);base64,([^"]+)"')
_STYLE = (
    "body { font-size: 9pt; color: #1b1e24; } h1 { font-size: 16pt; } "
    "h2 { font-size: 12pt; } .quiet, figcaption { color: #565d69; font-size: 8pt; } "
    ".use { font-weight: bold; color: #8a4b00; } td, th { padding: 2px 8px 2px 0; font-size: 8pt; }"
)


def print_report(html: Path, pdf: Path) -> None:
    """Print a report on A4, pictures no wider than the page."""
    application = QGuiApplication.instance()
    if application is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        application = QGuiApplication(["amae"])
    QLoggingCategory.setFilterRules(
        "qt.svg.warning=false"
    )  # the space of a curve's text has no path
    text = html.read_text(encoding="utf-8")
    with atomic_write(pdf) as unfinished:
        _print(text, html.stem, QPdfWriter(str(unfinished)))


def _print(text: str, name: str, writer: QPdfWriter) -> None:
    writer.setResolution(_DPI)
    writer.setPageLayout(
        QPageLayout(
            _PAGE, QPageLayout.Orientation.Portrait, _MARGINS_MM, QPageLayout.Unit.Millimeter
        )
    )
    title = re.search(r"<title>(.*?)</title>", text)
    writer.setTitle(title[1] if title else name)
    writer.setCreator("AMAE")
    foot_height = _DPI // 3
    size = QSizeF(writer.width(), writer.height() - foot_height)
    document = _document(text, size, writer)
    document.setPageSize(size)
    _keep_headings(document, size.height())
    painter = QPainter(writer)
    try:
        pages = document.pageCount()
        for page in range(pages):
            if page:
                writer.newPage()
            painter.save()
            painter.translate(0, -page * size.height())
            shown = QRectF(0, page * size.height(), size.width(), size.height())
            document.drawContents(painter, shown)
            painter.restore()
            foot = f"Research use only. Not a medical device. Page {page + 1} of {pages}"
            painter.setFont(document.defaultFont())
            painter.drawText(
                0, 0, int(size.width()), int(size.height()) + foot_height,
                Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignRight, foot,
            )  # fmt: skip
    finally:
        painter.end()


def _keep_headings(document: QTextDocument, page: float) -> None:
    """Begin a new page before a heading that would stand on two, or alone at the foot of one."""
    layout, block = document.documentLayout(), document.begin()
    while block.isValid():
        form, following = block.blockFormat(), block.next()
        if form.headingLevel() and following.isValid():
            heading, first = (layout.blockBoundingRect(each) for each in (block, following))
            needed = first.top() + min(first.height(), 2 * heading.height())
            if int(heading.top() // page) != int((needed - 1) // page):
                form.setPageBreakPolicy(QTextFormat.PageBreakFlag.PageBreak_AlwaysBefore)
                QTextCursor(block).setBlockFormat(form)
        block = following


def _document(text: str, size: QSizeF, writer: QPdfWriter) -> QTextDocument:
    document = QTextDocument()
    document.setDefaultFont(QFont(_family()))
    document.documentLayout().setPaintDevice(writer)
    number = 0

    def place(match: re.Match[str]) -> str:
        nonlocal number
        number += 1
        image = _image(match[2], base64.b64decode(match[3]), size)
        name = f"picture{number}"
        document.addResource(QTextDocument.ResourceType.ImageResource, name, image)
        return f'{match[1]}{name}" width="{round(image.width() * _CSS_DPI / _DPI)}"'

    body = _DATA.sub(place, re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))
    document.setDefaultStyleSheet(_STYLE)
    body = body.replace("<th>", '<th align="left">').replace("<figure>", "<p>")
    body = body.replace("<figcaption>", '</p><p class="quiet">').replace(
        "</figcaption></figure>", "</p>"
    )
    document.setHtml(body.replace("<table>", '<table border="0" cellspacing="0" width="100%">'))
    return document


def _family() -> str:
    """A font that every machine has: matplotlib's own, also where no font is installed."""
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    number = QFontDatabase.addApplicationFont(str(file))
    for face in ("DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf"):
        QFontDatabase.addApplicationFont(str(file.with_name(face)))
    families = QFontDatabase.applicationFontFamilies(number)
    return families[0] if families else "sans-serif"


def _image(kind: str, content: bytes, size: QSizeF) -> QImage:
    """A picture that fits a page; a logo stays small."""
    width, height = int(size.width()), int(0.85 * size.height())
    if kind == "svg+xml":
        renderer = QSvgRenderer(content)
        shape = renderer.defaultSize()
        wide = min(width, max(shape.width(), 1) * 2)
        image = QImage(
            wide,
            max(1, wide * shape.height() // max(shape.width(), 1)),
            QImage.Format.Format_ARGB32,
        )
        image.fill(Qt.GlobalColor.white)
        painter = QPainter(image)
        renderer.render(painter)
        painter.end()
        return image
    image = QImage.fromData(content)
    if image.width() <= width and image.height() <= height:
        return image
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return image.scaled(width, height, keep, smooth)
