"""One undo and one redo of what a reader did, whatever it was about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from amae_engine.catalog import acts, decisions, image_changes, regions
from amae_engine.catalog.acts import Subject
from amae_engine.catalog.chain import one_act_at_a_time
from amae_engine.catalog.decisions import LABEL_WORDS
from amae_engine.catalog.image_changes import Reversed
from amae_engine.catalog.studies import image_name
from amae_engine.catalog.tables import Act, Label
from amae_engine.words import plural


@dataclass(frozen=True, slots=True)
class Step:
    """What an undo or a redo did.

    Attributes:
        subject: What the act was about; None where there was no act.
        what: The act in words: "3 images to test".
        at: When the act was done (ISO 8601, UTC).
        image_ids: The images that are changed.
        kept: How many images were left, because they were changed again since.
        gone: How many are no longer in the project.
        labels: The decisions on them, where the act was one.
        reading: The second reading that it was part of; 0 where it was part of none.
        import_id: An import, which is not undone by this: `undo_import` does that.
    """

    subject: Subject | None = None
    what: str = ""
    at: str = ""
    image_ids: tuple[int, ...] = ()
    kept: int = 0
    gone: int = 0
    labels: Mapping[int, Label] = field(default_factory=dict)
    reading: int = 0
    import_id: int = 0


def undo(session: Session, reader: str) -> Step:
    """Reverse the reader's last act that is not undone yet; see `Step`."""
    return _step(session, reader, is_redo=False)


def redo(session: Session, reader: str) -> Step:
    """Repeat the act that the reader undid last; see `Step`."""
    return _step(session, reader, is_redo=True)


def step_text(step: Step, is_redo: bool) -> str:
    """What an undo or a redo did, for the reader."""
    if step.subject is None:
        return f"There is nothing of yours to {'redo' if is_redo else 'undo'}."
    word = "Redone" if is_redo else "Undone"
    text = f"{word}: {step.what}."
    if len(step.labels) == 1:
        ((image, label),) = step.labels.items()
        text = f"{word}: {image_name(image)} is {LABEL_WORDS[label]} again."
    elif not step.image_ids:
        text = f"Nothing of this is left to {'redo' if is_redo else 'undo'}: {step.what}."
    if step.kept:
        text += f" {plural(step.kept, 'image')} left: changed again since."
    if step.gone:
        text += f" {plural(step.gone, 'image')} no longer in the project."
    return text


def _step(session: Session, reader: str, is_redo: bool) -> Step:
    one_act_at_a_time(session)
    act = acts.next_act(session, reader, is_redo)
    if act is None:
        return Step()
    subject = Subject(act.subject)
    if subject is Subject.IMPORT:
        return Step(subject, act.what, act.acted_at, import_id=act.batch or 0)
    labels: Mapping[int, Label] = {}
    if subject is Subject.DECISIONS:
        labels, kept = decisions.reverse(session, act.batch or 0, act.reader, reader, is_redo)
        found = Reversed(tuple(labels), kept)
    elif subject is Subject.REGIONS:
        found = Reversed(regions.reverse(session, act.batch or 0, reader, is_redo))
    else:
        found = image_changes.reverse(session, act.changes, is_redo)
    acts.record_step(session, reader, act, is_redo)
    return Step(
        subject,
        act.what,
        act.acted_at,
        found.changed,
        found.kept,
        found.gone,
        labels,
        _reading(act) if subject is Subject.READING else 0,
    )


def _reading(act: Act) -> int:
    ((name, *_),) = json.loads(act.changes)
    return int(name.partition(":")[2])
