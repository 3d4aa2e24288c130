"""NAS-Bench-101: networks of one cell of up to seven vertices, as strings.

Source: Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019. A cell is an upper-triangular
matrix of edges and an operation for each vertex, the first being the input and the last the output. Inner vertices take the
sum of what comes in; what reaches the output is put together along the channels, so that the output's channels are divided
among the vertices that reach it (the first ones get one more where it does not come out even). An edge from the input is a
1x1 convolution, an edge to fewer channels drops the last ones. Vertices on no way from input to output are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import StructureError, UsageError, nearest
from plainnet.templates.cell_names import renamed

__all__ = ["INPUT", "OPERATIONS", "OUTPUT", "checked_cell", "nas_bench_101", "nas_bench_101_code", "pruned_cell"]

INPUT, OUTPUT = "input", "output"
OPERATIONS = ("maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu")

Matrix = tuple[tuple[int, ...], ...]
Block = PlainNetBasicBlockClass


def nas_bench_101(
    matrix: Sequence[Sequence[int]], ops: Sequence[str], *, channels: int = 128, stacks: int = 3, cells: int = 3
) -> str:
    """The network of a cell: a 3x3 stem, `stacks` stacks of `cells` cells, twice as wide behind each 2x2 max pooling. Published
    at 32x32 with 10 classes.

    matrix: 0 or 1 for an edge from row to column; ops: "input", some of `OPERATIONS`, "output".
    Raises `UsageError` for what is no cell, or one whose output nothing reaches.
    """
    edges, operations = pruned_cell(*checked_cell(matrix, ops))
    text, before, width = f"ConvKX(3,{channels},3,1)BN({channels})RELU({channels})", channels, channels
    for stack in range(stacks):
        if stack:
            text += f"MaxPool({width},2,2)"
            width *= 2
        for _ in range(cells):
            text += _cell(edges, operations, before, width)
            before = width
    return text


def nas_bench_101_code(text: str) -> tuple[Matrix, tuple[str, ...]]:
    """The matrix and the operations of a network, without vertices that are on no way; `UsageError` for a string that
    `nas_bench_101` does not write (names may differ).
    """
    refusal = UsageError(
        "this is no network of NAS-Bench-101; accepted: a string as nas_bench_101(matrix, ops) writes it"
    )
    try:
        blocks = read_blocks(text)
    except StructureError:
        raise refusal from None
    cells = [block for block in blocks if block.name == "Sequential"]
    pools = [block for block in blocks if block.name == "MaxPool"]
    channels = blocks[0].channels_out(3) if blocks else None
    if not cells or not channels:
        raise refusal
    try:
        matrix, ops = _cell_code(cells[0])
        stacks = len(pools) + 1
        again = nas_bench_101(matrix, ops, channels=channels, stacks=stacks, cells=len(cells) // stacks)
    except (UsageError, KeyError, IndexError, ValueError):
        raise refusal from None
    if read_blocks(again) != blocks and renamed(again) != renamed(text):
        raise refusal
    return matrix, ops


def checked_cell(matrix: Sequence[Sequence[int]], ops: Sequence[str]) -> tuple[Matrix, tuple[str, ...]]:
    """The cell as tuples; `UsageError` for a matrix or an operation that is none."""
    edges = tuple(tuple(row) for row in matrix)
    size = len(edges)
    if size < 2 or any(len(row) != size for row in edges) or len(ops) != size:
        raise UsageError(
            f"a matrix of {size} rows of {', '.join(str(len(row)) for row in edges) or 'no'} columns, and {len(ops)} operations;"
            " accepted: a square matrix of at least two rows, and an operation for each"
        )
    for row, values in enumerate(edges):
        for column, value in enumerate(values):
            if value not in (0, 1) or (value and column <= row):
                raise UsageError(f"matrix[{row}][{column}] is {value}; accepted: 0, or 1 for a column behind the row")
    if ops[0] != INPUT or ops[-1] != OUTPUT:
        raise UsageError(
            f"the operations begin with {ops[0]!r} and end with {ops[-1]!r}; accepted: {INPUT} first, {OUTPUT} last"
        )
    for name in ops[1:-1]:
        if name not in OPERATIONS:
            near = nearest(str(name), OPERATIONS)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"unknown operation {name!r}; accepted: {', '.join(OPERATIONS)}{hint}")
    return tuple(tuple(map(int, row)) for row in edges), tuple(ops)


def pruned_cell(edges: Matrix, ops: tuple[str, ...]) -> tuple[Matrix, tuple[str, ...]]:
    """The cell without vertices that are on no way from its input to its output; `UsageError` where there is no way."""
    size = len(edges)
    reached, needed = {0}, {size - 1}
    for vertex in range(1, size):
        reached |= {vertex} if any(edges[source][vertex] for source in reached) else set()
    for vertex in reversed(range(size - 1)):
        needed |= {vertex} if any(edges[vertex][target] for target in needed) else set()
    kept = sorted(reached & needed)
    if 0 not in kept or size - 1 not in kept:
        raise UsageError("no way leads from the cell's input to its output; accepted: a matrix with at least one")
    return tuple(tuple(edges[row][column] for column in kept) for row in kept), tuple(ops[vertex] for vertex in kept)


def _vertex_channels(edges: Matrix, channels: int, out: int) -> list[int]:
    """How many channels each vertex has: a share of the output's, or as many as the widest that it leads to."""
    size = len(edges)
    widths = [channels] + [0] * (size - 2) + [out]
    reaching = [vertex for vertex in range(1, size - 1) if edges[vertex][-1]]
    for number, vertex in enumerate(reaching):
        widths[vertex] = out // len(reaching) + (number < out % len(reaching))
    for vertex in reversed(range(1, size - 1)):
        if not edges[vertex][-1]:
            widths[vertex] = max(widths[target] for target in range(vertex + 1, size - 1) if edges[vertex][target])
    if 0 in widths:
        raise UsageError(
            f"{out} channels cannot be divided among {len(reaching)} vertices; accepted: at least as many channels"
        )
    return widths


