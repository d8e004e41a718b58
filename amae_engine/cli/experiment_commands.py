"""`amae experiment` and `amae queue`."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from amae_engine.catalog import job_queue
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import QueueState
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.config.peers import PeerMethod
from amae_engine.errors import BadSetting
from amae_engine.events import clock
from amae_engine.project import Project


def experiment(options: Namespace) -> None:
    """Queue an experiment, or show what one has found."""
    from amae_engine.jobs.planning.experiment_plans import RATIOS, Experiment, Plan, plan_jobs
    from amae_engine.jobs.planning.queue_experiment import queue_experiment
    from amae_engine.jobs.planning.work_queue import start_worker

    project = Project.open(options.project)
    if options.name not in set(Experiment):
        _show(project, options)
        return
    plan = Plan(
        Experiment(options.name),
        tuple(options.seeds),
        tuple(PeerMethod(name) for name in options.methods),
        tuple(options.ratios) if options.ratios else RATIOS,
        _settings(options.set),
        options.preset,
        tuple(options.encoders),
        options.imagenet,
    )
    if options.dry_run:
        _say_plan(project, plan_jobs(project, plan), options)
        return
    name, guess = queue_experiment(project, plan)
    if plan.experiment.uses_hidden_truth:
        Console(options.json).tell("The unlabeled images are drawn by their hidden truth.")
    if options.start:
        start_worker(project)
    if options.json:
        say_json({"experiment": name, "jobs": guess.jobs, "seconds": guess.seconds,
                  "unknown": guess.unknown})  # fmt: skip
        return
    say(f"{name}: {guess.text}")
    if not options.start:
        say(f"Run it with: amae queue run --project {options.project}")


def _say_plan(project: Project, jobs: list[NewJob], options: Namespace) -> None:
    """What would be queued, and how long it may take."""
    from amae_engine.jobs.planning.estimates import estimate, like, peer_times

    tried = {}
    if options.measure:
        peers = [job.config for job in jobs if job.job == "peer"]
        tried = Console(options.json).drive(peer_times(project, peers))
    guess = estimate(project, jobs, tried)
    seconds = [tried.get(like(job.job, job.config)) for job in jobs]
    if options.json:
        titles = [{"title": j.title, "seconds": s} for j, s in zip(jobs, seconds, strict=True)]
        say_json({"jobs": titles, "seconds": guess.seconds, "unknown": guess.unknown})
        return
    for job, time in zip(jobs, seconds, strict=True):
        say(job.title if time is None else f"{job.title}: {clock(time)} by a trial")
    say(guess.text)


def queue(options: Namespace) -> None:
    """List, work, pause, cancel, reorder."""
    from amae_engine.jobs.planning.work_queue import start_worker, work_queue

    project = Project.open(options.project)
    if options.act == "run":
        done = Console(options.json).drive(work_queue(project))
        say_json({"done": done}) if options.json else say(f"{done} jobs done.")
        return
    if options.act == "start":
        start_worker(project)
    elif options.act != "list":
        _change(project, options)
    with project.session() as session:
        rows = job_queue.rows(session)
    if options.json:
        say_json(
            [
                {"id": r.id, "experiment": r.experiment, "title": r.title, "state": str(r.state),
                 "run": r.run_id, "error": r.error}
                for r in rows
            ]
        )  # fmt: skip
        return
    for row in rows:
        run = "" if row.run_id is None else f"run {row.run_id}"
        say(f"{row.id:>4}  {row.experiment:<14} {row.state:<10} {run:<8} {row.title}  {row.error}")
    left = sum(row.state in (QueueState.WAITING, QueueState.PAUSED) for row in rows)
    say(f"{left} of {len(rows)} jobs left.")


def _change(project: Project, options: Namespace) -> None:
    acts = {
        "cancel": job_queue.cancel,
        "retry": job_queue.retry,
        "first": job_queue.move_first,
    }
    with project.session() as session:
        if options.act == "pause":
            job_queue.pause(session)
        elif options.act == "resume":
            job_queue.resume(session)
        elif options.job is None:
            raise BadSetting(f"amae queue {options.act} needs the job's number.")
        else:
            acts[options.act](session, options.job)


def _show(project: Project, options: Namespace) -> None:
    from amae_engine.jobs.planning.experiment_results import experiment_table, text_of
    from amae_engine.jobs.planning.queue_experiment import write_results

    table = experiment_table(project, options.name, options.reader)
    files = write_results(table, project.exports_folder) if options.export else []
    if options.json:
        say_json(
            {
                "experiment": table.experiment,
                "about": table.about,
                "cells": [
                    {"row": c.row, "column": c.column, "values": c.values,
                     "by_chance": c.by_chance, "runs": c.runs, "failed": c.failed,
                     "open": c.open}
                    for c in table.cells.values()
                ],
                "files": [str(file) for file in files],
            }
        )  # fmt: skip
        return
    say(text_of(table))
    for file in files:
        say(str(file))


def _settings(pairs: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        kind, dot, setting = name.partition(".")
        if not equals or not dot:
            raise BadSetting(f"--set needs KIND.NAME=VALUE; it is '{pair}'.")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(kind, {})[setting] = value
    return found
