"""Scores and maps of the test images, how good they are, and exports."""
