"""Tables of latencies: what they predict of a machine that is made up, and what they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from profiler.made_tables import SETTING, SPACE, made_table, networks, whole

from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import parse
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.profiler.lut.building import open_table
from plainnet.profiler.lut.latency_model import LatencyModel, Prediction, UnmeasuredError
from plainnet.profiler.lut.merging import merge
from plainnet.profiler.lut.operations import fused_operations, operations_of, rows_with_head
from plainnet.profiler.lut.setting import this_machine
from plainnet.profiler.lut.table_file import append, read_table
from plainnet.profiler.lut.table_model import load_model, model_of
from plainnet.profiler.lut.tensorrt import import_tensorrt


def predicted(model: LatencyModel, text: str, resolution: int | None = None) -> Prediction:
    shape = (
        model.setting.shape if resolution is None else model.setting.shape._replace(height=resolution, width=resolution)
    )
    return model.predict(parse(text).at(shape, variant=model.setting.variant), model.setting.num_classes)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_table(tmp_path_factory.mktemp("lut") / "exact.jsonl", 30)


@pytest.fixture(scope="module")
def model(exact: Path) -> LatencyModel:
    return load_model(exact)


def test_where_times_follow_widths_other_networks_are_predicted_to_a_percent(model: LatencyModel) -> None:
    for text in islice(networks(seed=7), 15):
        found = predicted(model, text)
        assert found.latency_ms == pytest.approx(whole(text) / 1000, rel=0.02)
        assert found.low_ms is not None
        assert found.high_ms is not None
        assert found.low_ms <= found.high_ms


@pytest.mark.slow
def test_noise_of_single_times_averages_out_and_the_interval_holds_most_networks(tmp_path: Path) -> None:
    noisy = load_model(made_table(tmp_path / "noisy.jsonl", 50, noise=0.1))
    others = [(predicted(noisy, text), whole(text) / 1000) for text in islice(networks(seed=8), 20)]
    errors = sorted(abs(found.latency_ms / true - 1) for found, true in others)
    assert errors[len(errors) // 2] < 0.05
    within = [found for found, true in others if (found.low_ms or 0) <= true <= (found.high_ms or 0)]
    assert len(within) >= 17


def test_a_prediction_is_the_sum_over_blocks(model: LatencyModel) -> None:
    text = next(networks(seed=9))
    table = parse(text).at(model.setting.shape)
    parts = [model.of_block(block, shape).micros for block, shape in zip(table.blocks, table.shapes, strict=False)]
    total = model.constant + sum(parts) + model.of_head(table.out_shape, 10).micros
    assert predicted(model, text).latency_ms == pytest.approx(total / 1000)


def test_plain_data_and_back_is_the_same_model(model: LatencyModel) -> None:
    again = LatencyModel.from_dict(json.loads(json.dumps(model.as_dict())))
    assert again == model
    text = next(networks(seed=10))
    assert predicted(again, text) == predicted(model, text)
    with pytest.raises(RunError, match="cannot be read"):
        LatencyModel.from_dict({**model.as_dict(), "cells": [["Norm", 1]]})


def test_what_is_beyond_what_was_measured_is_said(model: LatencyModel) -> None:
    inside = next(networks(seed=13))
    wide = inside.replace(",2048,1,1)", ",65536,1,1)")
    found = predicted(model, wide)
    assert found.outside_share > 0.5
    assert any("65536" in name for name in found.outside)
    assert predicted(model, inside).outside_share < 0.2


@pytest.mark.parametrize(
    ("text", "resolution", "said"),
    [
        ("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,16,2,16,1)", 1024, "a map between those of"),
        ("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,16,2,16,1)MaxPool(16,2,2)", 32, "holds no Pool"),
    ],
)
def test_what_was_never_measured_is_an_error(model: LatencyModel, text: str, resolution: int, said: str) -> None:
    with pytest.raises(UnmeasuredError, match=said):
        predicted(model, text, resolution)


@pytest.mark.parametrize(
    ("channels", "variant", "said"),
    [
        (1, Variant(), "3 channels and plain networks, the network has 1 channels and no variant"),
        (3, Variant(use_se=True), "3 channels and plain networks, the network has 3 channels and use_se"),
    ],
)
def test_a_network_that_a_table_is_not_for_is_refused_with_both_sides(
    model: LatencyModel, channels: int, variant: Variant, said: str
) -> None:
    table = parse(f"SuperConvK3BNRELU({channels},8,2,1)").at(Shape(channels, 64, 64), variant=variant)
    with pytest.raises(UsageError, match=said):
        model.predict(table, 10)


def test_a_map_between_measured_sizes_is_interpolated_and_said(model: LatencyModel) -> None:
    """Nothing was measured on 6x6 and 3x3, so blocks there are named, and cost what lies between 4x4 and 8x8."""
    block = parse("SuperResIDWE6K3(8,16,2,16,1)SuperResIDWE6K3(16,16,1,16,2)").blocks[1]
    parts = [model.of_block(block, SETTING.shape._replace(channels=16, height=size, width=size)) for size in (4, 6, 8)]
    assert parts[0].micros < parts[1].micros < parts[2].micros
    assert [part.outside_micros == part.micros for part in parts] == [False, True, False]


def test_rows_of_repeated_bodies_count_as_often_as_they_run() -> None:
    text = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,16,2,16,4)"
    table = parse(text).at(SETTING.shape)
    compact = sum(times for _, times in operations_of(rows_with_head(table, 10, expand=False)))
    assert compact == len(rows_with_head(table, 10, expand=True))


def torn(text: str) -> str:
    return text[: -len(text.splitlines()[-1]) // 2]


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda _: "", "no table of latencies"),
        (lambda text: "{}\n" + text, "no table of latencies"),
        (lambda text: text.replace("plainnet.lut/1", "plainnet.lut/9"), "of the schema"),
        (lambda text: text.replace('"threads": 1', '"threads": "1"'), "threads is '1'"),
        (lambda text: text.replace('"seed": 0', '"seed": null'), "first line is damaged"),
        (lambda text: text.replace('"whole_us": ', '"whole_us": -'), "is no time"),
        (lambda text: text.replace('"operations": [[', '"operations": [['.replace("[[", "[[1,")), "line 2 is damaged"),
        (lambda text: text + '{"check": {"networks": 3}}\n', "a check has"),
    ],
)
def test_a_damaged_table_is_no_table(exact: Path, tmp_path: Path, damage: Callable[[str], str], error: str) -> None:
    path = tmp_path / "damaged.jsonl"
    path.write_text(damage(exact.read_text()))
    with pytest.raises(PlainnetError, match=error):
        model_of(read_table(path))


def test_a_line_that_broke_off_is_passed_over_counted_and_the_next_one_whole(exact: Path, tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_text(torn(exact.read_text()))
    before = read_table(path)
    assert (before.broken, len(before.timed)) == (1, len(read_table(exact).timed) - 1)
    append(path, [read_table(exact).timed[-1].as_dict()])
    after = read_table(path)
    assert after.timed == read_table(exact).timed
    assert after.broken == 1


@pytest.mark.parametrize("name", ["cpu", "cores"])
def test_a_table_of_another_machine_is_refused_and_says_why(exact: Path, tmp_path: Path, name: str) -> None:
    value = getattr(this_machine(), name)
    path = tmp_path / "other.jsonl"
    other = 2 * value if isinstance(value, int) else f"{value} of another kind"
    path.write_text(exact.read_text().replace(f'"{name}": {json.dumps(value)}', f'"{name}": {json.dumps(other)}', 1))
    with pytest.raises(UsageError, match=f"of another machine .{name} "):
        load_model(path)
    assert load_model(path, here=False) == load_model(exact)
    with pytest.raises(UsageError, match=name):
        merge([exact, path], tmp_path / "merged.jsonl")
    with pytest.raises(UsageError, match=name):
        open_table(path, read_table(exact).header)


def test_tables_of_one_setting_merge_and_of_two_do_not(tmp_path: Path) -> None:
    one, two = (made_table(tmp_path / f"{seed}.jsonl", 12, seed=seed) for seed in (1, 2))
    merged = merge([one, two], tmp_path / "both.jsonl")
    assert merged.networks == read_table(one).networks | read_table(two).networks
    with pytest.raises(UsageError, match="exists"):
        merge([one, two], tmp_path / "both.jsonl")
    larger = made_table(tmp_path / "larger.jsonl", 12, resolution=64)
    with pytest.raises(UsageError, match="no tables of one machine and setting"):
        merge([one, larger], tmp_path / "mixed.jsonl")
    with pytest.raises(UsageError, match="resolution 64 there, 32 asked for"):
        open_table(larger, read_table(one).header)


def test_too_few_networks_make_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds 4 networks; accepted: at least 10"):
        load_model(made_table(tmp_path / "few.jsonl", 4))


def test_what_a_check_found_is_quoted_and_gives_the_interval(exact: Path, tmp_path: Path) -> None:
    path = tmp_path / "checked.jsonl"
    path.write_text(exact.read_text())
    found = {
        "networks": 50,
        "unpredicted": 0,
        "median_error": 0.07,
        "bias": 1.02,
        "spearman": 0.98,
        "low": 0.8,
        "high": 1.3,
    }
    append(path, [{"check": {**found, "load": None, "seed": 1, "timed": 60}}])
    model = load_model(path)
    assert (model.interval, model.upper) == ((0.8, 1.3), 1.3)
    assert "median error 7.0%, Spearman 0.980 on 50 networks" in predicted(model, next(networks(seed=11))).error


# TinyNAS's tables -------------------------------------------------------------------------------------

ROWS = """{Regular,32,64,56,56,256,1,1,1} 0.5
{Regular,32,64,56,56,64,1,1,0} 0.2
{Regular,1,64,56,56,64,1,1,0} 0.1
{Depthwise,32,64,56,56,64,3,1,0} 0.06
{Regular,32,64,56,56,64,3,1,0} -1
"""


def test_rows_of_tensorrt_are_read_as_they_are_in_the_files(tmp_path: Path) -> None:
    source = tmp_path / "conv_data.out.fp16"
    source.write_text(ROWS)
    taken = import_tensorrt(source, tmp_path / "v100.jsonl", batch=32, device="V100", dtype="fp16")
    assert taken == (3, 1, 1)
    timed = dict(read_table(tmp_path / "v100.jsonl").operations())
    assert {(key.family, key.in_channels, key.out_channels, key.height): micros for key, micros in timed.items()} == {
        ("Conv kernel_size=1 stride=1 add", 64, 256, 56): 500.0,
        ("Conv kernel_size=1 stride=1", 64, 64, 56): 200.0,
        ("Conv kernel_size=3 stride=1 depthwise", 64, 64, 56): 60.0,
    }
    with pytest.raises(UsageError, match=r"of another machine .cpu V100 there"):
        load_model(tmp_path / "v100.jsonl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{Regular,1,64,56,56,64,1,1,0} 0.1", "no row of batch 32; accepted: 1"),
        ("", "no row of batch 32; accepted: none"),
        ("{Regular,32,64,56,56,64,1,1} 0.1", "line 1: .* is no row"),
        ("{Regular,32,64,56,56,64,1,1,0} nan", "line 1: .* is no row"),
        ("{Regular,32,64,56,56,64,1,1,0} 1e10", "line 1: .* is no row"),
        ("{Regular,32,64,56,56,64,1,1,0} 1e-9", "line 1: .* is no row"),
        ("{Regular,32,64,56,56,64,1,1,0} 1e999", "line 1: .* is no row"),
        ("{Regular,32,64,0,56,64,1,1,0} 0.1", "line 1: .* is no row"),
        ("{Regular,32," + "9" * 5_000 + ",56,56,64,1,1,0} 0.1", "line 1: .* is no row"),
        ("batch,latency", "is no row; accepted: rows such as"),
    ],
)
def test_what_is_no_row_of_tensorrt_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rows").write_text(text)
    with pytest.raises(UsageError, match=said):
        import_tensorrt(tmp_path / "rows", tmp_path / "out.jsonl", batch=32, device="V100", dtype="fp16")
    assert not (tmp_path / "out.jsonl").exists()


def test_an_imported_table_predicts_what_an_engine_fuses(tmp_path: Path) -> None:
    rows = [
        f"{{{kind},32,{x},56,56,{y},{kernel},1,{fused}}} {0.01 + 1e-6 * x * (1 if kind == 'Depthwise' else y) * kernel}"
        for kind, kernel, fused in (("Regular", 1, 0), ("Regular", 1, 1), ("Depthwise", 3, 0))
        for x in (8, 16, 24, 32, 48, 64, 96, 128, 192, 384)
        for y in ((x,) if kind == "Depthwise" else (8, 32, 64, 192, 384))
    ]
    (tmp_path / "rows").write_text("\n".join(rows))
    import_tensorrt(tmp_path / "rows", tmp_path / "v100.jsonl", batch=32, device="V100", dtype="fp16")
    model = load_model(tmp_path / "v100.jsonl", here=False)
    block = parse("SuperResIDWE6K3(64,64,1,32,1)")
    table = block.at(model.setting.shape._replace(channels=64, height=56, width=56))
    kept = [key.family for key, _ in fused_operations(table.rows())]
    assert kept.count("Conv kernel_size=1 stride=1 add") == 2
    expected = sum(
        0.01
        + 1e-6
        * key.in_channels
        * (1 if "depthwise" in key.family else key.out_channels)
        * (3 if "=3" in key.family else 1)
        for key, times in fused_operations(table.rows())
        for _ in range(times)
    )
    part = model.of_block(table.blocks[0], table.shape)
    assert part.micros / 1000 == pytest.approx(expected, rel=1e-6)
    assert model.interval is None
    assert model.upper == 1.0


# Searching --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_predicting_needs_no_torch(exact: Path) -> None:
    code = (
        "import sys; from plainnet.cli.main import main\n"
        f"try: main(['lut', 'predict', {str(exact)!r}, {next(networks(seed=14))!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


def search_config(exact: Path, **changes: Any) -> Any:
    from plainnet.search import SearchConfig, load_space
    from plainnet.search.ladder.latency_budget import with_table

    values: dict[str, Any] = {"limits": {"latency_ms": 1.0, "layers": 12}, "resolution": 32, "num_classes": 10}
    return with_table(SearchConfig(load_space(SPACE), **{**values, **changes}), exact)


def test_a_search_counts_the_upper_end_of_the_interval(exact: Path, model: LatencyModel) -> None:
    from plainnet.blocks.text.reader import read_blocks
    from plainnet.search import SearchConfig
    from plainnet.search.candidates.evaluation import Counter
    from plainnet.search.candidates.genes import GenePool

    config = search_config(exact)
    again = SearchConfig.from_json(config.to_json())
    assert again.latency_costs == config.latency_costs == model
    counter, pool = Counter(config.setting, asked=config.asked, latency=config.latency_costs), GenePool()
    for text in islice(networks(seed=12), 5):
        costs = counter.costs(tuple(pool.of_block(block, 0) for block in read_blocks(text)))
        assert costs is not None
        assert costs.latency_ms == pytest.approx(model.upper * predicted(model, text).latency_ms)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limits": {"layers": 12}}, "nothing asks for them"),
        ({"resolution": 64}, "resolution 32 there, 64 here"),
        ({"use_se": True}, "use_se False there, True here"),
        (
            {"objectives": ("min:params",), "limits": {"latency_ms": 1.0}, "resolution": 33},
            "resolution 32 there, 33 here",
        ),
    ],
)
def test_a_table_that_does_not_fit_a_search_is_refused(exact: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        search_config(exact, **changes)


@pytest.mark.tail
def test_an_exact_search_adds_predictions_up(exact: Path, model: LatencyModel) -> None:
    """The optimum under a latency budget is within it by the model."""
    from plainnet.search.exact.optimum import solved

    config = search_config(exact, limits={"latency_ms": 3.0, "layers": 8})
    found = solved(config, gap=0.01).result()
    assert found.best is not None
    upper = model.upper * predicted(model, found.best.structure).latency_ms
    assert upper == pytest.approx(found.best.costs["latency_ms"])
    assert upper <= 3.0
