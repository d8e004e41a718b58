"""The catalog's tables. No row holds a name, a date of birth, a number or a path of a patient."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Split(StrEnum):
    """The role of an image in the method."""

    NORMAL = "normal"  # T_n
    UNLABELED = "unlabeled"  # T_u
    TEST = "test"  # T_test


class Label(StrEnum):
    """What a reader decided about an unlabeled image."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    EXCLUDE = "exclude"
    NONE = ""  # no decision, or an undone one


class Held(StrEnum):
    """What becomes of an image that looks unlike a frontal chest; it is in no split meanwhile."""

    NO = ""
    WAITING = "waiting"  # for the reader to let it in or leave it out
    LEFT_OUT = "left out"


class RunKind(StrEnum):
    """What a run computes."""

    PRETRAIN = "pretrain"
    STAGE1 = "stage1"
    STAGE2 = "stage2"
    SCORE = "score"
    PEER = "peer"  # a method that AMAE is compared with; trained and scored in one run
    MODEL = "model"  # images that a model file has rated


JUDGED = (RunKind.SCORE, RunKind.PEER, RunKind.MODEL)  # have scores of test images


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # its process died; it can be resumed


class Base(DeclarativeBase):
    """Named constraints, so that migrations can change them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def now() -> str:
    """The time in UTC as ISO 8601 text, which sorts on every database."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Patient(Base):
    """A person, known by a keyed hash alone."""

    __tablename__ = "patient"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)


class Study(Base):
    """One examination of a patient."""

    __tablename__ = "study"
    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"), index=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)


_NOT_REMOVED = text("removed_at IS NULL")
_SHOWN: dict[str, Any] = {"sqlite_where": _NOT_REMOVED, "postgresql_where": _NOT_REMOVED}
_HAS_FLAGS = text("removed_at IS NULL AND flags <> ''")
_FLAGGED: dict[str, Any] = {"sqlite_where": _HAS_FLAGS, "postgresql_where": _HAS_FLAGS}


def _shown(column: str) -> Index:
    return Index(f"ix_image_{column}_shown", column, "id", **_SHOWN)


class Image(Base):
    """One image: its role, and the facts of its file that say nothing about the person."""

    __tablename__ = "image"
    __table_args__ = (
        CheckConstraint("split IN ('normal', 'unlabeled', 'test')", name="split_known"),
        CheckConstraint("truth IS NULL OR truth IN (0, 1)", name="truth_binary"),
        # images that are shown, in every order that the table offers: each index holds all that its
        # filter or sort reads, so that a million images stay under a tenth of a second
        *(_shown(column) for column in ("split", "truth", "source", "view", "rows", "added_at")),
        _shown("patient_id"),
        Index("ix_image_shown", "id", **_SHOWN),
        Index("ix_image_patient_split_shown", "patient_id", "split", **_SHOWN),
        Index("ix_image_split_truth_shown", "split", "truth", **_SHOWN),
        Index("ix_image_split_known_shown", "split", "patient_known", **_SHOWN),
        Index("ix_image_flags_shown", "flags", "id", **_FLAGGED),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(32), unique=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"))
    # False: nothing said who the patient is, and the image counts as a patient of its own
    patient_known: Mapped[bool] = mapped_column(default=False, server_default=false())
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    split: Mapped[str] = mapped_column(String(16))
    truth: Mapped[int | None]
    source: Mapped[str] = mapped_column(String(64))
    sop_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    pixel_hash: Mapped[str] = mapped_column(String(64), unique=True)
    store_row: Mapped[int] = mapped_column(unique=True)
    rows: Mapped[int]
    columns: Mapped[int]
    bits_stored: Mapped[int]
    photometric: Mapped[str] = mapped_column(String(32))
    modality: Mapped[str] = mapped_column(String(16))
    view: Mapped[str] = mapped_column(String(16))
    body_part: Mapped[str] = mapped_column(String(32))
    transfer_syntax: Mapped[str] = mapped_column(String(64))
    pixel_spacing_mm: Mapped[float | None]  # from one row to the next
    column_spacing_mm: Mapped[float | None]
    spacing_tag: Mapped[str] = mapped_column(String(32), default="", server_default="")
    # of the person, for subgroups: coarse, and never free text
    sex: Mapped[str] = mapped_column(String(1), default="", server_default="")
    age_band: Mapped[str] = mapped_column(String(8), default="", server_default="")
    findings: Mapped[str] = mapped_column(String(128), default="", server_default="")
    # a test image that thresholds are chosen by, so that it is not tested on
    is_validation: Mapped[bool] = mapped_column(default=False, server_default=false())
    flags: Mapped[str] = mapped_column(String(256))
    added_at: Mapped[str] = mapped_column(String(32), default=now)
    removed_at: Mapped[str | None] = mapped_column(String(32))  # also set while it is held back
    held: Mapped[str] = mapped_column(String(16), default="", server_default="", index=True)


class LabelDecision(Base):
    """One reader's act on one unlabeled image; appended, never changed."""

    __tablename__ = "label_decision"
    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), index=True)
    reader: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[str] = mapped_column(String(32), default=now)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    before: Mapped[str] = mapped_column(String(16))
    after: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(16))
    batch: Mapped[int] = mapped_column(index=True)
    reverts: Mapped[int | None]  # the batch that an undo or a redo is about
    # how the image came before the reader's eyes: in which order, and whether with its hidden truth
    offered: Mapped[str] = mapped_column(String(32), default="", server_default="")
    truth_shown: Mapped[bool] = mapped_column(default=False, server_default=false())


