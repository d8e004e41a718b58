"""both axes of the spacing, images held back, blind readings, tags, saved filters

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # what AMAE 0.1 stored was the spacing of the rows; which tag said so is no longer known
    op.add_column("image", sa.Column("column_spacing_mm", sa.Double(), nullable=True))
    for table, name, length in (
        ("image", "spacing_tag", 32),
        ("image", "held", 16),
        ("label_decision", "offered", 32),
    ):
        column = sa.Column(name, sa.String(length), nullable=False, server_default="")
        op.add_column(table, column)
    op.create_index("ix_image_held", "image", ["held"])
    shown: sa.Column[bool] = sa.Column(
        "truth_shown", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("label_decision", shown)
    op.create_table(
        "reading_session",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("chosen_by", sa.String(32), nullable=False),
        sa.Column("began_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "reading_item",
        sa.Column(
            "session_id", sa.Integer(), sa.ForeignKey("reading_session.id"), primary_key=True
        ),
        sa.Column("image_id", sa.Integer(), sa.ForeignKey("image.id"), primary_key=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("first_reader", sa.String(64), nullable=False),
        sa.Column("first_label", sa.String(16), nullable=False),
    )
    op.create_table(
        "reading",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "session_id",
            sa.Integer(),
            sa.ForeignKey("reading_session.id"),
            nullable=False,
            index=True,
        ),
        sa.Column("image_id", sa.Integer(), sa.ForeignKey("image.id"), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("read_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "image_tag",
        sa.Column("image_id", sa.Integer(), sa.ForeignKey("image.id"), primary_key=True),
        sa.Column("tag", sa.String(32), primary_key=True),
    )
    op.create_index("ix_image_tag_tag", "image_tag", ["tag", "image_id"])
    op.create_table(
        "saved_filter",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("text", sa.String(256), nullable=False),
    )


def downgrade() -> None:
    for table in ("saved_filter", "image_tag", "reading", "reading_item", "reading_session"):
        op.drop_table(table)
    op.drop_column("label_decision", "truth_shown")
    op.drop_column("label_decision", "offered")
    op.drop_index("ix_image_held", table_name="image")
    for name in ("held", "spacing_tag", "column_spacing_mm"):
        op.drop_column("image", name)
