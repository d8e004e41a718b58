"""Workspace 4: test films with their maps, curves and operating point."""
