"""What latency budgets are fitted to and measured with; and that latencies of one run are predicted in one way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from plainnet import parse
from plainnet.blocks import Shape
from plainnet.blocks.network_table import NetworkTable
from plainnet.profiler.lut import measuring
from plainnet.profiler.lut.latency_model import LatencyModel
from plainnet.profiler.lut.measuring import NetworkTimes
from plainnet.profiler.lut.operations import operation, rows_with_head
from plainnet.profiler.lut.setting import LutSetting
from plainnet.profiler.lut.width_polynomials import FamilyForm, Formulas
from plainnet.search import SearchConfig, load_space, search
from plainnet.search.candidates.measures import MEASURES
from plainnet.search.ladder.latency_budget import REACH, SAMPLES, sample_structures
from plainnet.search.runs.derived_runs import merge
from plainnet.search.runs.kept_runs import best_of, opened


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


# Runs that predict in different ways --------------------------------------------------------------

BLOCKS = ["SuperResK3K3", "SuperResK5K5"]


def model_of(text: str, per_product: float) -> LatencyModel:
    """A table that knows the operations of one network, and of none with others."""
    table = parse(text).at(Shape(3, 8, 8))
    families = {operation(row).family for row in rows_with_head(table, 3, expand=False)}
    form = FamilyForm((1.0, 0.0, 0.0, per_product, 0.0), (0, 10**6))
    return LatencyModel(LutSetting("x", 3, 8, 3), 0.0, Formulas({}, dict.fromkeys(families, form)), None, "not checked")


@pytest.mark.parametrize("order", [("fit", "table"), ("table", "fit"), ("none", "table", "fit")])
def test_latencies_of_a_merged_run_are_all_predicted_in_one_way(tmp_path: Path, order: tuple[str, ...]) -> None:
    start = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"
    widths = {"out_channels": {"values": [8, 16, 24]}}
    space = load_space({"name": "x", "start": start, "blocks": [{"names": BLOCKS, "change": widths}]})
    shared = {"objectives": ("max:params",), "resolution": 8, "num_classes": 3, "candidates": 200, "islands": 1}
    base, model = SearchConfig(space, limits={"params": 1e6}, **shared), model_of(start, 1e-4)
    limits = {"limits": {"latency_ms": 50.0}}
    configs = {
        "none": base,
        "fit": dataclasses.replace(base, **limits, latency=(1.0, 0.0, 0.0, 0.0)),
        "table": dataclasses.replace(base, **limits, latency_model=model.as_dict()),
    }
    for name in order:
        search(configs[name], tmp_path / name)
    merge([tmp_path / name for name in order], tmp_path / "all")
    with opened(tmp_path / "all") as store:
        lines = list(store.lines(("structure", "latency_ms"), "ORDER BY id"))
        best, events = best_of(store, 100), [text for _, _, _, text in store.events()]
    assert len(lines) == 6
    for text, latency in lines:
        known = "K5K5" not in text
        predicted = model.predict(parse(text).at(Shape(3, 8, 8)), 3).latency_ms if known else None
        assert latency == (predicted if predicted is None else pytest.approx(predicted))
    assert {"K5K5" in each.structure for each in best} == {False}
    assert any("in different ways" in text for text in events)
