"""Networks, and nothing but networks: no file, no catalog, no training."""
