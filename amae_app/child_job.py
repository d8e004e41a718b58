"""A job that runs in a child process, and can go on without the window."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amae_engine.events import Event
from amae_engine.jobs.child_process import run_in_child


@dataclass(frozen=True, slots=True)
class ChildJob:
    """What to run: called, it begins.

    Attributes:
        folder: Of the project.
        name: "pretrain", "stage1", "stage2" or "score".
        config: Settings of a new run.
        resume: A run to go on with instead.
    """

    folder: Path
    name: str
    config: dict[str, Any]
    resume: int | None = None

    def __call__(self) -> Generator[Event, None, object]:
        """Begin."""
        return run_in_child(self.folder, self.name, self.config, self.resume)
