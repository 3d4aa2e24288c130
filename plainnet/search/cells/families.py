"""The published spaces of cells, as a search knows them: NAS-Bench-201, NAS-Bench-101 and DARTS."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import UsageError
from plainnet.search.cells.family import CellFamily, Code
from plainnet.templates import darts, nas_bench_101, nas_bench_201

__all__ = ["FAMILIES"]

Blocks = tuple[PlainNetBasicBlockClass, ...]

DARTS_OPERATIONS = (
    "skip_connect",
    "max_pool_3x3",
    "avg_pool_3x3",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "sep_conv_3x3",
    "sep_conv_5x5",
)
DARTS_NODES = 4


class NasBench201(CellFamily):
    """Six edges between four nodes, an operation on each (Dong and Yang 2020). A code is that of `plainnet.nas_bench_201`;
    those whose last node nothing reaches put out zeros and are no networks of a search.
    """

    name = "nas-bench-201"
    sizes = {"channels": 16, "cells": 5}
    places = (("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3"),) * 6

    def read(self, text: str) -> Code:
        code = nas_bench_201.nas_bench_201_operations(text)
        if not self.is_network(code):
            raise UsageError(
                f"{text!r}: nothing that comes in reaches the last node; accepted: a code in which something does"
            )
        return code

    def write(self, code: Code) -> str:
        return nas_bench_201.nas_bench_201_text(code)

    def code_of(self, text: str) -> Code:
        return self.read(nas_bench_201.nas_bench_201_code(text))

    def blocks(self, code: Code) -> Blocks:
        return nas_bench_201.nas_bench_201_network(self.write(code), **self.size).blocks

    def is_network(self, code: Code) -> bool:
        first, second, between, third, from_first, from_second = (name != "none" for name in code)
        return bool(third or (first and (from_first or (between and from_second))) or (second and from_second))


class NasBench101(CellFamily):
    """Up to seven vertices and nine edges (Ying et al. 2019): the entries of the matrix above its diagonal, row by row, then
    the operations of the five inner vertices. Vertices on no way from input to output count for nothing, their edges neither.

    A code is written as the rows of the matrix, and the operations of the inner vertices:

        0100000 0010000 ... | conv3x3-bn-relu maxpool3x3 ...
    """

    name = "nas-bench-101"
    sizes = {"channels": 128, "stacks": 3, "cells": 3}
    places = (*[(0, 1)] * 21, *[nas_bench_101.OPERATIONS] * 5)
    most_edges, vertices = 9, 7

    def read(self, text: str) -> Code:
        before, bar, behind = text.partition("|")
        rows, operations = before.split(), behind.split()
        if not bar or not rows or any(set(row) - {"0", "1"} for row in rows):
            raise UsageError(
                f"{text!r} is no code of NAS-Bench-101; accepted: the rows of the matrix, a bar, and the operations of the inner "
                "vertices, such as 010 001 000 | conv3x3-bn-relu"
            )
        matrix, ops = nas_bench_101.checked_cell(
            [[int(edge) for edge in row] for row in rows], (nas_bench_101.INPUT, *operations, nas_bench_101.OUTPUT)
        )
        if len(ops) > self.vertices:
            raise UsageError(f"a cell of {len(ops)} vertices; accepted: up to {self.vertices}")
        code = self._padded(matrix, ops)
        if not self.is_network(code):
            raise UsageError(
                f"{text!r} is no network of the space; accepted: a way from input to output, and up to {self.most_edges} edges"
            )
        return code

    def _padded(self, matrix: nas_bench_101.Matrix, ops: tuple[str, ...]) -> Code:
        """The code of a cell, with vertices that nothing reaches in front of its output."""
        kept = [*range(len(ops) - 1), *[-1] * (self.vertices - len(ops)), len(ops) - 1]
        edges = [
            int(kept[row] >= 0 <= kept[column] and matrix[kept[row]][kept[column]])
            for row in range(self.vertices)
            for column in range(row + 1, self.vertices)
        ]
        inner = [ops[vertex] if vertex >= 0 else nas_bench_101.OPERATIONS[0] for vertex in kept[1:-1]]
        return (*edges, *inner)

    def _cell(self, code: Code) -> tuple[nas_bench_101.Matrix, tuple[str, ...]]:
        edges, rows = iter(code), []
        for row in range(self.vertices):
            rows.append((*[0] * (row + 1), *[next(edges) for _ in range(row + 1, self.vertices)]))
        return tuple(rows), (nas_bench_101.INPUT, *edges, nas_bench_101.OUTPUT)

    def write(self, code: Code) -> str:
        matrix, ops = self._cell(code)
        return f"{' '.join(''.join(map(str, row)) for row in matrix)} | {' '.join(ops[1:-1])}"

    def code_of(self, text: str) -> Code:
        return self._padded(*nas_bench_101.nas_bench_101_code(text))

    def blocks(self, code: Code) -> Blocks:
        matrix, ops = self._cell(code)
        return _read(nas_bench_101.nas_bench_101(matrix, ops, **self.size))

    def is_network(self, code: Code) -> bool:
        try:
            matrix, _ = nas_bench_101.pruned_cell(*self._cell(code))
        except UsageError:
            return False
        return sum(map(sum, matrix)) <= self.most_edges


class Darts(CellFamily):
    """A normal and a reduction cell of four nodes, each the sum of two operations on two different earlier values (Liu et al.
    2019); the operations are those that the authors' search may choose.

    A code is written node by node, the reduction cell behind a semicolon:

        sep_conv_3x3~0|sep_conv_3x3~1+skip_connect~0|dil_conv_3x3~2+...+...;max_pool_3x3~0|...
    """

    name = "darts"
    sizes = {"channels": 36, "layers": 20}
    places = tuple(tuple(product(DARTS_OPERATIONS, range(2 + node))) for node in (0, 0, 1, 1, 2, 2, 3, 3) * 2)

    def read(self, text: str) -> Code:
        if not re.fullmatch(r"[\w~|+;\s]+", text) or text.count(";") != 1:
            raise self._refusal(text)
        pairs = []
        for cell in re.sub(r"\s", "", text).split(";"):
            nodes = [node.split("|") for node in cell.split("+")]
            if len(nodes) != DARTS_NODES or any(len(node) != 2 for node in nodes):
                raise self._refusal(text)
            pairs += [edge.partition("~") for node in nodes for edge in node]
        code: list[tuple[str, int]] = []
        for options, (name, _, source) in zip(self.places, pairs, strict=True):
            if not source.isdigit() or (name, int(source)) not in options:
                raise UsageError(
                    f"{name}~{source} in node {len(code) // 2 % DARTS_NODES}; accepted: one of {', '.join(DARTS_OPERATIONS)}, "
                    f"~ and a value from 0 to {options[-1][1]}"
                )
            code.append((name, int(source)))
        found = self.ordered(tuple(code))
        if not self.is_network(found):
            raise UsageError(f"{text!r}: a node takes one value twice; accepted: two values that differ")
        return found

    def _refusal(self, text: str) -> UsageError:
        return UsageError(
            f"{text!r} is no code of DARTS; accepted: two cells with a ; between them, each of {DARTS_NODES} nodes with + "
            "between them, each of two operations such as sep_conv_3x3~0|skip_connect~1"
        )

    def write(self, code: Code) -> str:
        edges = [f"{name}~{source}" for name, source in code]
        nodes = ["|".join(edges[first : first + 2]) for first in range(0, len(edges), 2)]
        return ";".join("+".join(nodes[first : first + DARTS_NODES]) for first in (0, DARTS_NODES))

    def ordered(self, code: Code) -> Code:
        """The two operations of each node by the value that they take: a sum has no order."""
        pairs = [sorted(code[first : first + 2], key=_value) for first in range(0, len(code), 2)]
        return tuple(edge for pair in pairs for edge in pair)

    def code_of(self, text: str) -> Code:
        found = darts.darts_genotype(text)
        return self.ordered((*found.normal, *found.reduce))

    def blocks(self, code: Code) -> Blocks:
        half, concat = len(code) // 2, tuple(range(2, 2 + DARTS_NODES))
        return _read(darts.darts((code[:half], concat, code[half:], concat), **self.size))

    def is_network(self, code: Code) -> bool:
        return all(code[first][1] != code[first + 1][1] for first in range(0, len(code), 2))


def _value(edge: tuple[str, int]) -> int:
    return edge[1]


@lru_cache(maxsize=32)
def _read(text: str) -> Blocks:
    """The blocks of a network, which is asked for when it is counted and again when it is scored."""
    return read_blocks(text)


FAMILIES: dict[str, type[CellFamily]] = {family.name: family for family in (NasBench201, NasBench101, Darts)}
"""Name -> the cells of a published space."""
