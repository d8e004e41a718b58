"""Images from a real PACS in the window: count, fetch, see what became of each."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from images_in_dicom import IDENTITIES, write_dicom
from orthanc_server import CALLED_AE, PASSWORD, USER, OrthancServer, missing_program
from PySide6.QtCore import QSettings, Qt
from widgets_by_name import WAIT

from amae_app.studies.pacs_dialog import PacsDialog
from amae_app.studies.studies_page import StudiesPage
from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.project import Project


@pytest.fixture
def pacs(tmp_path: Path) -> Generator[OrthancServer, None, None]:
    missing = missing_program()
    if missing:
        pytest.skip(f"needs a real PACS: apt-get install {missing}")
    server = OrthancServer()
    try:
        server.start()
        server.fill([write_dicom(tmp_path, number) for number in range(1, 5)])
        yield server
    finally:
        server.stop()


def _ask(page: StudiesPage) -> PacsDialog:
    page.actions_of_page.ask_pacs()
    dialog = page.actions_of_page.pacs_dialog
    assert dialog is not None
    return dialog


def _unlabeled(project: Project) -> int:
    with project.session() as session:
        return studies.split_counts(session)[Split.UNLABELED].images


def test_images_are_counted_fetched_and_reported(
    open_window, project: Project, qtbot, pacs: OrthancServer
):
    page = open_window(project).pages[0]
    dialog = _ask(page)
    dialog.url.setText(pacs.url)
    dialog.user.setText(USER)
    dialog.password.setText(PASSWORD)
    dialog.count.click()
    qtbot.waitUntil(lambda: "images in" in dialog.answer.text(), timeout=WAIT)
    assert "<b>4</b> images in 4 studies; 0 are in the project" in dialog.answer.text()
    assert _unlabeled(project) == 0
    studies = dialog.studies
    assert studies.wanted.text() == "4 of 4 studies, 4 new images"
    days = [studies.table.item(row, 0).text() for row in range(4)]
    assert days == sorted(days, reverse=True)
    studies.check_none()
    dialog.accept()
    assert "Check at least one study" in dialog.answer.text()
    studies.table.item(1, 0).setCheckState(Qt.CheckState.Checked)
    assert studies.wanted.text() == "1 of 4 studies, 1 new images"
    dialog.accept()
    qtbot.waitUntil(lambda: bool(page.reports), timeout=WAIT)
    assert _unlabeled(project) == 1

    dialog = _ask(page)
    dialog.password.setText(PASSWORD)
    dialog.count.click()
    qtbot.waitUntil(lambda: "1 are in the project" in dialog.answer.text(), timeout=WAIT)
    checked = [dialog.studies.table.item(row, 0).checkState() == Qt.CheckState.Checked
               for row in range(4)]  # fmt: skip
    assert checked == [True, False, True, True]  # what is here need not come again
    dialog.accept()
    qtbot.waitUntil(lambda: len(page.reports) == 2, timeout=WAIT)
    assert _unlabeled(project) == 4

    dialog = _ask(page)
    assert (dialog.url.text(), dialog.user.text()) == (pacs.url, USER)
    assert dialog.password.text() == ""
    dialog.way.setCurrentIndex(1)
    dialog.host.setText("127.0.0.1")
    dialog.port.setValue(pacs.dicom_port)
    dialog.called.setText(CALLED_AE)
    dialog.count.click()
    qtbot.waitUntil(lambda: "4 are in the project already" in dialog.answer.text(), timeout=WAIT)
    dialog.reject()
    kept = Path(QSettings("AMAE", "AMAE").fileName()).parent
    assert not [
        word
        for file in (*kept.rglob("*"), *project.folder.glob("*.*"))
        if file.is_file()
        for word in (*IDENTITIES, PASSWORD)
        if word.encode() in file.read_bytes()
    ]


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("url", "ftp://pacs", "must start with https"),
        ("since", "last week", "A date must be like 2024-01-31"),
        ("modalities", "", "Name at least one modality"),
        ("ca_file", "gone.pem", "no such certificate file"),
    ],
)
def test_a_wrong_entry_is_reported_and_the_dialog_stays(qtbot, field: str, text: str, reason: str):
    dialog = PacsDialog({"url": "https://pacs.example/dicom-web"})
    qtbot.addWidget(dialog)
    dialog.open()
    getattr(dialog if hasattr(dialog, field) else dialog.rows, field).setText(text)
    dialog.accept()
    assert reason in dialog.answer.text()
    assert dialog.isVisible()


def test_a_pacs_that_is_not_there_is_reported(open_window, project: Project, qtbot):
    dialog = _ask(open_window(project).pages[0])
    dialog.url.setText("http://127.0.0.1:9/dicom-web")
    dialog.count.click()
    qtbot.waitUntil(lambda: "127.0.0.1:9" in dialog.answer.text(), timeout=WAIT)
    assert dialog.count.isEnabled()
