"""Alembic's entry: runs on the engine that the open catalog hands over."""

from alembic import context
from sqlalchemy import create_engine

from amae_engine.catalog import reading_tables  # noqa: F401 - its tables belong to the metadata
from amae_engine.catalog.tables import Base

engine = context.config.attributes.get("engine") or create_engine(
    context.config.get_main_option("sqlalchemy.url") or "sqlite://"
)
with engine.connect() as connection:
    # all steps in one transaction, on SQLite too: what is killed meanwhile leaves the old schema
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
