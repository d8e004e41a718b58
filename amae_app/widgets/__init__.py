"""Widgets that take arrays and know no project."""
