"""What should run, what it needs, and when."""
