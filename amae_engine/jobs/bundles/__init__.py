"""Results that leave the program and come back: bundles without pixels, shared copies."""
