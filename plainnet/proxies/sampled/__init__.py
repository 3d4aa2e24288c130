"""Scores that are drawn or differentiated: they build the network, or run its rows, with random weights."""
