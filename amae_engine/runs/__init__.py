"""One owner of a run: its life, its inputs, the machine it ran on, its maps."""
