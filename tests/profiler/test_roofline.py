"""The machine's peaks, and every layer against them: figures that follow from each other, and add up to the counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.structure import parse
from plainnet.cli.main import main
from plainnet.errors import UsageError
from plainnet.profiler.lut.latency_model import LatencyModel
from plainnet.profiler.lut.operations import Operation
from plainnet.profiler.lut.table_model import load_model
from plainnet.profiler.peaks import Peaks, measure_peaks
from plainnet.profiler.roofline import Roofline, roofline
from tests.profiler.made_tables import CALL, made_table, networks, whole

STRUCTURE = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE6K3(8,16,2,8,2)"
SHAPE = Shape(3, 32, 48)


@pytest.fixture(scope="module")
def found() -> Roofline:
    return roofline(parse(STRUCTURE).at(SHAPE), num_classes=10, batch=2, seconds=0.01)


def test_operations_of_all_layers_are_those_that_are_counted(found: Roofline) -> None:
    counts = parse(STRUCTURE).at(SHAPE).counts(10).sums
    others = counts.bias_ops + counts.norm_ops + counts.act_ops + counts.pool_ops + counts.add_ops + counts.mul_ops
    assert sum(row.flops for row in found.rows) == 2 * (2 * counts.macs + others)


def test_bytes_of_a_layer_are_its_maps_and_its_weights(found: Roofline) -> None:
    rows = {row.operation: row for row in found.rows}
    stem = rows[Operation("Conv kernel_size=3 stride=2", 32, 48, 3, 8)]
    assert stem.bytes == 4 * (2 * (3 * 32 * 48 + 8 * 16 * 24) + 3 * 8 * 9)
    added = [row for row in found.rows if row.operation.family.startswith("Add")]
    assert {row.operation.height for row in added} == {8}  # what is added is as large as what comes out
    for row in added:
        assert row.bytes == row.count * 4 * 2 * 3 * row.operation.out_channels * 8 * 12


def test_roof_bound_and_distance_follow_from_the_peaks(found: Roofline) -> None:
    for row in found.rows:
        arithmetic = row.flops / (found.peaks.gflops * 1e3)
        memory = row.bytes / (found.peaks.gbytes_per_second * 1e3)
        assert row.roof_us == pytest.approx(max(arithmetic, memory))
        assert (row.bound == "compute") == (row.intensity > found.peaks.ridge)
        assert row.distance == pytest.approx(row.measured_us / row.roof_us)
    assert [row.measured_us for row in found.rows] == sorted((row.measured_us for row in found.rows), reverse=True)


def test_the_table_adds_up_and_fits(found: Roofline) -> None:
    lines = found.view().text(80).splitlines()
    assert max(map(len, lines)) <= 80
    records = found.to_dict()
    json.dumps(records, allow_nan=False)
    assert sum(layer["count"] for layer in records["layers"]) == sum(row.count for row in found.rows)


def test_peaks_are_rates_and_leave_torch_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    found = measure_peaks(threads=1, dtype="float32", seconds=0.01)
    assert 0.1 < found.gflops < 1e5
    assert 0.1 < found.gbytes_per_second < 1e4
    assert found.ridge == found.gflops / found.gbytes_per_second
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, True)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert isinstance(found, Peaks)
    with pytest.raises(UsageError, match="dtype 'float31'"):
        measure_peaks(dtype="float31")


def test_a_module_has_no_layers_of_a_structure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("from torch import nn\ndef build():\n    return nn.Conv2d(3, 4, 3)\n")
    with pytest.raises(SystemExit) as end:
        main(["analyze", f"{file}:build", "--no-latency", "--roofline", "--resolution", "8"])
    assert end.value.code == 2
    assert "--roofline looks at the layers of a structure" in " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LatencyModel:
    return load_model(made_table(tmp_path_factory.mktemp("table") / "t.jsonl"))


def test_what_a_table_predicts_stands_beside_what_was_measured(model: LatencyModel) -> None:
    text = next(iter(networks(99)))
    found = roofline(parse(text).at(Shape(3, 32, 32)), num_classes=10, seconds=0.01, model=model)
    assert all(row.predicted_us is not None for row in found.rows)
    assert found.predicted_us == pytest.approx(whole(text) - CALL, rel=0.05)
    assert found.to_dict()["layers"][0]["predicted_us"] == found.rows[0].predicted_us
    assert "predicted" in found.view().text(120)
    assert max(map(len, found.view().text(80).splitlines())) <= 80


def test_an_operation_that_a_table_does_not_hold_is_not_predicted(model: LatencyModel, found: Roofline) -> None:
    odd = roofline(parse("SuperConvK7BNRELU(3,8,2,1)").at(Shape(3, 32, 32)), num_classes=10, seconds=0.01, model=model)
    assert odd.predicted_us is None
    assert odd.is_predicted
    assert not found.is_predicted
    assert "predicted" not in found.view().text(120)


def test_a_table_of_another_setting_is_refused(model: LatencyModel) -> None:
    table = parse(STRUCTURE).at(SHAPE)
    with pytest.raises(UsageError, match="for batch 1, not 2; dtype float32, not bfloat16; accepted"):
        roofline(table, num_classes=10, batch=2, dtype="bfloat16", seconds=0.01, model=model)


def test_the_command_takes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = str(made_table(tmp_path / "t.jsonl"))
    words = [
        "analyze",
        next(iter(networks(99))),
        "--resolution",
        "32",
        "--num-classes",
        "10",
        "--no-zen",
        "--no-latency",
    ]
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--roofline", "--seconds", "0.01", "--latency-table", table, "--json"])
    assert json.loads(capsys.readouterr().out)["roofline"]["layers"][0]["predicted_us"] > 0
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--latency-table", table])
    assert "--roofline" in capsys.readouterr().err
