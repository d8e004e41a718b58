"""Grids of runs that fill the paper's tables and figures from the reader's own images."""
