"""Any job in a process of its own, behind a generator of the same contract.

On Linux and macOS the process is forked from a server that has loaded torch already, so that a job's
first event comes within a second; on Windows it is spawned. A CUDA fault or an out-of-memory kill must not take the window along, and busy Python threads in
the window's own process make it stutter. The child sends an event and waits until it is asked for
the next: not calling `next` pauses it, closing the generator cancels it.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from amae_engine.catalog import runs
from amae_engine.config import STEPS, JsonConfig
from amae_engine.errors import AmaeError, BadSetting, TrainingFailed, translate_os_error
from amae_engine.events import Alive, Event, Finished, RunStarted
from amae_engine.project import Project

if sys.platform != "win32":
    from multiprocessing import forkserver

_log = logging.getLogger(__name__)
_SECONDS_TO_END = 10.0
_SECONDS_BETWEEN_SIGNS = 0.25  # after which a driver that waits for an event may close the job
_NEXT, _CLOSE = "next", "close"
JobConfig = JsonConfig | dict[str, Any]


def make_job(
    project: Project,
    job: str,
    config: JobConfig,
    resume: int | None = None,
    repeats: int | None = None,
) -> Generator[Event, None, object]:
    """The generator of a job by its name.

    Args:
        project: Where it works.
        job: A `RunKind` ("pretrain", "stage1", "stage2", "score", "peer"), "rounds", "maps",
            "write_model", "apply" or "peer_times".
        config: Settings of a new run, or their JSON values where the catalog keeps them; a resumed run
            has its own. Of another job its arguments.
        resume: A run to resume.
        repeats: A run to make again, from what that one saw.

    Raises:
        BadSetting: There is no such job, or it cannot be resumed.
    """
    from amae_engine.config.peers import PeerConfig
    from amae_engine.jobs.model_files.apply_to_project import apply_to_project
    from amae_engine.jobs.model_files.write_model import write_model
    from amae_engine.jobs.planning.estimates import peer_times
    from amae_engine.jobs.pseudo_labels.rounds import more_rounds
    from amae_engine.jobs.scoring.make_maps import make_maps_of
    from amae_engine.jobs.scoring.score_images import score_images
    from amae_engine.jobs.training.pretrain_weights import pretrain_weights
    from amae_engine.jobs.training.train_peer import train_peer
    from amae_engine.jobs.training.train_stage1 import train_stage1
    from amae_engine.jobs.training.train_stage2 import train_stage2

    runs_of: dict[str, Callable[..., Generator[Event, None, object]]] = {
        "pretrain": pretrain_weights,
        "stage1": train_stage1,
        "stage2": train_stage2,
        "score": score_images,
        "peer": train_peer,
    }
    others: dict[str, Callable[..., Generator[Event, None, object]]] = {
        "rounds": more_rounds,
        "maps": make_maps_of,
        "write_model": write_model,
        "apply": apply_to_project,
        "peer_times": peer_times,
    }
    if job in others and isinstance(config, dict):
        return others[job](project, **config)
    if job not in runs_of:
        raise BadSetting(f"There is no job '{job}'; jobs are {', '.join((*runs_of, *others))}.")
    if isinstance(config, dict):
        kinds: dict[str, type[JsonConfig]] = {**STEPS, "peer": PeerConfig}
        config = kinds[job].from_dict(config)
    return runs_of[job](project, config, resume, repeats)


def start_server() -> str:
    """Start the server that jobs are forked from, where the system has one; it ends with this process.

    Returns at once, with the way to start a job: the server loads its libraries meanwhile.
    """
    if sys.platform == "win32":
        return "spawn"
    multiprocessing.set_forkserver_preload(["amae_engine.jobs.preloaded"])
    try:
        forkserver.ensure_running()
    except OSError as error:  # its socket lies in the folder for temporary files: too long a path
        _log.warning("Jobs start more slowly: no server to fork them from (%s).", error)
        return "spawn"
    return "forkserver"


def run_in_child(
    project_folder: Path, job: str, config: JobConfig, resume: int | None = None
) -> Generator[Event, None, object]:
    """Run a job in a process of its own; yields its events and returns its result.

    Raises:
        AmaeError: What the job raised.
        TrainingFailed: The process died; the message has its exit code.
    """
    context = multiprocessing.get_context(start_server())
    here, there = context.Pipe()
    process = context.Process(  # type: ignore[attr-defined]
        target=_child,
        args=(there, dict(os.environ), project_folder, job, config, resume),
        daemon=True,
    )
    process.start()
    there.close()
    run_id: int | None = None
    try:
        while True:
            answer = yield from _ask(here, process, project_folder, run_id)
            if isinstance(answer, BaseException):
                raise answer
            if isinstance(answer, Finished):
                return answer.result
            if isinstance(answer, RunStarted):
                run_id = answer.run_id
            yield answer
    finally:
        if _end(here, process) and run_id is not None:
            _interrupt(project_folder, run_id, "It did not end by itself when it was closed.")


def _ask(
    here: Connection, process: BaseProcess, folder: Path, run_id: int | None
) -> Generator[Event, None, Event | BaseException]:
    """Ask for the next event, and give signs of life until it comes."""
    try:
        here.send(_NEXT)
        while not here.poll(_SECONDS_BETWEEN_SIGNS):
            yield Alive()
        answer: Event | BaseException = here.recv()
        return answer
    except (EOFError, OSError) as error:
        process.join(_SECONDS_TO_END)
        message = f"The training process ended with exit code {process.exitcode}"
        if run_id is not None:
            _interrupt(folder, run_id, message + ".")
        raise TrainingFailed(
            f"{message}; it was killed or ran out of memory. Resume the run: its last whole epoch "
            f"is kept."
        ) from error


def _interrupt(folder: Path, run_id: int, message: str) -> None:
    with contextlib.closing(Project.open(folder)) as project, project.session() as session:
        runs.interrupt(session, run_id, message)


def _end(here: Connection, process: BaseProcess) -> bool:
    """Ask the child to close its job, wait, then end it by force; whether that was needed."""
    end = time.monotonic() + _SECONDS_TO_END
    with contextlib.suppress(EOFError, OSError):
        here.send(_CLOSE)
        while process.is_alive() and time.monotonic() < end:
            if here.poll(_SECONDS_BETWEEN_SIGNS):
                here.recv()  # the event that it was at: nobody waits for it any more
    process.join(max(0.0, end - time.monotonic()))
    by_force = process.is_alive()
    if by_force:
        process.kill()
        process.join()
    here.close()
    return by_force


def _child(
    there: Connection,
    environment: dict[str, str],
    folder: Path,
    job: str,
    config: JobConfig,
    resume: int | None,
) -> None:
    os.environ.update(environment)  # the server has that of its start
    # a daemon, so that it ends with the window; but its job may have worker processes of its own
    multiprocessing.current_process().daemon = False
    try:
        project = Project.open(folder)
        events = make_job(project, job, config, resume)
    except AmaeError as error:
        _answer(there, error)
        return
    try:
        while there.recv() == _NEXT:
            try:
                there.send(next(events))
            except StopIteration as stop:
                there.send(Finished(stop.value))
            except Exception as error:  # noqa: BLE001 - every error crosses to the reader
                there.send(_portable(error))
                return
    except (EOFError, OSError):
        return  # the parent is gone: closing below keeps the last whole epoch
    finally:
        events.close()
        project.close()


def _answer(there: Connection, error: BaseException) -> None:
    with contextlib.suppress(EOFError, OSError):
        there.recv()
        there.send(error)


def _portable(error: Exception) -> Exception:
    """An error that can cross a process boundary and says its kind."""
    reported = translate_os_error(error)
    if reported is not None:
        return reported
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return TrainingFailed(f"{type(error).__name__}: {first}")
