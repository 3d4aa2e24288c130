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
from plainnet.profiler.lut.operations import Operation
from plainnet.profiler.peaks import Peaks, measure_peaks
from plainnet.profiler.roofline import Roofline, roofline

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
