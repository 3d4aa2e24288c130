"""A local server over a folder: every search, training and stored network in it, live, read only."""
