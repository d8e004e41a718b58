"""first schema

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:

    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "patient",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient")),
        sa.UniqueConstraint("key", name=op.f("uq_patient_key")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("finished_at", sa.String(length=32), nullable=True),
        sa.Column("heartbeat_at", sa.String(length=32), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["run.id"], name=op.f("fk_run_parent_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_kind"), ["kind"], unique=False)
        batch_op.create_index(batch_op.f("ix_run_state"), ["state"], unique=False)

    op.create_table(
        "study",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patient.id"], name=op.f("fk_study_patient_id_patient")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("key", name=op.f("uq_study_key")),
    )
    with op.batch_alter_table("study", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_study_patient_id"), ["patient_id"], unique=False)

    op.create_table(
        "image",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("split", sa.String(length=16), nullable=False),
        sa.Column("truth", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("sop_key", sa.String(length=64), nullable=True),
        sa.Column("pixel_hash", sa.String(length=64), nullable=False),
        sa.Column("store_row", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("bits_stored", sa.Integer(), nullable=False),
        sa.Column("photometric", sa.String(length=32), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("view", sa.String(length=16), nullable=False),
        sa.Column("body_part", sa.String(length=32), nullable=False),
        sa.Column("transfer_syntax", sa.String(length=64), nullable=False),
        sa.Column("pixel_spacing_mm", sa.Double(), nullable=True),
        sa.Column("flags", sa.String(length=256), nullable=False),
        sa.Column("added_at", sa.String(length=32), nullable=False),
        sa.Column("removed_at", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "split IN ('normal', 'unlabeled', 'test')", name=op.f("ck_image_split_known")
        ),
        sa.CheckConstraint("truth IS NULL OR truth IN (0, 1)", name=op.f("ck_image_truth_binary")),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patient.id"], name=op.f("fk_image_patient_id_patient")
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_image_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint("name", name=op.f("uq_image_name")),
        sa.UniqueConstraint("pixel_hash", name=op.f("uq_image_pixel_hash")),
        sa.UniqueConstraint("sop_key", name=op.f("uq_image_sop_key")),
        sa.UniqueConstraint("store_row", name=op.f("uq_image_store_row")),
    )
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_added_at"), ["added_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_patient_id"), ["patient_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_source"), ["source"], unique=False)
        batch_op.create_index("ix_image_split_id", ["split", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_study_id"), ["study_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_truth"), ["truth"], unique=False)
        batch_op.create_index(batch_op.f("ix_image_view"), ["view"], unique=False)

    op.create_table(
        "label_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_label_decision_image_id_image")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_label_decision_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_decision")),
    )
    with op.batch_alter_table("label_decision", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_label_decision_batch"), ["batch"], unique=False)
        batch_op.create_index(batch_op.f("ix_label_decision_image_id"), ["image_id"], unique=False)

    op.create_table(
        "score",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_score_image_id_image")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_score_run_id_run")),
        sa.PrimaryKeyConstraint("run_id", "kind", "image_id", name=op.f("pk_score")),
    )
    with op.batch_alter_table("score", schema=None) as batch_op:
        batch_op.create_index("ix_score_run_kind_value", ["run_id", "kind", "value"], unique=False)


def downgrade() -> None:

    with op.batch_alter_table("score", schema=None) as batch_op:
        batch_op.drop_index("ix_score_run_kind_value")

    op.drop_table("score")
    with op.batch_alter_table("label_decision", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_label_decision_image_id"))
        batch_op.drop_index(batch_op.f("ix_label_decision_batch"))

    op.drop_table("label_decision")
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_image_view"))
        batch_op.drop_index(batch_op.f("ix_image_truth"))
        batch_op.drop_index(batch_op.f("ix_image_study_id"))
        batch_op.drop_index("ix_image_split_id")
        batch_op.drop_index(batch_op.f("ix_image_source"))
        batch_op.drop_index(batch_op.f("ix_image_patient_id"))
        batch_op.drop_index(batch_op.f("ix_image_added_at"))

    op.drop_table("image")
    with op.batch_alter_table("study", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_study_patient_id"))

    op.drop_table("study")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_state"))
        batch_op.drop_index(batch_op.f("ix_run_kind"))

    op.drop_table("run")
    op.drop_table("patient")
    op.drop_table("audit")