def _conv(channels: int, out: int, kernel: int, name: str = "") -> str:
    return f"ConvKX({channels},{out},{kernel},1)BN({out})RELU({name}{out})"


def _cell(edges: Matrix, ops: tuple[str, ...], channels: int, out: int) -> str:
    widths, last = _vertex_channels(edges, channels, out), len(edges) - 1
    taken = [sum(row) for row in edges]
    parts = ""
    for vertex in range(1, last):
        branches = [_edge(source, widths, vertex) for source in range(vertex) if edges[source][vertex]]
        width, name = widths[vertex], f"v{vertex}|"
        parts += branches[0] if len(branches) == 1 else f"MultiSumBlock({';'.join(branches)})"
        if ops[vertex] == "maxpool3x3":
            parts += f"MaxPool({name}{width},3,1)"
        else:
            parts += _conv(width, width, int(ops[vertex][4]), name)
    ends = [f"From(v{vertex})" for vertex in range(1, last) if edges[vertex][last]]
    whole = ends[0] if len(ends) == 1 else f"MultiCatBlock({';'.join(ends)})" if ends else ""
    projected = f"From(x){_conv(channels, out, 1)}" if edges[0][last] else ""
    parts += f"MultiSumBlock({whole};{projected})" if whole and projected else whole or projected
    assert taken[0], "a pruned cell takes its input"
    return f"Sequential(Identity(x|{channels}){parts})"


def _edge(source: int, widths: Sequence[int], target: int) -> str:
    """What comes from a vertex, in the channels of another."""
    if source == 0:
        return f"From(x){_conv(widths[0], widths[target], 1)}"
    cut = f"ChannelSlice({widths[source]},{widths[target]})" if widths[source] > widths[target] else ""
    return f"From(v{source}){cut}"


def _cell_code(cell: Block) -> tuple[Matrix, tuple[str, ...]]:
    """The cell that blocks stand for: every vertex begins with `From` or a sum, and ends in a name."""
    first, *rest = cell.children
    numbers = {str(first.label): 0}
    vertices: list[tuple[list[int], str]] = []
    sources: list[int] = []
    kernels: list[int] = []
    for block in rest:
        if block.name == "From":
            sources, kernels = [numbers[_taken(block)]], []
        elif block.name in ("MultiSumBlock", "MultiCatBlock"):
            sources, kernels = [numbers[name] for name in re.findall(r"From\((\w+)\)", str(block))], []
        elif block.name == "ConvKX":
            kernels.append(int(str(block).split(",")[2]))
        if block.label:
            if block.name == "MaxPool":
                vertices.append((sources, "maxpool3x3"))
            else:
                vertices.append((sources, f"conv{kernels[-1]}x{kernels[-1]}-bn-relu"))
            numbers[block.label] = len(vertices)
    vertices.append((sources, OUTPUT))
    size = len(vertices) + 1
    columns = [[0] * size] + [[int(row in taken) for row in range(size)] for taken, _ in vertices]
    matrix = tuple(tuple(columns[column][row] for column in range(size)) for row in range(size))
    return matrix, (INPUT, *(operation for _, operation in vertices))


def _taken(block: Block) -> str:
    return str(block).removeprefix("From(").removesuffix(")")
