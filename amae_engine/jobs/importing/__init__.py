"""Bring images in: from files, tables, archives and a PACS."""
