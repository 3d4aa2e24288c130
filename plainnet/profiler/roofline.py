"""How far each layer of a network is from what the machine can do (Williams, Waterman and Patterson 2009).

    roof = max(operations / peak arithmetic, bytes / peak memory)        distance = measured / roof

Bytes are those that a layer must read and write at least: its inputs, its output and its weights, each once. A layer whose maps
are still in a cache may be faster than this roof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.rows.counts import row_sums
from plainnet.blocks.rows.walk import Row
from plainnet.errors import UsageError
from plainnet.profiler.counted_analysis import DTYPES
from plainnet.profiler.lut.latency_model import LatencyModel
from plainnet.profiler.lut.measuring import time_networks
from plainnet.profiler.lut.operations import Operation, operation, rows_with_head
from plainnet.profiler.lut.setting import LutSetting
from plainnet.profiler.peaks import Peaks, measure_peaks
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["Roofline", "RooflineRow", "roofline"]

PASSES = 10
"""Of the network; the least of them counts."""


@dataclass(frozen=True)
class RooflineRow:
    """All layers of one kind, map and widths: figures are of all of them together."""

    operation: Operation
    count: int
    flops: int
    """operations of every kind, a multiply-accumulate being two, for the batch"""
    bytes: int
    measured_us: float
    roof_us: float
    bound: str
    """"compute" or "memory\""""
    predicted_us: float | None = None
    """by a table of latencies; None without one, or where it holds no such operation"""

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def distance(self) -> float | None:
        """How many times as long as the roof allows; None for a layer that does nothing."""
        return self.measured_us / self.roof_us if self.roof_us else None

    def as_dict(self) -> dict[str, Any]:
        values = {name: value for name, value in vars(self).items() if name != "operation"}
        return {**self.operation._asdict(), **values, "intensity": self.intensity, "distance": self.distance}


@dataclass(frozen=True)
class Roofline(Result):
    """The layers of a network, those that take longest first."""

    peaks: Peaks
    rows: Sequence[RooflineRow]
    whole_us: float
    """the network in one call"""
    batch: int

    @property
    def is_predicted(self) -> bool:
        """Whether a table of latencies predicts some of it."""
        return any(row.predicted_us is not None for row in self.rows)

    @property
    def predicted_us(self) -> float | None:
        """All layers together; None where one is not predicted."""
        found = [row.predicted_us for row in self.rows]
        return None if None in found else sum(value for value in found if value is not None)

    def as_dict(self) -> dict[str, Any]:
        rows = [row.as_dict() for row in self.rows]
        return {"peaks": self.peaks.as_dict(), "whole_us": self.whole_us, "batch": self.batch, "layers": rows}

    def records(self) -> list[Mapping[str, Any]]:
        return [row.as_dict() for row in self.rows]

    def view(self) -> View:
        total = sum(row.measured_us for row in self.rows)
        columns = ["layer", "x", "us", "predicted", "%", "roof us", "distance", "bound", "ops/byte", "MB"]
        rows = [
            [
                str(row.operation),
                str(row.count),
                f"{row.measured_us:,.0f}",
                _micros(row.predicted_us),
                f"{100 * row.measured_us / total:.1f}",
                f"{row.roof_us:,.0f}",
                "" if row.distance is None else f"{row.distance:.1f}",
                row.bound,
                f"{row.intensity:.2f}",
                f"{row.bytes / 1e6:.2f}",
            ]
            for row in self.rows
        ]
        flops, size = sum(row.flops for row in self.rows), sum(row.bytes for row in self.rows)
        roof = sum(row.roof_us for row in self.rows)
        sums = ["total", str(sum(row.count for row in self.rows)), f"{total:,.0f}"]
        sums += [_micros(self.predicted_us), "100.0", f"{roof:,.0f}"]
        sums += [f"{total / roof:.1f}", "", f"{flops / size:.2f}", f"{size / 1e6:.2f}"]
        hint = "--json or a wider terminal"
        table = Table(
            columns,
            [*rows, sums],
            rule=True,
            drop=("MB", "ops/byte", "bound", "roof us", "%"),
            cut=("layer",),
            hint=hint,
        )
        table = table if self.is_predicted else table.without(["predicted"])
        return View(
            self.peaks.view().before, [table], [("whole call", f"{self.whole_us:,.0f} us for a batch of {self.batch}")]
        )


def _micros(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def roofline(
    table: NetworkTable,
    *,
    num_classes: int,
    batch: int = 1,
    threads: int = 1,
    dtype: str = "float32",
    seconds: float = 1.0,
    model: LatencyModel | None = None,
) -> Roofline:
    """Measure the machine and every layer of a network where it stands in it.

    seconds: of each of the machine's two peaks. model: of a table of latencies of this machine, whose predictions stand beside
    what was measured; `UsageError` for one of another batch, thread count or type.
    """
    _refuse_other_setting(model, batch=batch, threads=threads, dtype=dtype)
    setting = LutSetting(
        space="",
        in_channels=table.shape.channels,
        resolution=max(table.resolution),
        num_classes=num_classes,
        batch=batch,
        threads=threads,
        dtype=dtype,
    )
    peaks = measure_peaks(threads=threads, dtype=dtype, seconds=seconds)
    (times,) = time_networks([table], setting, passes=PASSES)
    rows = rows_with_head(table, num_classes, expand=True)
    found: dict[Operation, tuple[int, int, int]] = {}
    for row in rows:
        count, flops, size = found.get(operation(row), (0, 0, 0))
        more, larger = _work(row, rows, batch, DTYPES[dtype])
        found[operation(row)] = count + 1, flops + more, size + larger
    made = [_row(key, *found[key], micros, peaks, model) for key, micros in times.operations]
    return Roofline(peaks, sorted(made, key=lambda row: -row.measured_us), times.whole, batch)


def _work(row: Row, rows: Sequence[Row], batch: int, element_bytes: int) -> tuple[int, int]:
    """Operations and bytes of a row for a batch."""
    params, macs, _, _, _, *others = row_sums(row)
    inputs = sum(rows[value].out_shape.elements if value >= 0 else row.in_shape.elements for value in row.inputs)
    size = batch * (inputs + row.out_shape.elements) + params
    return batch * (2 * macs + sum(others)), element_bytes * size


def _refuse_other_setting(model: LatencyModel | None, **asked: Any) -> None:
    if model is None:
        return
    differing = [f"{name} {getattr(model.setting, name)}, not {value}" for name, value in asked.items()
                 if getattr(model.setting, name) != value]  # fmt: skip
    if differing:
        raise UsageError(f"the table of latencies is for {'; '.join(differing)}; accepted: what it was built for")


def _row(
    key: Operation, count: int, flops: int, size: int, micros: float, peaks: Peaks, model: LatencyModel | None
) -> RooflineRow:
    arithmetic, memory = flops / peaks.gflops / 1e3, size / peaks.gbytes_per_second / 1e3
    bound = "compute" if arithmetic > memory else "memory"
    form = None if model is None else model.formulas.form(key[:3])
    predicted = None if form is None else count * form.at(key.in_channels, key.out_channels)
    return RooflineRow(key, count, flops, size, count * micros, max(arithmetic, memory), bound, predicted)
