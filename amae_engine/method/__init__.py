"""The paper, a step a file."""
