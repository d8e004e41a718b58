"""facts for subgroups, validation images, locked operating points

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TEXTS = (("sex", 1), ("age_band", 8), ("findings", 128))


def upgrade() -> None:
    for name, length in _TEXTS:
        column = sa.Column(name, sa.String(length), nullable=False, server_default="")
        op.add_column("image", column)
    chosen_by: sa.Column[bool] = sa.Column(
        "is_validation", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("image", chosen_by)
    op.create_table(
        "locked_point",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("run.id"), nullable=False, index=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("rule", sa.String(16), nullable=False),
        sa.Column("target", sa.Double(), nullable=False),
        sa.Column("prevalence", sa.Double(), nullable=False),
        sa.Column("chosen_on", sa.String(256), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("locked_at", sa.String(32), nullable=False),
        sa.Column("seen_before", sa.String(32), nullable=False, server_default=""),
    )


def downgrade() -> None:
    op.drop_table("locked_point")
    op.drop_column("image", "is_validation")
    for name, _ in _TEXTS:
        op.drop_column("image", name)
