"""A table of latencies on disk: JSON lines, the first with what it holds for, then one for each network that was timed.

    {"schema": "plainnet.lut/1", "setting": {...}, "machine": {...}, "seed": 0, "max_macs": 6e8, "source": "measured"}
    {"network": "SuperConvK3BNRELU(3,8,2,1)...", "whole_us": 24451.0, "operations": [["Norm", 112, 112, 8, 8, 45.1], ...]}
    {"check": {...}}

Lines are only added, each in one write, so a process that is killed loses what it was measuring and nothing else: a line that
broke off is passed over, and counted. Two processes may add to one table.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from plainnet.errors import RunError, UsageError, not_written
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import json_value, read_text
from plainnet.files.whole_files import write_whole
from plainnet.profiler.lut.operations import Operation
from plainnet.profiler.lut.setting import LutSetting, Machine, read_as

__all__ = [
    "LONGEST",
    "SCHEMA",
    "SHORTEST",
    "Header",
    "LutTable",
    "Timed",
    "append",
    "begin",
    "read_table",
    "write_table",
]

SCHEMA = "plainnet.lut/1"
MEASURED = "measured"


class Timed(NamedTuple):
    """A network that was timed; of an imported table operations alone, with neither text nor whole."""

    network: str | None
    whole_us: float | None
    operations: tuple[tuple[Operation, float], ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "whole_us": self.whole_us,
            "operations": [[*key, round(micros, 3)] for key, micros in self.operations],
        }


@dataclass(frozen=True)
class Header:
    """What a table holds for."""

    setting: LutSetting
    machine: Machine
    seed: int
    max_macs: float
    source: str
    """"measured", or the file that it was imported from"""

    @property
    def is_measured(self) -> bool:
        return self.source == MEASURED

    def as_dict(self) -> dict[str, Any]:
        machine = vars(self.machine)
        return {"schema": SCHEMA, **vars(self), "setting": self.setting.as_dict(), "machine": dict(machine)}


@dataclass(frozen=True)
class LutTable:
    """A table as it was read."""

    path: Path
    header: Header
    timed: tuple[Timed, ...]
    checks: tuple[dict[str, Any], ...] = ()
    broken: int = 0
    """lines that are none: what was being written when a process ended"""
    _lines: int = field(default=0, repr=False)

    @property
    def networks(self) -> set[str]:
        """The networks that were timed."""
        return {each.network for each in self.timed if each.network is not None}

    def operations(self) -> Iterator[tuple[Operation, float]]:
        """Every timed operation."""
        for each in self.timed:
            yield from each.operations


def begin(path: Path, header: Header) -> None:
    """Write a new table with nothing in it yet; `UsageError` where there is a file already."""
    text = json.dumps(header.as_dict(), allow_nan=False) + "\n"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists; accepted: another name") from None
    except OSError as error:
        with suppress(OSError):  # of a table that was begun nothing is left; a folder of its name stays
            path.unlink()
        raise not_written(path, error) from None


def write_table(path: Path, header: Header, timed: Sequence[Timed]) -> None:
    """Write a new table whole, or nothing; `UsageError` where there is a file already."""
    if os.path.lexists(path):
        raise UsageError(f"{path} exists; accepted: another name")
    lines = [header.as_dict(), *(each.as_dict() for each in timed)]
    write_whole(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))


def append(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Add lines to a table, all in one write; where not all of it goes in, none of it stays."""
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            whole = file.read(1) in (b"\n", b"")
            _write_all(file, (text if whole else "\n" + text).encode())
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}; what was in it is as it was") from None


def _write_all(file: FileIO, data: bytes) -> None:
    """Write at the end of a file, or leave it as it was; what another process added behind a part that went in stays."""
    written = file.write(data)
    if written != len(data):
        end = file.tell()
        if file.seek(0, os.SEEK_END) == end:
            with suppress(OSError):
                file.truncate(end - (written or 0))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_table(path: Path) -> LutTable:
    """The table in a file; `UsageError` where there is none, `RunError` where it is damaged."""
    with reading(path, "table of latencies"):
        return _table(path)


def _table(path: Path) -> LutTable:
    first, *lines = read_text(path, what="table of latencies").split("\n")
    header = _header(_parsed(first), path)
    timed, checks, broken = [], [], 0
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        values = _parsed(line)
        if not isinstance(values, dict):
            broken += 1
        elif "check" in values:
            checks.append(_check(values["check"], f"{path}, line {number}"))
        else:
            timed.append(_timed(values, f"{path}, line {number}", measured=header.is_measured))
    return LutTable(path, header, tuple(timed), tuple(checks), broken)


def _parsed(line: str) -> Any:
    try:
        return json_value(line, "")
    except UsageError:
        return None


def _header(values: Any, path: Path) -> Header:
    if not isinstance(values, dict) or "schema" not in values:
        raise UsageError(f"{path} is no table of latencies; accepted: what `plainnet lut build` or `lut import` wrote")
    if values["schema"] != SCHEMA:
        raise RunError(f"{path} is of the schema {values['schema']!r}; accepted: {SCHEMA}")
    try:
        setting = read_as(LutSetting, values["setting"], f"{path}: setting")
        machine = read_as(Machine, values["machine"], f"{path}: machine")
        seed, max_macs, source = _whole(values["seed"]), _finite(values["max_macs"]), _text(values["source"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: the first line is damaged: {type(error).__name__}: {error}") from None
    return Header(setting, machine, seed, max_macs, source)


def _timed(values: dict[str, Any], where: str, *, measured: bool) -> Timed:
    try:
        operations = tuple(
            (Operation(_text(family), *map(_whole, sides)), _positive(micros))
            for family, *sides, micros in values["operations"]
        )
        network, whole = values["network"], values["whole_us"]
        if measured and (network is None or whole is None):
            raise ValueError("what was measured is of a network, and has the time of the whole")
        return Timed(
            None if network is None else _text(network), None if whole is None else _positive(whole), operations
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{where} is damaged: {type(error).__name__}: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]} is no text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{str(value)[:40]} is no whole number")
    return value


def _finite(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < float("inf"):
        raise ValueError(f"{str(value)[:40]} is no number")
    return float(value)


SHORTEST, LONGEST = 1e-3, 1e12
"""Microseconds that an operation may take: what is written is rounded to the first."""


def _positive(value: Any) -> float:
    if type(value) not in (int, float) or not SHORTEST <= value <= LONGEST:
        raise ValueError(f"{str(value)[:40]} is no time from {SHORTEST:g} to {LONGEST:g} us")
    return float(value)


CHECK_KEYS = ("networks", "unpredicted", "median_error", "bias", "spearman", "low", "high", "load", "seed", "timed")
"""What a check says; `timed`: of how many networks the table was then."""


def _check(values: Any, where: str) -> dict[str, Any]:
    if not isinstance(values, dict) or set(values) != set(CHECK_KEYS):
        raise RunError(f"{where} is damaged: a check has {', '.join(CHECK_KEYS)}")
    for name, value in values.items():
        is_none = value is None and name == "load"
        if not is_none and (type(value) not in (int, float) or not math.isfinite(value)):
            raise RunError(f"{where} is damaged: {name} is {str(value)[:40]!r}; accepted: a number")
    return values
