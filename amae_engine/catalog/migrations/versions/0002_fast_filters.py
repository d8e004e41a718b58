"""indexes over the films that are shown, one for every filter and order

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_REPLACED = ("added_at", "patient_id", "source", "split_id", "truth", "view")
_SHOWN = sa.text("removed_at IS NULL")
_FLAGGED = sa.text("removed_at IS NULL AND flags <> ''")
_ADDED = (
    ("split", ["split", "id"]),
    ("truth", ["truth", "id"]),
    ("source", ["source", "id"]),
    ("view", ["view", "id"]),
    ("rows", ["rows", "id"]),
    ("added_at", ["added_at", "id"]),
    ("patient_id", ["patient_id", "id"]),
    ("patient_split", ["patient_id", "split"]),
    ("split_truth", ["split", "truth"]),
    ("flags", ["flags", "id"]),
)


def upgrade() -> None:
    for name in _REPLACED:
        op.drop_index(f"ix_image_{name}", table_name="image")
    for name, columns in _ADDED:
        where = _FLAGGED if name == "flags" else _SHOWN
        op.create_index(
            f"ix_image_{name}_shown",
            "image",
            columns,
            sqlite_where=where,
            postgresql_where=where,
        )
    op.create_index("ix_image_shown", "image", ["id"], sqlite_where=_SHOWN, postgresql_where=_SHOWN)


def downgrade() -> None:
    op.drop_index("ix_image_shown", table_name="image")
    for name, _ in _ADDED:
        op.drop_index(f"ix_image_{name}_shown", table_name="image")
    op.create_index("ix_image_split_id", "image", ["split", "id"])
    for name in ("added_at", "patient_id", "source", "truth", "view"):
        op.create_index(f"ix_image_{name}", "image", [name])
