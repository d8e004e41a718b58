"""Workspace 5: runs side by side."""
