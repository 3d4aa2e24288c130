"""Cells of published spaces: their codes, what is around a code, and the network that it means."""
