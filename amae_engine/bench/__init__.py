"""`amae bench`: how fast this machine runs each step, against the floor and a plain loop."""
