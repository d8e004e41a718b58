"""Readers' decisions on unlabeled images: append-only, undo and redo append too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from amae_engine.catalog import acts
from amae_engine.catalog.acts import Subject
from amae_engine.catalog.audit import require_reader
from amae_engine.catalog.chain import one_act_at_a_time
from amae_engine.catalog.chunks import chunks, id_chunks
from amae_engine.catalog.tables import Image, Label, LabelDecision
from amae_engine.words import plural


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One reader's act on one image."""

    id: int
    image_id: int
    image_name: str
    reader: str
    decided_at: str
    before: Label
    after: Label
    kind: str
    batch: int
    offered: str
    truth_shown: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """How images came before the reader's eyes when they decided.

    Attributes:
        order: "random", "nearest a cut first", …; "" where it is not known.
        truth_shown: Whether their hidden truth was on screen.
    """

    order: str = ""
    truth_shown: bool = False


UNKNOWN_OFFER = Offer()
LABEL_WORDS = {
    Label.NORMAL: "normal",
    Label.ABNORMAL: "abnormal",
    Label.EXCLUDE: "excluded",
    Label.NONE: "undecided",
}
CONFIRM, CONSENSUS = "confirm", "consensus"
RANDOM = "random"  # the one order that makes checked images a fair sample


def decide(
    session: Session,
    image_ids: Sequence[int],
    labels: Label | Sequence[Label],
    reader: str,
    run_id: int | None = None,
    kind: str = "decide",
    offer: Offer = UNKNOWN_OFFER,
) -> int:
    """Decide on images in one act, which one undo takes back.

    Args:
        session: Open session.
        image_ids: The images.
        labels: The reader's label of all, or of each; `NONE` takes a decision back.
        reader: Who decides.
        run_id: The stage-1 run whose pseudo-labels were on screen.
        kind: "decide", "confirm" when the reader agreed with the program, "consensus" of two. To
            confirm a rating changes no decision: images that have one are left.
        offer: How the images were offered.

    Returns:
        The act's number; 0 where nothing was left to confirm.

    Raises:
        BadInput: The reader has no name.
    """
    require_reader(reader, "A decision")
    one_act_at_a_time(session)
    each = [labels] * len(image_ids) if isinstance(labels, Label) else labels
    before = current(session, image_ids)
    changes = [
        (int(i), before.get(int(i), Label.NONE), label)
        for i, label in zip(image_ids, each, strict=True)
        if kind != CONFIRM or int(i) not in before
    ]
    if not changes:
        return 0
    batch = _append(session, changes, reader, kind, run_id, offer=offer)
    acts.record(session, reader, Subject.DECISIONS, _words(changes, kind), batch)
    return batch


def current(
    session: Session, image_ids: Sequence[int] | None = None, until: str = ""
) -> dict[int, Label]:
    """The newest decision of each image that has one; undone ones are left out.

    Args:
        session: Open session.
        image_ids: Of these images; None for all.
        until: As it was at a time (ISO 8601, UTC); "" for now.
    """
    return {image: label for image, label, _ in newest(session, image_ids, until)}


def newest(
    session: Session, image_ids: Sequence[int] | None, until: str = ""
) -> Iterator[tuple[int, Label, str]]:
    """Image, label and reader of each newest decision that is not undone."""
    numbers = select(func.max(LabelDecision.id)).group_by(LabelDecision.image_id)
    if until:
        numbers = numbers.where(LabelDecision.decided_at <= until)
    every: Iterable[list[int] | None] = [None] if image_ids is None else id_chunks(image_ids)
    labels = {str(label): label for label in Label}
    for some in every:
        last = numbers if some is None else numbers.where(LabelDecision.image_id.in_(some))
        query = select(LabelDecision.image_id, LabelDecision.after, LabelDecision.reader).where(
            LabelDecision.id.in_(last), LabelDecision.after != Label.NONE
        )
        for image, after, reader in session.execute(query):
            yield image, labels[after], reader


def changed_since(session: Session, at: str) -> list[int]:
    """The images whose decision now is not the one that they had at a time (ISO 8601, UTC)."""
    since = select(LabelDecision.image_id).distinct().where(LabelDecision.decided_at > at)
    ids = sorted(session.scalars(since))
    then, now = current(session, ids, until=at), current(session, ids)
    return [i for i in ids if then.get(i) is not now.get(i)]


