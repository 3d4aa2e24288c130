"""Milliseconds and bytes of submodules: charged to the innermost one, columns that add up, nothing left behind."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import _global_forward_hooks, _global_forward_pre_hooks

import plainnet
from plainnet.network.counting.module_counts import count_module
from plainnet.profiler.module_table import ITSELF, module_rows
from plainnet.profiler.module_times import PASSES, measure_module_times


class Sleeper(nn.Module):
    def __init__(self, milliseconds: float) -> None:
        super().__init__()
        self.milliseconds = milliseconds

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(self.milliseconds / 1000)
        return x


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.004)
        raise ValueError(f"{x.shape}")


class Sleepers(nn.Module):
    """A part that is called twice, one that breaks off inside, one that does not run, and 3 ms beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Sequential(Sleeper(5), Sleeper(1))
        self.failing = nn.Sequential(Failing())
        self.unused = Sleeper(100)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        time.sleep(0.003)
        try:
            self.failing(x)
        except ValueError:
            x = self.twice(x)
        return self.twice(x)


def test_time_is_that_of_the_innermost_module() -> None:
    module = Sleepers()
    found = measure_module_times(module, (1, 2), seconds=10)
    assert found is not None
    assert found.passes == PASSES
    least = {"": 19, "twice": 12, "twice.0": 10, "twice.1": 2, "failing": 4, "failing.0": 4}
    assert set(found.ms) == {*least, "unused"}
    assert found.ms["unused"] == 0
    for path, known in least.items():
        assert found.ms[path] >= known
    assert found.ms["twice.0"] > found.ms["twice.1"]
    assert found.ms["failing"] < found.ms[""] / 2, "it no longer runs once its error is caught"
    assert sum(found.ms[path] for path in ("twice", "failing")) + 3 <= found.ms[""]
    assert found.ms["twice"] >= found.ms["twice.0"] + found.ms["twice.1"]
    assert found.ms[""] <= found.pass_ms, "the least of each part is no more than that of the whole"
    assert found.together() == {"passes": PASSES, "sum_ms": found.ms[""], "pass_ms": found.pass_ms}
    assert found.to_dict() == {**found.together(), "ms": found.ms}
    assert (module.calls, module.training) == (0, True)
    assert not _global_forward_hooks
    assert not _global_forward_pre_hooks


def test_the_seconds_are_kept_and_one_pass_is_made_in_any_case() -> None:
    found = measure_module_times(Sleeper(2), (1, 2), seconds=1e-6)
    assert found is not None
    assert found.passes == 1
    assert found.ms[""] >= 2


def test_what_is_compiled_has_no_times_inside() -> None:
    module = nn.Sequential(nn.ReLU())
    module[0]._orig_mod = nn.ReLU()  # as what torch.compile returns
    assert measure_module_times(module, (1, 2)) is None


def test_a_module_that_does_not_run_leaves_nothing_behind() -> None:
    with pytest.raises(ValueError, match="Size"):
        measure_module_times(nn.Sequential(Failing()), (1, 2))
    assert not _global_forward_hooks
    assert not _global_forward_pre_hooks


class Units(nn.Module):
    """Equal neighbours, with equal neighbours inside."""

    def __init__(self) -> None:
        super().__init__()
        self.units = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()) for _ in range(2)))
        self.last = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.units(x))
        return out


def test_rows_of_equal_modules_have_the_time_of_all_of_them() -> None:
    own = {"": 1.0, "units": 10, "units.0": 20, "units.0.0": 1, "units.0.1": 2, "units.0.2": 4, "units.1": 0,
           "units.1.0": 8, "units.1.1": 16, "units.1.2": 32, "last": 64}  # fmt: skip
    ms = {
        path: sum(time for other, time in own.items() if f"{other}.".startswith(f"{path}." if path else ""))
        for path in own
    }
    modules = count_module(Units(), (3, 4)).modules
    rows = module_rows([replace(part, ms=ms[part.path]) for part in modules])
    found = [(row.depth, row.name, row.count, row.ms) for row in rows]
    assert found == [
        (0, "", 1, sum(own.values())),
        (1, "units", 1, 93),
        (2, "[0-1]", 2, 83),
        (3, "[0-1]", 4, 1 + 2 + 8 + 16),
        (3, "2", 2, 4 + 32),
        (3, ITSELF, 1, 20),
        (2, ITSELF, 1, 10),
        (1, "last", 1, 64),
    ], "1 ms beside the submodules is less than a hundredth of 158"
    assert all(row.ms is None for row in module_rows(modules))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return {"both": [x.double(), (x > 0,)], "name": "pair"}


def test_bytes_are_those_of_all_that_calls_put_out() -> None:
    shared = nn.Linear(4, 4)
    found = {part.path: part for part in count_module(nn.Sequential(shared, shared, Pair()), (3, 4)).modules}
    assert (found["0"].calls, found["0"].output_bytes) == (2, 2 * 3 * 4 * 4)
    assert found["2"].output_bytes == found[""].output_bytes == 12 * 8 + 12
    half = count_module(nn.Sequential(nn.Linear(4, 4)).to(torch.bfloat16), (3, 4)).modules
    assert half[1].output_bytes == 3 * 4 * 2
    rows = module_rows(count_module(Units(), (3, 4)).modules)
    assert [(row.name, row.output_bytes) for row in rows if row.depth == 3] == [("[0-1]", 4 * 48), ("2", 2 * 48)]


def test_an_analysis_says_both_and_what_the_clocks_took() -> None:
    found = plainnet.analyze_model(Units(), inputs=[torch.zeros(3, 4)], seconds=0.02)
    modules = found.as_dict()["modules"]
    assert modules[0]["ms"] == found.module_times["sum_ms"] <= found.module_times["pass_ms"]
    assert all(part["ms"] > 0 for part in modules)
    assert modules[-1]["output_bytes"] == 3 * 2 * 4
    text = found.view(depth=3).text(None)
    header = next(line for line in text.splitlines() if line.startswith("module"))
    assert header.split()[-3:] == ["puts", "out", "ms"]
    assert re.search(r"ms of modules +the least of \d+ pass.* with clocks at every submodule, [\d.]+ in all", text)
    assert f"{found.latency['min_ms']:.3f} ms without)" in text


@pytest.mark.parametrize("settings", [{"latency": False}, {"platform": "torchscript", "seconds": 0.02}])
def test_times_that_were_not_measured_are_none(settings: dict[str, Any]) -> None:
    found = plainnet.analyze_model(Units(), inputs=[torch.zeros(3, 4)], **settings)
    assert found.module_times is None
    assert {part.ms for part in found.modules} == {None}
    text = found.view(depth=3).text(None)
    assert "ms of modules" not in text
    header = next(line for line in text.splitlines() if line.startswith("module"))
    assert header.split()[-2:] == ["puts", "out"]
