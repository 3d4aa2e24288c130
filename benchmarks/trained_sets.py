"""Public sets of trained networks as tables of rows: what their codes mean, graph by graph.

The files (CSV, gzipped) are given by a folder: Accel-NASBench, TransNAS-Bench-101 (macro), NAS-Bench-101 (a sample) and
NAS-Bench-301 (a surrogate's accuracies).
"""

from __future__ import annotations

import ast
import csv
import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from plainnet.blocks.rows.layers import Act, Add, Concat, Conv, Layers, Norm, Pool, Sum, depthwise
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT, Row, joined, walk

__all__ = ["SETS", "TrainedSet", "read_set"]

Graph = Callable[[dict[str, str]], tuple[list[Row], Shape]]


class TrainedSet(NamedTuple):
    """A set: its file, what makes rows of one of its lines, and the columns of its accuracies."""

    file: str
    graph: Graph
    accuracies: tuple[str, ...]


def read_set(folder: Path, name: str) -> tuple[list[tuple[list[Row], Shape]], dict[str, list[float]]]:
    """The graphs of a set and its accuracies by column, NaN where a network has none."""
    found = SETS[name]
    with gzip.open(folder / found.file) as packed:
        lines = list(csv.DictReader(io.TextIOWrapper(packed, encoding="utf-8")))
    return [found.graph(line) for line in lines], {
        column: [float(line[column] or "nan") for line in lines] for column in found.accuracies
    }


class _Rows:
    """A graph, written row by row."""

    def __init__(self, shape: Shape) -> None:
        self.rows: list[Row] = []
        self.image = shape

    def shape(self, value: int) -> Shape:
        return self.image if value == INPUT else self.rows[value].out_shape

    def add(self, value: int, *layers: Any) -> int:
        """Layers behind a value; the value that comes out."""
        first = len(self.rows)
        rows, _ = walk(layers, self.shape(value), expand=True)
        for row in rows:
            inputs = tuple(value if source == INPUT else source + first for source in row.inputs)
            self.rows.append(row._replace(path=f"{len(self.rows)}", inputs=inputs))
        return len(self.rows) - 1 if rows else value

    def join(self, layer: Sum | Concat, values: list[int]) -> int:
        if len(values) == 1:
            return values[0]
        shapes = [self.shape(value) for value in values]
        self.rows.append(Row(f"{len(self.rows)}", layer, tuple(values), shapes[0], joined(layer, shapes), 1))
        return len(self.rows) - 1

    def sum(self, values: list[int]) -> int:
        return self.join(Sum(((),) * max(1, len(values))), values)

    def concat(self, values: list[int]) -> int:
        return self.join(Concat(((),) * max(1, len(values))), values)


def _conv(channels: int, kernel: int = 1, stride: int = 1) -> Layers:
    return Conv(channels, kernel, stride), Norm(), Act()


