"""the log of acts, begun with the decisions and the regions that are there

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_ACT = sa.table(
    "act",
    *(sa.column(name, sa.Integer) for name in ("id", "batch", "reverts")),
    *(
        sa.column(name, sa.String)
        for name in ("acted_at", "reader", "kind", "subject", "what", "changes")
    ),
)


def upgrade() -> None:
    """One act for each batch, in the order of their times."""
    op.create_table(
        "act",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("acted_at", sa.String(32), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(16), nullable=False),
        sa.Column("what", sa.String(200), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=True),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("reverts", sa.Integer(), nullable=True),
    )
    op.create_index("ix_act_reader", "act", ["reader"])
    op.create_index("ix_act_reverts", "act", ["reverts"])
    numbers: dict[tuple[str, int], int] = {}
    rows = []
    for number, (subject, batch, reader, at, kind, reverts, size) in enumerate(_batches(), 1):
        # the first ones took the newest always
        about = None if kind not in ("undo", "redo") else numbers.get((subject, reverts or 0))
        if kind in ("undo", "redo") and about is None:
            continue
        numbers[(subject, batch)] = number
        noun = "decision" if subject == "decisions" else "region"
        rows.append(
            {
                "id": number,
                "acted_at": at,
                "reader": reader,
                "kind": "do" if about is None else kind,
                "subject": subject,
                "what": f"{size} {noun}{'' if size == 1 else 's'}",
                "batch": batch,
                "changes": "",
                "reverts": about,
            }
        )
    op.bulk_insert(_ACT, rows)
    if rows and op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT setval(pg_get_serial_sequence('act', 'id'), (SELECT max(id) FROM act))")


def _batches() -> list[tuple[str, int, str, str, str, int | None, int]]:
    found = []
    for subject, table, at in (
        ("decisions", "label_decision", "decided_at"),
        ("regions", "region_act", "acted_at"),
    ):
        query = sa.text(
            f"SELECT batch, reader, min({at}), min(kind), min(reverts), count(*) FROM {table} "
            f"GROUP BY batch, reader ORDER BY batch"
        )
        found += [(subject, *row) for row in op.get_bind().execute(query)]
    return sorted(found, key=lambda row: (row[3], row[1]))
