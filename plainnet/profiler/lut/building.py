"""Measuring for a table: networks of a space until the time is over, and networks that check what the table predicts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.structure import parse
from plainnet.errors import RunError, UsageError
from plainnet.profiler.lut.latency_model import UnmeasuredError
from plainnet.profiler.lut.table_file import Header, LutTable, Timed, append, begin, read_table
from plainnet.profiler.lut.table_model import LEAST_NETWORKS, model_of, refuse_other_machine
from plainnet.profiler.timing import quantile
from plainnet.validation.ranking import rank_correlations

__all__ = ["build", "check", "open_table"]

GROUP = 8
"""Networks that are timed in turn."""
CHECKED_GROUP = 25

Announce = Callable[[int, float], None]
"""Called with the networks timed so far and the seconds since the beginning."""


def open_table(path: Path, header: Header) -> LutTable:
    """The table in a file, begun where there is none; `UsageError` where it is a table of something else."""
    if not path.exists():
        begin(path, header)
    table = read_table(path)
    if table.header != header:
        refuse_other_machine(table)
        mine, there = header.as_dict(), table.header.as_dict()
        pairs = {**mine["setting"], **mine}, {**there["setting"], **there}
        differing = [
            f"{name} {pairs[1][name]} there, {value} asked for"
            for name, value in pairs[0].items()
            if pairs[1][name] != value and name not in ("setting", "machine")
        ]
        raise UsageError(f"{path} is a table of another setting ({'; '.join(differing)}); accepted: another --out")
    return table


def build(path: Path, header: Header, networks: Iterator[str], *, seconds: float, announce: Announce) -> LutTable:
    """Time networks and add them to a table, those that are in it left out, until `seconds` are over and a model can be made."""
    from plainnet.profiler.lut.measuring import time_networks

    is_new = not path.exists()
    table = open_table(path, header)
    setting, began = header.setting, monotonic()
    new = (text for text in networks if text not in table.networks)
    count = len(table.timed)
    while group := list(islice(new, GROUP)):
        tables = [parse(text).at(setting.shape, variant=setting.variant) for text in group]
        found = time_networks(tables, setting)
        lines = [Timed(text, times.whole, times.operations) for text, times in zip(group, found, strict=True)]
        try:
            append(path, [line.as_dict() for line in lines])
        except RunError:
            if is_new and not count:  # a table with nothing in it is none
                path.unlink(missing_ok=True)
            raise
        count += len(group)
        announce(count, monotonic() - began)
        if monotonic() - began > seconds and count >= LEAST_NETWORKS:
            break
    return read_table(path)


def check(path: Path, networks: Iterator[str], *, count: int, seed: int) -> dict[str, Any]:
    """Time `count` networks that are not in a table, compare them with what it predicts, and keep the result in it.

    unpredicted: networks with an operation on a map that the table does not hold; they are left out of the rest.
    median_error: of |measured / predicted - 1|; bias: the median of measured / predicted; low, high: its 2.5 and 97.5 %.
    """
    import numpy as np

    from plainnet.profiler.lut.measuring import time_networks

    table = read_table(path)
    refuse_other_machine(table)
    model, setting = model_of(table), table.header.setting
    texts = list(islice((text for text in networks if text not in table.networks), count))
    if len(texts) < 3:
        raise UsageError(f"the space has {len(texts)} networks that are not in {path}; a check needs 3 at least")
    tables, predicted = _predicted(texts, model, setting)
    if len(tables) < 3:
        raise UsageError(
            f"{path} predicts {len(tables)} of {len(texts)} networks; accepted: a longer `plainnet lut build`"
        )
    measured = [
        times.whole / 1000
        for first in range(0, len(tables), CHECKED_GROUP)
        for times in time_networks(tables[first : first + CHECKED_GROUP], setting, parts=False)
    ]
    quotients = sorted(one / other for one, other in zip(measured, predicted, strict=True))
    if len(set(predicted)) < 2:
        raise RunError("all networks of the check are predicted to take the same time: there is no rank correlation")
    rank, _ = rank_correlations(np.array(predicted), np.array(measured))
    found = {
        "networks": len(tables),
        "unpredicted": len(texts) - len(tables),
        **_errors(quotients),
        "spearman": rank,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "seed": seed,
        "timed": len(table.timed),
    }
    append(path, [{"check": found}])
    return found


def _predicted(texts: list[str], model: Any, setting: Any) -> tuple[list[NetworkTable], list[float]]:
    """The networks that a table predicts, and what it predicts for them."""
    tables, predicted = [], []
    for text in texts:
        each = parse(text).at(setting.shape, variant=setting.variant)
        try:
            predicted.append(model.predict(each, setting.num_classes).latency_ms)
            tables.append(each)
        except UnmeasuredError:
            continue
    return tables, predicted


def _errors(quotients: list[float]) -> dict[str, float]:
    """How far measured times are from predicted ones."""
    return {
        "median_error": median(abs(value - 1) for value in quotients),
        "bias": median(quotients),
        "low": quantile(quotients, 0.025),
        "high": quantile(quotients, 0.975),
    }