def images_by_reader(session: Session) -> dict[str, int]:
    """On how many images each reader has decided, whether or not it is current."""
    count = func.count(LabelDecision.image_id.distinct())
    query = select(LabelDecision.reader, count).group_by(LabelDecision.reader)
    return {row[0]: row[1] for row in session.execute(query)}


def history(session: Session, image_id: int | None = None, limit: int = 100) -> list[DecisionRow]:
    """The newest decisions, of one image or of all."""
    query = select(LabelDecision, Image.name).join(Image, Image.id == LabelDecision.image_id)
    if image_id is not None:
        query = query.where(LabelDecision.image_id == image_id)
    found = session.execute(query.order_by(LabelDecision.id.desc()).limit(limit))
    return [_row(decision, name) for decision, name in found]


def _append(
    session: Session,
    changes: list[tuple[int, Label, Label]],
    reader: str,
    kind: str,
    run_id: int | None,
    reverts: int | None = None,
    offer: Offer = UNKNOWN_OFFER,
) -> int:
    batch = (session.scalar(select(func.max(LabelDecision.batch))) or 0) + 1
    session.add_all(
        LabelDecision(
            image_id=image_id,
            reader=reader,
            run_id=run_id,
            before=before,
            after=after,
            kind=kind,
            batch=batch,
            reverts=reverts,
            offered=offer.order[:32],
            truth_shown=offer.truth_shown,
        )
        for image_id, before, after in changes
    )
    session.flush()
    return batch


def reverse(
    session: Session, batch: int, whose: str, reader: str, is_redo: bool
) -> tuple[dict[int, Label], int]:
    """Append the reverse or the repetition of an act.

    What another reader decided since is left as it is.

    Args:
        session: Open session.
        batch: The act's.
        whose: The act is.
        reader: Who undoes or redoes it.
        is_redo: Whether it is done again.

    Returns:
        What the changed images are now, and how many were left.
    """
    # two readers may have acted at the same moment under one number
    query = select(LabelDecision).where(LabelDecision.batch == batch, LabelDecision.reader == whose)
    about = {d.image_id: d for d in session.scalars(query)}
    others = _decided_by_others_since(session, about, reader)
    free = [d for image_id, d in about.items() if image_id not in others]
    now_is = current(session, [d.image_id for d in free])
    changes = [
        (
            d.image_id,
            now_is.get(d.image_id, Label.NONE),
            Label(d.after if is_redo else d.before),
        )
        for d in free
    ]
    if changes:
        kind = "redo" if is_redo else "undo"
        _append(session, changes, reader, kind, free[0].run_id, reverts=batch)
    return {image: after for image, _, after in changes}, len(others)


def _words(changes: Sequence[tuple[int, Label, Label]], kind: str) -> str:
    """A batch of decisions in words: "3 images normal"."""
    labels = " / ".join(dict.fromkeys(LABEL_WORDS[after] for _, _, after in changes))
    return f"{plural(len(changes), 'image')} {labels}" + ("" if kind == "decide" else f" ({kind})")


def _decided_by_others_since(
    session: Session, about: Mapping[int, LabelDecision], reader: str
) -> set[int]:
    """Images that another reader decided on after these decisions, of one batch.

    To undo or redo this batch itself is not to decide anew: either of two may do it.
    """
    batches = {d.batch for d in about.values()}
    found: set[int] = set()
    for some in chunks(list(about)):
        newest = (
            select(LabelDecision.image_id, func.max(LabelDecision.id))
            .where(
                LabelDecision.image_id.in_(some),
                LabelDecision.reader != reader,
                or_(LabelDecision.reverts.is_(None), LabelDecision.reverts.not_in(batches)),
            )
            .group_by(LabelDecision.image_id)
        )
        found |= {image for image, other in session.execute(newest) if other > about[image].id}
    return found


def _row(decision: LabelDecision, name: str) -> DecisionRow:
    return DecisionRow(
        id=decision.id,
        image_id=decision.image_id,
        image_name=name,
        reader=decision.reader,
        decided_at=decision.decided_at,
        before=Label(decision.before),
        after=Label(decision.after),
        kind=decision.kind,
        batch=decision.batch,
        offered=decision.offered,
        truth_shown=decision.truth_shown,
    )
