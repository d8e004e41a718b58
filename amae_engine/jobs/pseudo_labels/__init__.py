"""How the unlabeled images are rated, labelled and offered."""
