"""How long jobs may take: by finished runs like them, and by trials of peers that never ran here."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from types import MappingProxyType
from typing import Any

from amae_engine.catalog import runs
from amae_engine.catalog.job_queue import NewJob
from amae_engine.config import PseudoLabelConfig
from amae_engine.config.peers import PeerConfig
from amae_engine.errors import AmaeError
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.jobs.training.train_peer import peer_inputs, seconds_of_epochs
from amae_engine.project import Project

Like = tuple[object, ...]
NOT_TRIED: Mapping[Like, float] = MappingProxyType({})
_STEP = "Trials of peers"


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long jobs may take, by finished runs of this project that are like them, or by trials.

    Attributes:
        seconds: Of the jobs that are known.
        unknown: How many jobs neither a finished run nor a trial covers.
        tried: How many a trial covers.
    """

    seconds: float
    jobs: int
    unknown: int
    tried: int = 0

    @property
    def text(self) -> str:
        """A sentence for the reader."""
        hours = self.seconds / 3600
        minutes = max(self.seconds / 60, 1)
        known = f"about {hours:.1f} h" if hours >= 1 else f"about {minutes:.0f} min"
        if self.unknown == self.jobs:
            return (
                f"{self.jobs} jobs; how long they take is not known before runs like them have "
                f"finished here."
            )
        tried = f" ({self.tried} of them by a trial)" if self.tried else ""
        if self.unknown:
            return (
                f"{self.jobs} jobs, at least {known}{tried}: {self.unknown} of them are unlike any "
                f"finished run, and their time is not in it."
            )
        return f"{self.jobs} jobs, {known}{tried}."


def estimate(
    project: Project, jobs: Sequence[NewJob], tried: Mapping[Like, float] = NOT_TRIED
) -> Estimate:
    """Medians of finished runs of the same kind, and of the same method, size and epochs for a peer.

    Args:
        project: Whose runs count.
        jobs: What would run.
        tried: Seconds by trials, for what no run is like.
    """
    with project.session() as session:
        finished = [run for run in runs.list_runs(session) if run.finished_at and not run.error]
    times: dict[Like, list[float]] = {}
    for run in finished:
        began = datetime.fromisoformat(run.created_at)
        seconds = (datetime.fromisoformat(run.finished_at or "") - began).total_seconds()
        times.setdefault(like(str(run.kind), run.config), []).append(seconds)
    keys = [like(job.job, job.config) for job in jobs]
    known = [median(times[key]) for key in keys if key in times]
    by_trial = [tried[key] for key in keys if key not in times and key in tried]
    unknown = len(jobs) - len(known) - len(by_trial)
    return Estimate(sum(known) + sum(by_trial), len(jobs), unknown, len(by_trial))


def like(kind: str, config: dict[str, Any]) -> Like:
    """What jobs that take as long as one another have in common: a `RunKind` and its settings."""
    if kind == "peer":
        peer = PeerConfig.from_dict(config).completed
        length = f"{peer.minutes} minutes" if peer.minutes else peer.epochs
        return kind, peer.title, peer.image_size, peer.width, peer.batch_size, length
    epochs = config.get("training", {}).get("epochs")
    kept: Like = ()
    if kind == "stage2":
        labels = PseudoLabelConfig.from_dict(config.get("pseudo_labels", {}))
        kept = labels.rule, labels.keep_percent, labels.keep_of_abnormal
    return kind, config.get("preset"), config.get("reconstructs"), epochs, *kept


def peer_times(
    project: Project, configs: Sequence[dict[str, Any]]
) -> Generator[Event, None, dict[Like, float]]:
    """Try each peer for a few steps; AnatPaste's lungs do not count, all of its runs share them.

    Args:
        project: Whose images it would see.
        configs: Peers' settings as JSON values; those that take as long are tried once.

    Returns:
        Seconds that each would train, by `like`; a notice says why one cannot be trained here.
    """
    distinct = {like("peer", values): PeerConfig.from_dict(values).completed for values in configs}
    found: dict[Like, float] = {}
    for number, (key, config) in enumerate(distinct.items()):
        yield Progress(_STEP, number, len(distinct))
        try:
            seconds = seconds_of_epochs(project, config, peer_inputs(project, config))
        except AmaeError as error:
            yield Notice(f"{config.title}: {error}", Level.WARNING)
            continue
        epochs = (config.within_minutes(seconds) if config.minutes else config).epochs
        found[key] = seconds * epochs
    yield Progress(_STEP, len(distinct), len(distinct))
    return found
