"""Closing the window while something runs: stop, go on in the background, or stay."""

from __future__ import annotations

from enum import Enum

from PySide6.QtWidgets import QMessageBox, QWidget

from amae_app.child_job import ChildJob
from amae_app.job_queue import JobQueue
from amae_engine.errors import AmaeError
from amae_engine.jobs.planning.hand_over import HandedJob, hand_over
from amae_engine.project import Project


class Closing(Enum):
    """What the reader wants."""

    STOP = "Stop and close"
    GO_ON = "Continue in the background"
    STAY = "Stay"


def jobs_to_hand_over(queue: JobQueue, project: Project) -> list[HandedJob]:
    """The open project's training jobs, the running one first; others cannot go on alone."""
    running = queue.running_job
    found = []
    for job in ([running] if running is not None else []) + list(queue.waiting):
        make = job.make
        if isinstance(make, ChildJob) and make.folder == project.folder and make.goes_on_alone:
            begun = job is running or make.resume is not None
            found.append(HandedJob(job.title, make.name, make.values, begun))
    return found


def ask_about_jobs(parent: QWidget, queue: JobQueue, project: Project) -> list[HandedJob] | None:
    """Ask what to do with unfinished jobs: those that go on without the window, None to stay."""
    jobs = jobs_to_hand_over(queue, project)
    chosen = ask_closing(parent, queue.running, len(jobs) == 1 + len(queue.waiting))
    if chosen is Closing.STAY:
        return None
    return jobs if chosen is Closing.GO_ON else []


def hand_over_to_worker(project: Project, jobs: list[HandedJob]) -> str:
    """Let jobs go on without the window; why they cannot, "" where they do."""
    try:
        if jobs:
            hand_over(project, jobs)
    except AmaeError as error:  # the jobs are stored: Compare, Experiments can start them
        return str(error)
    return ""


def ask_closing(parent: QWidget, running: str, can_go_on: bool) -> Closing:
    """Ask once.

    Args:
        parent: The window.
        running: The running job's title.
        can_go_on: Whether all that runs and waits can go on without the window.
    """
    box = QMessageBox(QMessageBox.Icon.Question, "AMAE", f"{running} runs.", parent=parent)
    box.setInformativeText(
        "Stopped, it keeps its last whole epoch, and Train offers to resume it. In the background it "
        "goes on without the window (amae queue), and so does what waits; the project shows it at "
        "the next start."
        if can_go_on
        else "Stopped, it keeps what is whole; a training's last epoch, from which Train resumes it."
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
