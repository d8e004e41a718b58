"""Every decision as a row that another copy of the project can take over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from amae_engine.catalog.chain import one_act_at_a_time
from amae_engine.catalog.chunks import chunks
from amae_engine.catalog.tables import Image, Label, LabelDecision, Run


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One decision; `image_key` is the keyed hash of the image's pixels, the same in every copy."""

    image: str
    image_key: str
    reader: str
    decided_at: str
    run: int | None
    before: Label
    after: Label
    kind: str
    act: int
    reverts: int | None
    offered: str
    truth_shown: bool


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What came of lines from another copy.

    Attributes:
        added: New here.
        known: Here already.
        no_image: Keys of images that this project does not have.
        no_run: Numbers of runs that this project does not have; these decisions name none.
        kept: Images whose later decision here still stands.
    """

    added: int
    known: int
    no_image: tuple[str, ...]
    no_run: tuple[int, ...]
    kept: int


def all_lines(session: Session) -> list[DecisionLine]:
    """Every decision, oldest first."""
    query = (
        select(LabelDecision, Image.name, Image.pixel_hash)
        .join(Image, Image.id == LabelDecision.image_id)
        .order_by(LabelDecision.id)
    )
    return [
        DecisionLine(
            name,
            key,
            row.reader,
            row.decided_at,
            row.run_id,
            Label(row.before),
            Label(row.after),
            row.kind,
            row.batch,
            row.reverts,
            row.offered,
            row.truth_shown,
        )
        for row, name, key in session.execute(query)
    ]


def take_over(session: Session, lines: Sequence[DecisionLine]) -> TakenOver:
    """Add decisions of another copy, in their order; those that are here are not doubled.

    Where a reader has decided here later than the last of them, that decision stands.
    """
    one_act_at_a_time(session)
    ids = _image_ids(session, [line.image_key for line in lines])
    runs = set(session.scalars(select(Run.id)))
    here = {_sameness(line) for line in all_lines(session)}
    mine = [line for line in lines if line.image_key in ids]
    unknown = {_sameness(line): line for line in mine if _sameness(line) not in here}
    new = list(unknown.values())  # a line that stands twice is taken once
    current = _current(session, {ids[line.image_key] for line in new})
    acts = _acts(session, new, {line.act for line in lines} - {line.act for line in new})
    session.add_all(
        LabelDecision(
            image_id=ids[line.image_key],
            reader=line.reader,
            decided_at=line.decided_at,
            run_id=line.run if line.run in runs else None,
            before=line.before,
            after=line.after,
            kind=line.kind,
            batch=acts[(line.reader, line.act)],
            reverts=None
            if line.reverts is None
            else acts.get((line.reader, line.reverts), line.reverts),
            offered=line.offered,
            truth_shown=line.truth_shown,
        )
        for line in new
    )
    session.flush()
    kept = _keep_later(session, new, ids, current)
    return TakenOver(
        len(new),
        len(mine) - len(new),
        tuple(sorted({line.image_key for line in lines if line.image_key not in ids})),
        tuple(sorted({line.run for line in new if line.run is not None and line.run not in runs})),
        kept,
    )


def _sameness(line: DecisionLine) -> tuple[str, str, str, str, str, str]:
    return (line.image_key, line.reader, line.decided_at, line.before, line.after, line.kind)


def _image_ids(session: Session, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(list(dict.fromkeys(keys))):
        query = select(Image.pixel_hash, Image.id).where(Image.pixel_hash.in_(some))
        found.update((key, image_id) for key, image_id in session.execute(query))
    return found


def _acts(
    session: Session, new: Sequence[DecisionLine], partly_here: set[int]
) -> dict[tuple[str, int], int]:
    """The numbers of the acts here: their own, unless another act has it."""
    taken = set(session.scalars(select(LabelDecision.batch).distinct()))
    highest = max([0, *taken, *(line.act for line in new)])
    numbers: dict[tuple[str, int], int] = {}
    for line in new:
        act = (line.reader, line.act)
        if act in numbers:
            continue
        is_free = line.act not in taken or line.act in partly_here
        highest += not is_free
        numbers[act] = line.act if is_free else highest
    return numbers


def _current(session: Session, image_ids: set[int]) -> dict[int, LabelDecision]:
    """The newest decision here on each image."""
    newest = select(func.max(LabelDecision.id)).group_by(LabelDecision.image_id)
    found: dict[int, LabelDecision] = {}
    for some in chunks(sorted(image_ids)):
        chosen = LabelDecision.image_id.in_(some)
        query = select(LabelDecision).where(LabelDecision.id.in_(newest.where(chosen)))
        found |= {row.image_id: row for row in session.scalars(query)}
    return found


def _keep_later(
    session: Session,
    new: Sequence[DecisionLine],
    ids: dict[str, int],
    current: dict[int, LabelDecision],
) -> int:
    """Say again what a reader decided here after the newest line; on how many images."""
    last = {ids[line.image_key]: line for line in new}
    later = {i: d for i, d in current.items() if d.decided_at > last[i].decided_at}
    act = (session.scalar(select(func.max(LabelDecision.batch))) or 0) + 1
    session.add_all(
        LabelDecision(
            image_id=image_id,
            reader=row.reader,
            decided_at=row.decided_at,
            run_id=row.run_id,
            before=last[image_id].after,
            after=row.after,
            kind="kept",
            batch=act,
            reverts=None,
            offered=row.offered,
            truth_shown=row.truth_shown,
        )
        for image_id, row in later.items()
    )
    session.flush()
    return len(later)
