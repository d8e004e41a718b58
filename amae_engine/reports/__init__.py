"""Results in a form that a colleague without the program can read."""
