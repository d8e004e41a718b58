"""Two modules trained at the same time: one generator out of several, a thread for each."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence

from amae_engine.events import Event

_SECONDS_TO_STOP = 0.1  # how often a waiting thread looks whether it should end


def side_by_side(jobs: Sequence[Generator[Event, None, None]]) -> Generator[Event, None, None]:
    """Drive jobs at the same time and pass their events on as they come.

    Not asking for the next event pauses every job; closing this generator closes all of them. The
    first error ends all jobs and is raised here.
    """
    events: queue.Queue[Event | BaseException | None] = queue.Queue(maxsize=1)
    stop = threading.Event()
    threads = [threading.Thread(target=_drive, args=(job, events, stop)) for job in jobs]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            item = events.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                running -= 1
            else:
                yield item
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _drive(
    job: Generator[Event, None, None],
    events: queue.Queue[Event | BaseException | None],
    stop: threading.Event,
) -> None:
    try:
        for event in job:
            if not _put(events, event, stop):
                break
    except BaseException as error:  # noqa: BLE001 - raised again where the events are asked for
        _put(events, error, stop)
    else:
        _put(events, None, stop)
    finally:
        job.close()


def _put(
    events: queue.Queue[Event | BaseException | None],
    item: Event | BaseException | None,
    stop: threading.Event,
) -> bool:
    """Hand an item over, waiting while the reader pauses; False when the reader is gone."""
    while not stop.is_set():
        try:
            events.put(item, timeout=_SECONDS_TO_STOP)
        except queue.Full:
            continue
        return True
    return False
