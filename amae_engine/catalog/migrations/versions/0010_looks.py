"""what was seen of each test image, begun with the runs that were looked at

Revision ID: 0010
Revises: 0009
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """A run that was opened showed the truth of the images that it has rated, and its scores judged."""
    op.create_table(
        "test_look",
        sa.Column("image_id", sa.Integer(), sa.ForeignKey("image.id"), primary_key=True),
        sa.Column("subject", sa.String(32), primary_key=True),
        sa.Column("seen_at", sa.String(32), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("place", sa.String(64), nullable=False),
    )
    op.add_column("locked_point", sa.Column("seen", sa.Text(), nullable=False, server_default=""))
    bind = op.get_bind()
    opened = bind.execute(
        sa.text("SELECT at, reader, detail FROM audit WHERE act = 'open_test' ORDER BY id")
    ).all()
    for at, reader, detail in opened:
        run = json.loads(detail)["run"]
        for subject, kinds in (("'truth'", "DISTINCT score.image_id"), ("kind", "image_id, kind")):
            columns = kinds if subject == "kind" else f"{kinds}, {subject}"
            bind.execute(
                sa.text(
                    f"INSERT INTO test_look (image_id, subject, seen_at, reader, place) "
                    f"SELECT {columns}, :at, :reader, :place FROM score "
                    f"JOIN image ON image.id = score.image_id "
                    f"WHERE run_id = :run AND image.split = 'test' AND image.truth IS NOT NULL "
                    f"ON CONFLICT DO NOTHING"
                ),
                {"at": at, "reader": reader, "place": f"run {run}", "run": run},
            )
