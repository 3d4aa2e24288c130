"""Devices and processes: how several work on one model, and how they end."""
