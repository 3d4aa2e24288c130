"""Latency of a network string from a table of what primitive layers take on one machine."""