def _accel(line: dict[str, str]) -> tuple[list[Row], Shape]:
    from plainnet.blocks.rows.layers import AdaptivePool, Scale

    shape, layers, channels = Shape(3, 224, 224), list(_conv(32, 3, 2)), 32
    stages = zip(
        (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1), line["expansion"], line["kernel"], line["layers"],
        line["se"], strict=True,
    )  # fmt: skip
    for out, first, expansion, kernel, count, gated in stages:
        for number in range(int(count)):
            stride, hidden = first if number == 0 else 1, channels * int(expansion)
            unit = [*_conv(hidden)] if int(expansion) > 1 else []
            unit += [depthwise(hidden, int(kernel), stride), Norm(), Act()]
            if int(gated):
                squeezed = max(1, channels // 4)
                gate = (Conv(squeezed, bias=True), Act(), Conv(hidden, bias=True), Act("sigmoid"))
                unit.append(Scale((AdaptivePool(1), *gate)))
            unit += [Conv(out), Norm()]
            layers += [Add(tuple(unit))] if stride == 1 and channels == out else unit
            channels = out
    rows, _ = walk((*layers, *_conv(1280)), shape, expand=True)
    return rows, shape


def _macro(line: dict[str, str]) -> tuple[list[Row], Shape]:
    shape, channels = Shape(3, 256, 256), 64
    layers = [*_conv(32, 3, 2), Conv(64, 3, 2), Norm()]
    for digit in line["code"].rstrip("0"):  # 0: no module
        out, stride = channels * (2 if digit in "24" else 1), 2 if digit in "34" else 1
        for unit in range(2):
            step = stride if unit == 0 else 1
            main = (Act(), Conv(out, 3, step), Norm(), Act(), Conv(out, 3), Norm())
            skip = (Conv(out, 1, step), Norm()) if step > 1 or channels != out else ()
            layers.append(Add(main, skip))
            channels = out
    rows, _ = walk(tuple(layers), shape, expand=True)
    return rows, shape


def _nas_bench_101(line: dict[str, str]) -> tuple[list[Row], Shape]:
    numbers = [int(float(text)) for text in line["matrix_and_ops"].split()]
    size = round((len(numbers) + 0.25) ** 0.5 - 0.5)
    ops = numbers[size * size :]
    last = ops.index(1)
    edges = {(i, j) for i in range(last) for j in range(i + 1, last + 1) if numbers[i * size + j]}
    forward, back = {0}, {last}
    for i, j in sorted(edges):
        if i in forward:
            forward.add(j)
    for i, j in sorted(edges, reverse=True):
        if j in back:
            back.add(i)
    edges = {(i, j) for i, j in edges if {i, j} <= forward & back}
    graph = _Rows(Shape(3, 32, 32))
    value = graph.add(INPUT, *_conv(128, 3))
    for stack, width in enumerate((128, 256, 512)):
        if stack:
            value = graph.add(value, Pool("max", 2, 2))
        for _ in range(3):
            value = _cell_101(graph, value, edges, ops, last, width)
    return graph.rows, graph.image


def _cell_101(graph: _Rows, value: int, edges: set[tuple[int, int]], ops: list[int], last: int, width: int) -> int:
    inner = sorted({i for i, _ in edges if i} | {j for _, j in edges if j != last})
    ends = [vertex for vertex in inner if (vertex, last) in edges]
    channels = {last: width}
    for rank, vertex in enumerate(ends):
        channels[vertex] = width // len(ends) + (rank < width % len(ends))
    for vertex in reversed(inner):
        for i, j in edges:
            if i == vertex and j != last:
                channels[vertex] = max(channels.get(vertex, 0), channels[j])
    values = {0: value}
    for vertex in inner:
        parts = []
        for i in sorted(i for i, j in edges if j == vertex):
            if i == 0:
                parts.append(graph.add(value, *_conv(channels[vertex])))
            else:  # a wider one is cut to the first channels
                parts.append(_cut(graph, values[i], channels[vertex]))
        summed = graph.sum(parts)
        layers = {2: (Pool("max", 3, 1),), 3: _conv(channels[vertex]), 4: _conv(channels[vertex], 3)}[ops[vertex]]
        values[vertex] = graph.add(summed, *layers)
    outputs = [graph.concat([values[vertex] for vertex in ends])] if ends else []
    if (0, last) in edges:
        outputs.append(graph.add(value, *_conv(width)))
    return graph.sum(outputs)


def _cut(graph: _Rows, value: int, channels: int) -> int:
    shape = graph.shape(value)
    if shape.channels == channels:
        return value
    graph.rows.append(Row(f"{len(graph.rows)}", Act("identity"), (value,), shape, shape._replace(channels=channels), 1))
    return len(graph.rows) - 1


def _darts(line: dict[str, str]) -> tuple[list[Row], Shape]:
    cells = ast.literal_eval(line["arch"])
    graph = _Rows(Shape(3, 32, 32))
    before = last = graph.add(INPUT, Conv(96, 3), Norm())
    width, reduced = 32, False
    for number in range(8):
        reduces = number in (2, 5)
        width *= 2 if reduces else 1
        before, last, reduced = (
            last,
            _cell_darts(graph, before, last, cells[int(reduces)], width, reduces=reduces, reduced=reduced),
            reduces,
        )
    return graph.rows, graph.image


def _cell_darts(
    graph: _Rows, before: int, last: int, genotype: list[tuple[int, int]], width: int, *, reduces: bool, reduced: bool
) -> int:
    values = [
        graph.add(before, Act(), Conv(width, 1, 2 if reduced else 1), Norm()),
        graph.add(last, Act(), Conv(width), Norm()),
    ]
    for node in range(4):
        parts = []
        for source, op in genotype[2 * node : 2 * node + 2]:
            stride = 2 if reduces and source < 2 else 1
            parts.append(graph.add(values[source], *_op_darts(op, width, stride)))
        values.append(graph.sum(parts))
    return graph.concat(values[2:])


def _op_darts(op: int, width: int, stride: int) -> Layers:
    if op in (0, 1):
        return Pool("avg" if op else "max", 3, stride), Norm()
    if op == 2:
        return (Act(), Conv(width, 1, 2), Norm()) if stride > 1 else ()
    kernel = 3 if op in (3, 5) else 5
    unit = (Act(), depthwise(width, kernel, stride), Conv(width), Norm())
    return (*unit, Act(), depthwise(width, kernel), Conv(width), Norm()) if op < 5 else unit


SETS = {
    "accel": TrainedSet("accel_nas_bench.csv.gz", _accel, ("val_top1",)),
    "nas-bench-101": TrainedSet("nas_bench_101_sample.csv.gz", _nas_bench_101, ("val_accuracy",)),
    "nas-bench-301": TrainedSet("nas_bench_301_surrogate_725.csv.gz", _darts, ("surrogate_accuracy",)),
    "transnas-macro": TrainedSet(
        "transnas_macro.csv.gz",
        _macro,
        ("class_scene", "class_object", "autoencoder", "normal", "jigsaw", "room_layout", "segmentsemantic"),
    ),
}


def names() -> Iterator[str]:
    """The names of the sets."""
    yield from SETS
