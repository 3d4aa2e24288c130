"""Structures that a latency budget is fitted to are such that a machine can hold, whatever else bounds them."""

from __future__ import annotations

import pytest

from plainnet import parse
from plainnet.blocks import Shape
from plainnet.blocks.network_table import NetworkTable
from plainnet.profiler.lut import measuring
from plainnet.profiler.lut.measuring import NetworkTimes
from plainnet.profiler.lut.setting import LutSetting
from plainnet.search.candidates.measures import MEASURES
from plainnet.search.ladder.latency_budget import REACH, SAMPLES, sample_structures
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.space_files import load_space


def params_of(text: str) -> int:
    return sum(each.sums.params for each in parse(text).totals(Shape(3, 64, 64)))


@pytest.mark.parametrize("limits", [{"latency_ms": 3.0}, {"latency_ms": 3.0, "layers": 14}], ids=["alone", "layers"])
def test_walks_that_nothing_else_bounds_stay_near_the_start(limits: dict[str, float]) -> None:
    space = load_space("zennas-mobile")
    found = sample_structures(SearchConfig(space, limits=limits, resolution=64))
    assert len(found) == SAMPLES
    largest = max(params_of(text) for text, _ in found)
    starts = [params_of(text) for text in space.start]
    assert largest <= 2 * REACH * max(starts) < 10**9


def test_finalists_are_measured_as_a_table_and_its_check_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], LutSetting, bool]] = []

    def timed(tables: list[NetworkTable], setting: LutSetting, *, parts: bool) -> list[NetworkTimes]:
        asked.append(([str(table.structure) for table in tables], setting, parts))
        return [NetworkTimes((), 1500.0 * len(asked))]

    monkeypatch.setattr(measuring, "time_networks", timed)
    config = SearchConfig(
        load_space("zennas-mobile"), limits={"latency_ms": 3.0}, resolution=64, num_classes=7, use_se=True
    )
    net = config.space.start[0]
    assert MEASURES["latency_ms"].measure(net, config.setting, seed=0, repeats=2) == [1.5, 3.0]
    texts, setting, parts = asked[0]
    assert (texts, parts, setting.clock) == ([str(parse(net))], False, "thread")
    assert (setting.resolution, setting.num_classes, setting.use_se) == (64, 7, True)
