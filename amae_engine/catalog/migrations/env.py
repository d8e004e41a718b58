"""Alembic's entry: runs in the transaction that the open catalog hands over."""

from alembic import context

from amae_engine.catalog import reading_tables  # noqa: F401 - its tables belong to the metadata
from amae_engine.catalog.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
