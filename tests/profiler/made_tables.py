"""Tables of latencies of a machine that is made up, so that what they should predict is known to the last digit."""

from __future__ import annotations

import dataclasses
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from plainnet.blocks.structure import parse
from plainnet.profiler.lut.operations import Operation, operations_of, rows_with_head
from plainnet.profiler.lut.setting import LutSetting, this_machine
from plainnet.profiler.lut.table_file import MEASURED, Header, Timed, append, begin
from plainnet.search import load_space
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.space.random_networks import random_networks

SPACE = "zennas-mobile"
SETTING = LutSetting(SPACE, 3, 32, 10)
CALL, EACH = 40.0, 2.5
"""Microseconds of a call, and of each operation beside itself."""


def truth(key: Operation) -> float:
    """What an operation takes on the made-up machine: more for what is larger, as on any."""
    kind = 1 + len(key.family) % 7
    area = max(1, key.height * key.width)
    return (
        kind
        + 1e-3 * area * (key.in_channels + 2 * key.out_channels)
        + 1e-5 * kind * area * key.in_channels * key.out_channels
    )


def whole(structure: str, setting: LutSetting = SETTING) -> float:
    """Microseconds of a network on the made-up machine."""
    table = parse(structure).at(setting.shape, variant=setting.variant)
    counted = list(operations_of(rows_with_head(table, setting.num_classes, expand=False)))
    return CALL + sum(times * (EACH + truth(key)) for key, times in counted)


def networks(seed: int, setting: LutSetting = SETTING) -> Any:
    """Random networks of the space."""
    shared = Setting(setting.shape, setting.num_classes, setting.variant)
    return random_networks(load_space(SPACE), shared, seed=seed, max_macs=2e7)


def made_table(path: Path, count: int = 40, *, noise: float = 0.0, seed: int = 0, **changes: Any) -> Path:
    """A table of the made-up machine, which has this one's name. noise: the spread of the logarithm of every time."""
    setting = dataclasses.replace(SETTING, **changes)
    random = Random(seed)

    def disturbed(value: float) -> float:
        return value * random.lognormvariate(0, noise)

    begin(path, Header(setting, this_machine(), seed, 2e7, MEASURED))
    lines = []
    for text in islice(networks(seed, setting), count):
        table = parse(text).at(setting.shape, variant=setting.variant)
        keys = {key for key, _ in operations_of(rows_with_head(table, setting.num_classes, expand=False))}
        timed = tuple((key, disturbed(truth(key))) for key in sorted(keys))
        lines.append(Timed(text, disturbed(whole(text, setting)), timed).as_dict())
    append(path, lines)
    return path
