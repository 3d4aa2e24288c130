"""What each submodule costs: columns that add up, the innermost module charged, nothing left behind."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import _global_forward_hooks, _global_forward_pre_hooks

import plainnet
from plainnet.network.counting.module_counts import ModuleCounts, count_module
from plainnet.network.counting.operator_rules import OPERATION_COLUMNS
from plainnet.profiler.module_table import ITSELF, module_rows


class Unit(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + x)
        return out


class Odd(nn.Module):
    """Shared parts, functional calls of a part's weight, recurrence, attention, a part that fails and is caught, an operator
    without a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.again = self.stem
        self.units = nn.Sequential(*(Unit(8) for _ in range(3)))
        self.parts = nn.ModuleDict({"lstm": nn.LSTM(8, 4), "attention": nn.MultiheadAttention(8, 2, batch_first=True)})
        self.failing = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(5, 8, 1))
        self.head = nn.Linear(8, 5)
        self.unused = nn.Linear(7, 7)
        self.free = nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.units(self.stem(x)) + self.again(x)
        try:
            self.failing(x)
        except RuntimeError:
            x = x * 2
        flat = x.flatten(2).transpose(1, 2)
        self.parts["lstm"](flat)
        self.parts["attention"](flat, flat, flat)
        torch.fft.fft(flat)
        return nn.functional.linear(flat.mean(1), self.head.weight, self.head.bias)


MODULES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "odd": (Odd, (1, 3, 9, 11)),
    "one module": (lambda: nn.Conv2d(3, 4, 3), (2, 3, 8, 8)),
    "nested": (
        lambda: nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Sequential(nn.Sequential(nn.ReLU()))),
        (1, 3, 4, 4),
    ),
    "a network string": (
        lambda: plainnet.PlainNet("SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,24,2,16,3)", num_classes=7),
        (1, 3, 17, 13),
    ),
    "scripted": (lambda: torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())), (1, 3, 4, 4)),
    "transformer": (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32), 3), (5, 1, 16)),
}


@pytest.fixture(params=MODULES)
def counts(request: pytest.FixtureRequest) -> ModuleCounts:
    make, shape = MODULES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own scripting
        return count_module(make(), shape)


def test_the_module_itself_has_the_totals(counts: ModuleCounts) -> None:
    whole = counts.modules[0]
    assert (whole.path, whole.depth, whole.calls) == ("", 0, 1)
    assert (whole.params, whole.macs, whole.activations) == (counts.params, counts.macs, counts.activations)
    operations = [column for column in OPERATION_COLUMNS if column.endswith("_ops")]
    assert {column: whole.operations.get(column, 0) for column in operations} == {
        column: getattr(counts, column) for column in operations
    }
    assert set(whole.uncounted) == set(counts.uncounted)


@pytest.mark.parametrize("depth", [None, 0, 1, 2])
def test_the_rows_below_a_row_add_up_to_it(counts: ModuleCounts, depth: int | None) -> None:
    rows = module_rows(counts.modules, depth=depth)
    for column in ("params", "macs", "activations"):
        for index, row in enumerate(rows):
            inside = []
            for other in rows[index + 1 :]:
                if other.depth <= row.depth:
                    break
                inside += [other] if other.depth == row.depth + 1 else []
            if inside:
                assert sum(getattr(other, column) for other in inside) == getattr(row, column), (row, column)
    assert depth is None or max(row.depth for row in rows) <= depth
    assert len(rows) <= len(counts.modules) + sum(row.name == ITSELF for row in rows)
    if depth is None:
        assert sum(row.count for row in rows if row.name != ITSELF) == len(counts.modules)


def test_the_innermost_module_is_charged() -> None:
    found = {part.path: part for part in count_module(Odd(), (1, 3, 9, 11)).modules}
    stem = found["stem"]
    assert (stem.calls, stem.macs, stem.params) == (2, 2 * 4 * 5 * 8 * 27, 8 * 27 + 8)
    assert "again" not in found  # it goes by its first name
    assert stem.output_shape == (1, 8, 4, 5)
    assert found["units.1.conv2"].macs == 20 * 8 * 72
    assert found["units.1"].operations["add_ops"] == 160
    assert found["parts.lstm"].macs == 20 * (4 * 4 * 8 + 4 * 4 * 4)
    assert (found["failing"].calls, found["failing.0"].macs, found["failing.1"].calls) == (1, 20 * 64, 1)
    assert found["failing"].output_shape is None
    assert (found["head"].calls, found["head"].macs, found["head"].params) == (
        0,
        0,
        45,
    )  # the caller used its weight itself
    assert (found["unused"].calls, found["unused"].params) == (0, 56)
    assert found[""].uncounted == ("aten._fft_r2c",)
    assert all(not part.uncounted for path, part in found.items() if path)


def test_equal_neighbours_are_one_row() -> None:
    rows = module_rows(count_module(Odd(), (1, 3, 9, 11)).modules)
    (units,) = [row for row in rows if row.kind == "Unit"]
    assert (units.name, units.count, units.calls, units.macs) == ("[0-2]", 3, 3, 3 * 2 * 20 * 8 * 72)
    assert [row.count for row in rows if row.name == "conv1"] == [3]


def test_nothing_is_left_behind() -> None:
    module = Odd()
    state = {name: dict(vars(part)) for name, part in module.named_modules()}
    count_module(module, (1, 3, 9, 11))
    with pytest.raises(plainnet.UsageError):
        count_module(module, (1, 4, 9, 11))
    assert not _global_forward_hooks
    assert not _global_forward_pre_hooks
    assert {name: dict(vars(part)) for name, part in module.named_modules()} == state
