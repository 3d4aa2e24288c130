"""What each primitive operation of a network takes where it stands: a network runs row by row, and every row is timed.

An operation is timed inside of a network and not alone, so that caches and the allocator are in the state that they are in
when the network runs. The whole network is timed apart, as one call: what a call of the modules costs beside the
operations is fitted to that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean
from time import perf_counter_ns, thread_time_ns
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.rows.layers import Concat, Scale
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.network.plain_net import PlainNet
from plainnet.network.undisturbed import restored_state
from plainnet.profiler.lut.operations import Operation, operation, rows_with_head
from plainnet.profiler.lut.setting import LutSetting

__all__ = ["NetworkTimes", "time_networks"]

PASSES = 8
"""The least of so many passes counts, in a table and in its check: with more of them it would be lower."""
WARM_UP = 2
"""Passes that are not counted."""

Step = tuple[Callable[..., Tensor], tuple[int, ...], tuple[int, ...]]
"""What runs, the numbers of the values that it takes, and those that nothing needs behind it."""


class NetworkTimes(NamedTuple):
    """Microseconds of one network for a batch: of its operations and of the whole in one call, each the least of all passes."""

    operations: tuple[tuple[Operation, float], ...]
    """equal ones taken together: their mean; empty where only the whole was timed"""
    whole: float


def time_networks(
    tables: Sequence[NetworkTable], setting: LutSetting, *, passes: int = PASSES, parts: bool = True
) -> list[NetworkTimes]:
    """Time networks, pass by pass in turn, so that a moment in which something else runs does not fall on one of them alone.

    The least of the passes is taken: what the machine takes when nothing disturbs it. parts: operations, too. The thread count
    and torch's generators are left as found.
    """
    clock = clock_of(setting)
    with restored_state(threads=setting.threads):
        torch.manual_seed(0)
        runs = [_Run(table, setting) for table in tables]
        for measure in [_Run.whole, _Run.parts] if parts else [_Run.whole]:
            for number in range(WARM_UP + passes):
                for run in runs:
                    measure(run, clock, counted=number >= WARM_UP)
    return [run.times(parts) for run in runs]


class _Run:
    """One network as it is timed."""

    def __init__(self, table: NetworkTable, setting: LutSetting) -> None:
        self.net, self.image = _network(table, setting), _image(table, setting)
        self.rows = rows_with_head(table, setting.num_classes, expand=True)
        self.steps = _steps(self.net, self.rows, self.image)
        self.wholes: list[int] = []
        self.each: list[list[int]] = []

    def whole(self, clock: Callable[[], int], *, counted: bool) -> None:
        """One call of the network, as anybody makes it."""
        start = clock()
        self.net(self.image)
        taken = clock() - start
        if counted:
            self.wholes.append(taken)

    def parts(self, clock: Callable[[], int], *, counted: bool) -> None:
        """The network row by row."""
        each = _pass(self.steps, self.image, clock)
        if counted:
            self.each.append(each)

    def times(self, parts: bool) -> NetworkTimes:
        found: dict[Operation, list[float]] = {}
        if parts:
            for row, nanos in zip(self.rows, zip(*self.each, strict=True), strict=True):
                found.setdefault(operation(row), []).append(min(nanos) / 1000)
        means = tuple((key, fmean(values)) for key, values in found.items())
        return NetworkTimes(means, min(self.wholes) / 1000)


def clock_of(setting: LutSetting) -> Callable[[], int]:
    """The nanoseconds that are counted: the thread's own where all work is done in it, so that other processes do not count."""
    return thread_time_ns if setting.clock == "thread" else perf_counter_ns


def _network(table: NetworkTable, setting: LutSetting) -> PlainNet:
    net = PlainNet(
        table.structure,
        num_classes=setting.num_classes or None,
        in_channels=table.shape.channels,
        resolution=table.resolution,
        variant=table.variant,
        init="default",
    ).eval()
    net.to(dtype=getattr(torch, setting.dtype))
    return net.to(memory_format=torch.channels_last) if setting.channels_last else net  # type: ignore[call-overload]


def _image(table: NetworkTable, setting: LutSetting) -> Tensor:
    image = torch.randn(setting.batch, *table.shape).to(getattr(torch, setting.dtype))
    return image.to(memory_format=torch.channels_last) if setting.channels_last else image


def _steps(net: PlainNet, rows: Sequence[Row], image: Tensor) -> list[Step]:
    """The network's own modules in the order of the rows; the input's number is that behind all rows."""
    last = {value: number for number, row in enumerate(rows) for value in row.inputs}
    dead: dict[int, list[int]] = {}
    for value, number in last.items():
        dead.setdefault(number, []).append(value)
    head = iter((net.pool, net.flatten, net.head))
    blocks = len(_inside(rows, net))
    steps: list[Step] = []
    for number, row in enumerate(rows):
        inside = number < blocks
        if not row.inputs:
            call: Callable[..., Tensor] = partial(image.new_zeros, (len(image), *row.out_shape))
        else:
            call = _call(net.blocks.get_submodule(row.path), row) if inside else next(head)
        steps.append((call, row.inputs, tuple(v for v in dead.get(number, ()) if v != INPUT)))
    return steps


def _inside(rows: Sequence[Row], net: PlainNet) -> list[str]:
    """The paths of the rows that stand in blocks; a head's begin with no number."""
    return [row.path for row in rows if row.path.partition(".")[0] in net.blocks._modules]


def _call(module: nn.Module, row: Row) -> Callable[..., Tensor]:
    """The module of a leaf, or what a join does with its branches."""
    if isinstance(row.layer, Concat):
        return _concatenated
    if isinstance(row.layer, Scale):
        return torch.mul
    return _summed if len(row.inputs) > 1 else module


def _concatenated(*parts: Tensor) -> Tensor:
    return torch.cat(parts, dim=1)


def _summed(first: Tensor, *others: Tensor) -> Tensor:
    for other in others:
        first = first + other
    return first


def _pass(steps: Sequence[Step], image: Tensor, clock: Callable[[], int]) -> list[int]:
    values: dict[int, Any] = {INPUT: image}
    times = []
    for number, (call, inputs, dead) in enumerate(steps):
        taken = [values[value] for value in inputs]
        start = clock()
        out = call(*taken)
        times.append(clock() - start)
        values[number] = out
        del taken, out
        for value in dead:
            del values[value]
    return times
