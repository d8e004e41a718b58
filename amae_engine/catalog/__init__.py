"""All SQL. Functions take a session first and return frozen rows or arrays."""