class LockedPoint(Base):
    """An operating point that a reader fixed before the test images were opened."""

    __tablename__ = "locked_point"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    threshold: Mapped[float]
    rule: Mapped[str] = mapped_column(String(16))
    target: Mapped[float]
    prevalence: Mapped[float]
    chosen_on: Mapped[str] = mapped_column(String(256))
    reader: Mapped[str] = mapped_column(String(64))
    locked_at: Mapped[str] = mapped_column(String(32), default=now)
    # "" where the test images were not opened before; else when they were
    seen_before: Mapped[str] = mapped_column(String(32), default="", server_default="")
    # what had been seen by then, as JSON; "" where looks were kept a run
    seen: Mapped[str] = mapped_column(Text, default="", server_default="")


class TestLook(Base):
    """The first time that the truth of a test image, or a score judged by it, was shown."""

    __tablename__ = "test_look"
    __test__ = False  # nothing for pytest
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(String(32), primary_key=True)
    seen_at: Mapped[str] = mapped_column(String(32))
    reader: Mapped[str] = mapped_column(String(64))
    place: Mapped[str] = mapped_column(String(64))


class ImageTag(Base):
    """A word that readers gave an image."""

    __tablename__ = "image_tag"
    __table_args__ = (Index("ix_image_tag_tag", "tag", "image_id"),)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(32), primary_key=True)


class SavedFilter(Base):
    """A filter text with a name, for every reader of the project."""

    __tablename__ = "saved_filter"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    text: Mapped[str] = mapped_column(String(256))


class Run(Base):
    """One computation; its folder holds the truth, this row the index."""

    __tablename__ = "run"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    config: Mapped[str] = mapped_column(Text)
    epoch: Mapped[int] = mapped_column(default=0)
    epochs: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[str] = mapped_column(String(32), default=now)
    finished_at: Mapped[str | None] = mapped_column(String(32))
    heartbeat_at: Mapped[str] = mapped_column(String(32), default=now)
    error: Mapped[str] = mapped_column(Text, default="")
    # of a grid of runs; such a run is never the newest one that the next step builds on
    experiment: Mapped[str] = mapped_column(String(64), default="", server_default="")


class QueueState(StrEnum):
    """Where a queued job stands."""

    WAITING = "waiting"
    PAUSED = "paused"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DROPPED = "dropped"  # what it builds on failed or was cancelled


class QueueJob(Base):
    """A job that a worker takes; it survives the window."""

    __tablename__ = "queue_job"
    id: Mapped[int] = mapped_column(primary_key=True)
    experiment: Mapped[str] = mapped_column(String(64), index=True)
    title: Mapped[str] = mapped_column(String(128))
    reads: Mapped[str] = mapped_column(Text, default="")  # the cells of a table that it fills
    position: Mapped[int] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(String(16))
    job: Mapped[str] = mapped_column(String(16))
    config: Mapped[str] = mapped_column(Text)
    needs: Mapped[int | None] = mapped_column(ForeignKey("queue_job.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    error: Mapped[str] = mapped_column(Text, default="")
    started_at: Mapped[str] = mapped_column(String(32), default="")
    finished_at: Mapped[str] = mapped_column(String(32), default="")


class Score(Base):
    """One anomaly score of one image by one run."""

    __tablename__ = "score"
    __table_args__ = (Index("ix_score_run_kind_value", "run_id", "kind", "value"),)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    value: Mapped[float]


class Audit(Base):
    """What a reader did that is not a label: imports, split changes, removals."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(String(32), default=now)
    reader: Mapped[str] = mapped_column(String(64))
    act: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(Text)


class Act(Base):
    """One act of a reader, its undoing or its repetition; appended, never changed."""

    __tablename__ = "act"
    id: Mapped[int] = mapped_column(primary_key=True)
    acted_at: Mapped[str] = mapped_column(String(32), default=now)
    reader: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(16))
    what: Mapped[str] = mapped_column(String(200))  # in words
    batch: Mapped[int | None]  # its number in the subject's own table
    changes: Mapped[str] = mapped_column(Text)  # JSON, where the subject has no table of its own
    reverts: Mapped[int | None] = mapped_column(index=True)  # the act that is undone or redone


class ChainLink(Base):
    """One row of a chained table: its digest covers the row and the writer's link before."""

    __tablename__ = "chain_link"
    __table_args__ = (UniqueConstraint("writer", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    writer: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]
    table_name: Mapped[str] = mapped_column(String(32))
    row_id: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
