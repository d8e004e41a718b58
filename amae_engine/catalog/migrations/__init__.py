"""Alembic's migrations of the catalog, run by `database.Catalog`."""
