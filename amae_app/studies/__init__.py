"""Workspace 1: import and look through images."""
