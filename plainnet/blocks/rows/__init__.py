"""The table of rows that a network is, and what is folded over it."""
