"""Readers' decisions on unlabeled images: append-only, undo and redo append too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from amae_engine.catalog.audit import require_reader
from amae_engine.catalog.chain import one_act_at_a_time
from amae_engine.catalog.chunks import chunks, id_chunks
from amae_engine.catalog.tables import Image, Label, LabelDecision
from amae_engine.catalog.undo_stacks import stacks


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


CONFIRM, CONSENSUS = "confirm", "consensus"
_AND = " + "  # between the names of a consensus
RANDOM = "random"  # the one order that makes checked images a fair sample


@dataclass(frozen=True, slots=True)
class Step:
    """What an undo or a redo did.

    Attributes:
        changed: Images whose label changed.
        kept: Images left as they are, because another reader decided on them since.
        labels: What each changed image is now.
    """

    changed: int
    kept: int
    labels: Mapping[int, Label] = field(default_factory=dict)


def decide(
    session: Session,
    image_ids: Sequence[int],
    labels: Label | Sequence[Label],
    reader: str,
    run_id: int | None = None,
    kind: str = "decide",
    offer: Offer = Offer(),
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
    return _append(session, changes, reader, kind, run_id, offer=offer) if changes else 0


@dataclass(frozen=True, slots=True)
class Standing:
    """The decision that an image has: its label, and whose it is."""

    label: Label
    reader: str


def standing(session: Session, image_ids: Sequence[int]) -> dict[int, Standing]:
    """The decisions that images have now, by image; images without one are left out."""
    newest = _newest(session, image_ids)
    return {image: Standing(label, reader) for image, label, reader in newest}


def decide_undisputed(
    session: Session,
    image_ids: Sequence[int],
    label: Label,
    reader: str,
    run_id: int | None = None,
    offer: Offer = Offer(),
) -> dict[int, Standing]:
    """Decide on those images that have no other decision, in one act.

    Another decision stays, whoever's it is; a reader may take back an own one.

    Args:
        session: Open session.
        image_ids: The images.
        label: The reader's; `NONE` takes decisions back.
        reader: Who decides.
        run_id: The stage-1 run whose pseudo-labels were on screen.
        offer: How the images were offered.

    Returns:
        The decisions that stay, by image.

    Raises:
        BadInput: The reader has no name.
    """
    require_reader(reader, "A decision")
    one_act_at_a_time(session)
    kept = {
        image: found
        for image, found in standing(session, image_ids).items()
        if found.label is not label and not (label is Label.NONE and found.reader == reader)
    }
    free = [image for image in image_ids if image not in kept]
    if free:
        decide(session, free, label, reader, run_id, offer=offer)
    return kept


def current(
    session: Session, image_ids: Sequence[int] | None = None, until: str = ""
) -> dict[int, Label]:
    """The newest decision of each image that has one; undone ones are left out.

    Args:
        session: Open session.
        image_ids: Of these images; None for all.
        until: As it was at a time (ISO 8601, UTC); "" for now.
    """
    return {image: label for image, label, _ in _newest(session, image_ids, until)}


def _newest(
    session: Session, image_ids: Sequence[int] | None, until: str = ""
) -> Iterator[tuple[int, Label, str]]:
    """Image, label and reader of each newest decision that is not undone."""
    newest = select(func.max(LabelDecision.id)).group_by(LabelDecision.image_id)
    if until:
        newest = newest.where(LabelDecision.decided_at <= until)
    every: Iterable[list[int] | None] = [None] if image_ids is None else id_chunks(image_ids)
    labels = {str(label): label for label in Label}
    for some in every:
        last = newest if some is None else newest.where(LabelDecision.image_id.in_(some))
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


def undo(session: Session, reader: str) -> Step:
    """Reverse the reader's last act that is not yet undone; see `Step`."""
    return _step(session, reader, "undo")


def redo(session: Session, reader: str) -> Step:
    """Repeat the act that the reader undid last; see `Step`."""
    return _step(session, reader, "redo")


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
    offer: Offer = Offer(),
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


def _is_of(reader: str) -> ColumnElement[bool]:
    """A reader's own decisions, and the consensus that the reader has a part in."""
    names = LabelDecision.reader
    together = names.startswith(f"{reader}{_AND}", autoescape=True) | names.endswith(
        f"{_AND}{reader}", autoescape=True
    )
    return (names == reader) | ((LabelDecision.kind == CONSENSUS) & together)


def both(first: str, second: str) -> str:
    """Whose a consensus is."""
    return f"{first}{_AND}{second}"[:64]


def _acts(session: Session, reader: str) -> list[tuple[int, str, int | None]]:
    """The reader's acts, oldest first, as (batch, kind, the batch that it reverts)."""
    query = (
        select(LabelDecision.batch, func.min(LabelDecision.kind), func.min(LabelDecision.reverts))
        .where(_is_of(reader))
        .group_by(LabelDecision.batch)
        .order_by(LabelDecision.batch)
    )
    return [(batch, kind, reverts) for batch, kind, reverts in session.execute(query)]


def _step(session: Session, reader: str, kind: str) -> Step:
    """Append the reverse ("undo") or the repetition ("redo") of an act."""
    one_act_at_a_time(session)
    done, undone = stacks(_acts(session, reader))
    kept = 0
    for act in reversed(done if kind == "undo" else undone):
        # two readers may act at the same moment under one number
        query = select(LabelDecision).where(LabelDecision.batch == act, _is_of(reader))
        about = {d.image_id: d for d in session.scalars(query)}
        others = _decided_by_others_since(session, about, reader)
        kept += len(others)
        free = [d for image_id, d in about.items() if image_id not in others]
        if not free:
            continue
        now_is = current(session, [d.image_id for d in free])
        changes = [
            (
                d.image_id,
                now_is.get(d.image_id, Label.NONE),
                Label(d.before if kind == "undo" else d.after),
            )
            for d in free
        ]
        _append(session, changes, reader, kind, free[0].run_id, reverts=act)
        return Step(len(changes), kept, {image: after for image, _, after in changes})
    return Step(0, kept)


def _decided_by_others_since(
    session: Session, about: Mapping[int, LabelDecision], reader: str
) -> set[int]:
    """Images that another reader decided on after these decisions."""
    found: set[int] = set()
    for some in chunks(list(about)):
        newest = (
            select(LabelDecision.image_id, func.max(LabelDecision.id))
            .where(LabelDecision.image_id.in_(some), LabelDecision.reader != reader)
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
