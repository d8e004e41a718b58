"""A job that runs in a child process, and can go on without the window."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amae_engine.events import Event
from amae_engine.jobs.child_process import JobConfig, run_in_child

_ANSWERS = ("peer_times",)  # jobs whose result only a window waits for


@dataclass(frozen=True, slots=True)
class ChildJob:
    """What to run: called, it begins.

    Attributes:
        folder: Of the project.
        name: As `make_job` has it.
        config: Settings of a new run, or another job's arguments.
        resume: A run to resume instead.
    """

    folder: Path
    name: str
    config: JobConfig
    resume: int | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Its settings as JSON values, for the catalog."""
        return self.config if isinstance(self.config, dict) else self.config.to_dict()

    @property
    def goes_on_alone(self) -> bool:
        """Whether it is of use when the window is closed."""
        return self.name not in _ANSWERS

    def __call__(self) -> Generator[Event, None, object]:
        """Begin."""
        return run_in_child(self.folder, self.name, self.config, self.resume)
