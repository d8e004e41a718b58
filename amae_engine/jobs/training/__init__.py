"""Starting weights, stage 1, pseudo-labels, stage 2, and the methods that AMAE is compared with."""
