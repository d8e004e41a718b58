"""What readers decide and mark."""
