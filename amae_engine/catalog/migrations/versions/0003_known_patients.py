"""whether an image's patient is known, and which act an undo reverts

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SHOWN = sa.text("removed_at IS NULL")


def upgrade() -> None:
    # older rows do not tell a patient's number from a stand-in: they count as unknown
    op.add_column(
        "image", sa.Column("patient_known", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_image_split_known_shown",
        "image",
        ["split", "patient_known"],
        sqlite_where=_SHOWN,
        postgresql_where=_SHOWN,
    )
    op.add_column("label_decision", sa.Column("reverts", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("label_decision", "reverts")
    op.drop_index("ix_image_split_known_shown", table_name="image")
    op.drop_column("image", "patient_known")
