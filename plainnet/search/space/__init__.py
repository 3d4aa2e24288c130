"""Spaces as data: what may change in a network, and what must hold."""
