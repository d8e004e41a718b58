"""What readers need: the original pixels, orders, second readings, decisions in and out."""
