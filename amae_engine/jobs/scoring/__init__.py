"""Scores and maps of images."""
