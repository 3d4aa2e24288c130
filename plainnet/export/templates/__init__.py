"""Files of exported folders that are the same for every network."""
