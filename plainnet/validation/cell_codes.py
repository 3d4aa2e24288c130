"""The codes of the cell networks whose accuracies ship, as what `plainnet.templates` writes their strings from.

A code of NAS-Bench-101 is the upper-triangular matrix of the cell, row after row, and a digit for each vertex's operation. One of
NAS-Bench-301 is the normal and the reduction cell with a dash between, each eight pairs of a source (0 and 1: the cells before)
and an operation, two for each node.
"""

from __future__ import annotations

from plainnet.blocks.structure import Structure, parse
from plainnet.errors import UsageError
from plainnet.templates.darts import darts
from plainnet.templates.nas_bench_101 import nas_bench_101

__all__ = ["cell_of_nas_bench_101", "genotype_of_nas_bench_301", "nas_bench_101_network", "nas_bench_301_network"]

_VERTICES = ("input", "output", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu")
_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
_NODES = (2, 3, 4, 5)
_CHANNELS, _CELLS = 32, 8

Cell = tuple[tuple[str, int], ...]


def cell_of_nas_bench_101(code: str) -> tuple[list[list[int]], list[str]]:
    """The matrix and the operations of a code.

    >>> cell_of_nas_bench_101("011001000041")
    ([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ['input', 'conv3x3-bn-relu', 'output'])
    """
    size = next((size for size in range(2, 8) if size * size + size == len(code)), 0)
    edges, vertices = code[: size * size], code[size * size :]
    if not size or not set(edges) <= set("01") or not set(vertices) <= set("01234"):
        raise UsageError(
            f"{code[:60]!r} is no code of NAS-Bench-101; accepted: a matrix of 0 and 1 for two to seven vertices, and their "
            "operations from 0 to 4"
        )
    matrix = [[int(edge) for edge in edges[row * size : (row + 1) * size]] for row in range(size)]
    return matrix, [_VERTICES[int(vertex)] for vertex in vertices]


def genotype_of_nas_bench_301(code: str) -> tuple[Cell, tuple[int, ...], Cell, tuple[int, ...]]:
    """The genotype of a code: (normal, the values that it puts out, reduction, the values that it puts out)."""
    cells = code.split("-")
    if len(cells) != 2 or any(len(cell) != 16 or not (cell.isascii() and cell.isdigit()) for cell in cells):
        raise UsageError(f"{code[:60]!r} is no code of NAS-Bench-301; accepted: two cells of sixteen digits")
    found = []
    for cell in cells:
        pairs = [(int(cell[at]), int(cell[at + 1])) for at in range(0, 16, 2)]
        for number, (source, operation) in enumerate(pairs):
            if source >= 2 + number // 2 or operation >= len(_OPERATIONS):
                raise UsageError(
                    f"{code[:60]!r} is no code of NAS-Bench-301: node {number // 2} takes {source}{operation}"
                )
        found.append(tuple((_OPERATIONS[operation], source) for source, operation in pairs))
    normal, reduction = found
    return normal, _NODES, reduction, _NODES


def nas_bench_101_network(code: str) -> Structure:
    """The network of a code, without pooling and classifier."""
    return parse(nas_bench_101(*cell_of_nas_bench_101(code)))


def nas_bench_301_network(code: str) -> Structure:
    """The network of a code, as the benchmark trains it: eight cells, the first 32 channels wide."""
    return parse(darts(genotype_of_nas_bench_301(code), channels=_CHANNELS, layers=_CELLS))
