"""Workspace 4: test images with their maps, curves and operating point."""
