"""Tables of one machine and one setting put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plainnet.errors import UsageError
from plainnet.profiler.lut.table_file import LutTable, read_table, write_table

__all__ = ["merge"]


def merge(paths: Sequence[Path], out: Path) -> LutTable:
    """Write the networks of all tables as one; a network that stands in several keeps all its times. Checks are left behind.

    `UsageError` where machines or settings differ.
    """
    tables = [read_table(path) for path in paths]
    first = tables[0]
    for other in tables[1:]:
        differences = first.header.machine.differences(other.header.machine)
        if differences or first.header.setting != other.header.setting:
            why = "; ".join(differences) or "what they hold for differs (`plainnet lut info` shows it)"
            raise UsageError(f"{first.path} and {other.path} are no tables of one machine and setting: {why}")
    write_table(out, first.header, [timed for table in tables for timed in table.timed])
    return read_table(out)
