"""What readers do without a window."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from amae_engine.catalog import blind_readings, held_images, studies
from amae_engine.catalog.studies import ImageRow
from amae_engine.cli.output import say, say_json
from amae_engine.errors import BadInput, NotReady
from amae_engine.project import Project


def held(options: Namespace) -> None:
    """List the images that wait; let some in, leave some out."""
    project = Project.open(options.project)
    with project.session() as session:
        for names, act in (
            (options.let_in, held_images.let_in),
            (options.leave_out, held_images.leave_out),
        ):
            if names:
                rows = (*held_images.waiting(session), *held_images.left_out(session))
                act(session, _ids(rows, names), options.reader)
        waiting = held_images.waiting(session)
        out = held_images.left_out(session)
    if options.json:
        say_json({"waiting": [row.name for row in waiting], "left_out": [row.name for row in out]})
        return
    for row in waiting:
        say(f"{row.name}  {row.split:<10} {row.columns} × {row.rows}  {row.source}  {row.flags}")
    say(f"{len(waiting)} images wait, {len(out)} are left out.")


def decisions(options: Namespace) -> None:
    """Write every decision to a table, or take those of one over."""
    from amae_engine.jobs.curation.decision_csv import read_decisions, summary, write_decisions

    project = Project.open(options.project)
    if options.way == "export":
        count = write_decisions(project, options.file, options.reader)
        say_json({"written": count}) if options.json else say(f"{count} decisions written.")
        return
    taken = read_decisions(project, options.file, options.reader)
    say_json(asdict(taken)) if options.json else say(summary(taken))


def step_back(options: Namespace) -> None:
    """Undo the reader's last act, whatever it was about, or do again what was undone."""
    from amae_engine.catalog import undo

    project = Project.open(options.project)
    project.require_writable()
    with project.session() as session:
        step = (undo.redo if options.is_redo else undo.undo)(session, options.reader)
    if step.import_id:
        raise NotReady(f"The last act is the {step.what}; `amae undo-import` takes it back.")
    if options.json:
        say_json({"act": step.what, "images": list(step.image_ids), "left": step.kept})
    else:
        say(undo.step_text(step, options.is_redo))


def agreement(options: Namespace) -> None:
    """Print how the readers of each blind second reading agree."""
    from amae_engine.jobs.curation.second_reading import agreement as judged

    project = Project.open(options.project)
    with project.session() as session:
        numbers = [row.id for row in blind_readings.sessions(session)]
    found = [judged(project, number) for number in numbers]
    if options.json:
        say_json(
            [
                {
                    "session": each.session_id,
                    "first": each.first,
                    "second": each.second,
                    "read": each.read,
                    "images": each.images,
                    "same": each.same,
                    "kappa": [each.kappa.value, each.kappa.low, each.kappa.high],
                    "conflicts": [item.image_id for item in each.conflicts],
                }
                for each in found
            ]
        )
        return
    for each in found:
        say(
            f"Reading {each.session_id}: {each.first} and {each.second}, {each.read} of "
            f"{each.images} images read, the same on {each.same}; κ {each.kappa.value:.2f} "
            f"({each.kappa.low:.2f}–{each.kappa.high:.2f}); {len(each.conflicts)} conflicts"
        )
    if not found:
        say("There is no second reading yet; begin one in Pseudo-labels.")


def _ids(rows: Sequence[ImageRow], names: Sequence[str]) -> list[int]:
    """The ids of held images by their names."""
    known = {row.name: row.id for row in rows}
    unknown = [name for name in names if studies.full_name(name) not in known]
    if unknown:
        raise BadInput(f"{', '.join(unknown)}: no such image is held back in this project.")
    return [known[studies.full_name(name)] for name in names]
