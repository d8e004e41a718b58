"""where migrations begin: a new catalog is made from the tables at once, an older one is refused

Revision ID: 0008
Revises:
"""

revision = "0008"
down_revision = None


def upgrade() -> None:
    """There is nothing before it."""
