"""The report of a score run: what was done, on what, and what came of it."""
