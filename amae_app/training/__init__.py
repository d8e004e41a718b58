"""Workspace 2: starting weights, stage 1, stage 2."""
