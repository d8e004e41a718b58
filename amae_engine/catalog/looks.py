"""What was ever seen of the test images: their truth, and how a score is judged by it.

Kept an image and a subject: by whom it was seen first, when, and where. So a lock cannot claim that
test images were closed whose truth another run, a list or an export had shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from amae_engine.catalog.chunks import id_chunks
from amae_engine.catalog.filters import keys_of
from amae_engine.catalog.tables import Audit, Image, Split, TestLook, now
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady

TRUTH = "truth"
SEAL, OPEN = "seal_test", "open_test"  # acts in the audit
_TESTED_ON = and_(
    Image.split == Split.TEST,
    Image.is_validation.is_(False),
    Image.truth.is_not(None),
    Image.removed_at.is_(None),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of some test images before a moment.

    Attributes:
        subject: `TRUTH`, or the score that was judged.
        images: Of how many.
        at, reader, where: The first look.
    """

    subject: str
    images: int
    at: str
    reader: str
    where: str

    @property
    def text(self) -> str:
        """For the reader: "the truth of 12 images (Studies, BB, 2026-11-30 10:12)"."""
        is_truth = self.subject == TRUTH
        what = "the truth" if is_truth else f"'{ScoreKind(self.subject).label}' judged"
        who = f", {self.reader}" if self.reader else ""
        when = self.at[:16].replace("T", " ")
        on = "of" if is_truth else "on"
        return f"{what} {on} {self.images} images ({self.where}{who}, {when})"


def is_sealed(session: Session) -> bool:
    """Whether the truth of the test images is closed to every reader."""
    query = select(Audit.act).where(Audit.act.in_((SEAL, OPEN))).order_by(Audit.id.desc()).limit(1)
    return session.scalar(query) == SEAL


def require_open(session: Session, what: str) -> None:
    """Go on only where the truth of the test images may be shown.

    Args:
        session: Of the catalog.
        what: Was asked for, for the message: "The report".

    Raises:
        NotReady: They are sealed.
    """
    if is_sealed(session):
        raise NotReady(
            f"{what} would show the truth of the test images, and they are sealed: choose an "
            f"operating point on the validation images and lock it (Results, or `amae "
            f"operating-point`); that opens them."
        )


def note(
    session: Session, ids: Sequence[int], subjects: Sequence[str], reader: str, where: str
) -> None:
    """Note who sees what of test images whose truth is known; only a first look counts.

    Nothing is noted where the catalog can only be read.
    """
    if session.info.get("only_reading"):
        return
    is_server = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert if is_server else sqlite.insert
    for wanted in id_chunks(ids):
        known = list(session.scalars(
            select(Image.id).where(
                Image.id.in_(wanted), Image.split == Split.TEST, Image.truth.is_not(None))
        ))  # fmt: skip
        for subject in subjects:
            had = select(TestLook.image_id).where(
                TestLook.image_id.in_(known), TestLook.subject == subject
            )
            new = sorted({*known} - {*session.scalars(had)})
            rows = [
                {"image_id": i, "subject": str(subject), "seen_at": now(), "reader": reader,
                 "place": where}
                for i in new
            ]  # fmt: skip
            if rows:
                session.execute(insert(TestLook).on_conflict_do_nothing(), rows)


def note_all(session: Session, subjects: Sequence[str], reader: str, where: str) -> None:
    """The same of every test image."""
    note(
        session, list(session.scalars(select(Image.id).where(_TESTED_ON))), subjects, reader, where
    )


def note_list(session: Session, filter_text: str, sort: str, reader: str, where: str) -> None:
    """A list that is chosen or sorted by truth tells it of every test image.

    Raises:
        NotReady: The test images are sealed.
    """
    if sort == TRUTH or TRUTH in keys_of(filter_text):
        require_open(session, "A list by truth")
        note_all(session, [TRUTH], reader, where)


def seen(session: Session) -> tuple[Seen, ...]:
    """What was seen so far of the images that are tested on, the earliest first."""
    own = select(TestLook).join(Image, Image.id == TestLook.image_id).where(_TESTED_ON)
    counts = (
        own.with_only_columns(TestLook.subject, func.count(), func.min(TestLook.seen_at))
        .group_by(TestLook.subject)
        .order_by(func.min(TestLook.seen_at))
    )
    found = []
    for subject, images, at in session.execute(counts).all():
        first = session.scalars(
            own.where(TestLook.subject == subject, TestLook.seen_at == at).limit(1)
        ).one()
        found.append(Seen(subject, images, at, first.reader, first.place))
    return tuple(found)


def tested_on(session: Session) -> int:
    """How many test images with known truth there are to see anything of."""
    return session.scalar(select(func.count()).select_from(Image).where(_TESTED_ON)) or 0


def written(found: Sequence[Seen]) -> str:
    """For the catalog."""
    return json.dumps([asdict(each) for each in found])


def read(text: str) -> tuple[Seen, ...]:
    """What `written` made."""
    return tuple(Seen(**each) for each in json.loads(text))
