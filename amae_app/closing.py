"""Closing the window while something runs: stop, go on in the background, or stay."""

from __future__ import annotations

from enum import Enum

from PySide6.QtWidgets import QMessageBox, QWidget

from amae_app.queues import Queues


class Closing(Enum):
    """What the reader wants."""

    STOP = "Stop and close"
    GO_ON = "Continue in the background"
    STAY = "Stay"


def ask_about_jobs(parent: QWidget, queues: Queues) -> bool | None:
    """Whether what this window works at goes on without it; None where the reader stays."""
    at_work = [queue for queue in queues.all if queue.is_working]
    if not at_work:
        return False
    running = next((queue.running for queue in at_work if queue.running), "Something")
    chosen = ask_closing(parent, running, all(queue.can_go_on_alone for queue in at_work))
    return None if chosen is Closing.STAY else chosen is Closing.GO_ON


def ask_closing(parent: QWidget, running: str, can_go_on: bool) -> Closing:
    """Ask once.

    Args:
        parent: The window.
        running: The running job's title.
        can_go_on: Whether all that runs and waits can go on without the window.
    """
    box = QMessageBox(QMessageBox.Icon.Question, "AMAE", f"{running} runs.", parent=parent)
    box.setInformativeText(
        "Stopped, it keeps its last whole epoch and is paused, with what waits: the next start offers "
        "to resume. In the background it goes on without the window (amae queue), and the project "
        "shows it at the next start."
        if can_go_on
        else "Stopped, it keeps what is whole; a training its last epoch, from which it can be resumed."
    )
    role = QMessageBox.ButtonRole.AcceptRole
    buttons = {
        box.addButton(each.value, role): each
        for each in Closing
        if can_go_on or each is not Closing.GO_ON
    }
    box.exec()
    clicked = box.clickedButton()
    return next((each for button, each in buttons.items() if button is clicked), Closing.STAY)
