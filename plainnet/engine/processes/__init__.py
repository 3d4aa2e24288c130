"""Devices and processes: how several work on one model, what they say to each other, and how they end."""

from plainnet.engine.processes.collectives import abort, barrier, broadcast, gather, main_process
from plainnet.engine.processes.process_group import is_main_process, process_count, process_number

__all__ = [
    "abort",
    "barrier",
    "broadcast",
    "gather",
    "is_main_process",
    "main_process",
    "process_count",
    "process_number",
]
