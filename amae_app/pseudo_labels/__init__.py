"""Workspace 3: check what stage 1 believes about the unlabeled images."""
