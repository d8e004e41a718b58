"""a queue of jobs that survives the window, and runs that belong to an experiment

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    grid = sa.Column("experiment", sa.String(64), nullable=False, server_default="")
    op.add_column("run", grid)
    op.create_table(
        "queue_job",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("experiment", sa.String(64), nullable=False, index=True),
        sa.Column("title", sa.String(128), nullable=False),
        sa.Column("reads", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, index=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("job", sa.String(16), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("needs", sa.Integer(), sa.ForeignKey("queue_job.id"), nullable=True),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("run.id"), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("finished_at", sa.String(32), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("queue_job")
    op.drop_column("run", "experiment")
