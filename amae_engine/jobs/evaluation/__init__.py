"""How good scores and maps are."""
