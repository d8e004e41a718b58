"""Tests; `python -m tests.robustness` and `python -m tests.benchmarks` run from a checkout."""
