"""`amae selftest`: the program kills, damages and crowds itself, and counts what is left."""
