"""NAS-Bench-201: the 15,625 networks of one cell of four nodes, as strings.

Source: Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020. A code says for
each node after the first what is done on the way from every earlier node:

    |nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|

A node is the sum of what comes in. What cannot reach the last node is not part of the string: the published counts hold the
params of such convolutions all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import chain, product

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.structure import Structure
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import UsageError, nearest
from plainnet.templates.cell_names import renamed

__all__ = [
    "OPERATIONS",
    "nas_bench_201",
    "nas_bench_201_code",
    "nas_bench_201_codes",
    "nas_bench_201_network",
    "nas_bench_201_operations",
    "nas_bench_201_text",
]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(node, the earlier node) in the order of a code"""
_PLACES = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_CODE = re.compile(re.escape(_PLACES).replace(r"\{\}", r"([^|~+]+)"))

Operations = tuple[str, ...]


def nas_bench_201(code: str, *, channels: int = 16, cells: int = 5) -> str:
    """The network of a code: a stem, three stages of `cells` cells of `channels`, 2 and 4 times as many, residual reductions
    between them. Published at 32x32 with 10 classes.

    Raises `UsageError` for what is no code.
    """
    return "".join(_block_texts(nas_bench_201_operations(code), channels, cells))


def nas_bench_201_network(code: str, *, channels: int = 16, cells: int = 5) -> Structure:
    """The network of `nas_bench_201(code)`, read; blocks that networks have in common are read once."""
    blocks = [_read(text) for text in _block_texts(nas_bench_201_operations(code), channels, cells)]
    return Structure(chain.from_iterable(blocks))


def _block_texts(operations: Operations, channels: int, cells: int) -> Iterator[str]:
    yield f"ConvKX(3,{channels},3,1)BN({channels})"
    width = channels
    for stage in range(3):
        if stage:
            yield _reduction(width, 2 * width)
            width *= 2
        yield from [_cell(operations, width)] * cells
    yield f"BN({width})RELU({width})"


@lru_cache(maxsize=65_536)
def _read(text: str) -> tuple[PlainNetBasicBlockClass, ...]:
    return read_blocks(text)


def nas_bench_201_codes() -> tuple[str, ...]:
    """All 15,625 codes, in order."""
    return tuple(nas_bench_201_text(operations) for operations in product(OPERATIONS, repeat=len(_EDGES)))


def nas_bench_201_code(text: str) -> str:
    """The first of all codes that mean the network of a string, written as `nas_bench_201` writes it (names may differ);
    `UsageError` for another network.
    """
    found = re.match(r"ConvKX\(3,(\d+),3,1\)BN\(\1\)", text)
    width = int(found[1]) if found else 0
    rest = renamed(text[found.end() :]) if found else ""
    end = rest.find(_reduction(width, 2 * width))
    stage = rest[:end] if end > 0 else ""
    cells = next((count for count in range(1, len(stage) + 1) if _repeats(stage, count)), 0)
    for count in range(cells, len(stage) + 1):
        if not _repeats(stage, count):
            continue
        operations = _known_cells(width).get(stage[: len(stage) // count])
        if operations is None:
            continue
        code = nas_bench_201_text(operations)
        if renamed(nas_bench_201(code, channels=width, cells=count)) == renamed(text):
            return code
    raise UsageError("this is no network of NAS-Bench-201; accepted: a string as nas_bench_201(code) writes it")


def _repeats(text: str, count: int) -> bool:
    return bool(text) and len(text) % count == 0 and text[: len(text) // count] * count == text


@cache
def _known_cells(channels: int) -> dict[str, Operations]:
    known: dict[str, Operations] = {}
    for operations in product(OPERATIONS, repeat=len(_EDGES)):
        known.setdefault(renamed(_cell(operations, channels)), operations)
    return known


def nas_bench_201_text(operations: Operations) -> str:
    """The code that says six operations."""
    return _PLACES.format(*operations)


def nas_bench_201_operations(code: str) -> Operations:
    """The six operations that a code says; `UsageError` for what is no code."""
    found = _CODE.fullmatch(code.strip()) if isinstance(code, str) else None
    if not found:
        example = _PLACES.format(*["skip_connect"] * len(_EDGES))
        raise UsageError(f"{code!r} is no code of NAS-Bench-201; accepted: six operations, such as {example}")
    for name in found.groups():
        if name not in OPERATIONS:
            near = nearest(name, OPERATIONS)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"unknown operation {name!r}; accepted: {', '.join(OPERATIONS)}{hint}")
    return found.groups()


def _live_edges(operations: Operations) -> dict[int, list[tuple[str, int]]]:
    """(operation, earlier node) of each node on a way from the first node to the last."""
    edges = [(node, name, source) for (node, source), name in zip(_EDGES, operations, strict=True) if name != "none"]
    reached = {0}
    for node, _, source in edges:
        reached |= {node} if source in reached else set()
    needed = {3}
    for node, _, source in reversed(edges):
        needed |= {source} if node in needed else set()
    alive = reached & needed
    return {
        node: [(name, source) for target, name, source in edges if target == node and source in alive]
        for node in (1, 2, 3)
        if node in alive
    }


@lru_cache(maxsize=65_536)
def _cell(operations: Operations, channels: int) -> str:
    nodes = _live_edges(operations)
    if 3 not in nodes:
        return f"Zero({channels},1)"
    names, parts, last, written = {0: "x"}, "", "x", 0
    for node, edges in nodes.items():
        if edges[0][0] == "skip_connect" and len(edges) == 1:
            names[node] = names[edges[0][1]]
            continue
        written += 1
        name = f"n{written}"
        if len(edges) == 1:
            operation, source = edges[0]
            taken = "" if names[source] == last else f"From({names[source]})"
            parts += taken + _operation(operation, channels, name)
        else:
            branches = [f"From({names[source]})" + _operation(operation, channels) for operation, source in edges]
            parts += f"MultiSumBlock({name}|{';'.join(branches)})"
        names[node] = last = name
    used = [name for name in ("x", "n1", "n2") if f"From({name})" in parts]
    for name in {"x", "n1", "n2", "n3"} - set(used):
        parts = parts.replace(f"({name}|", "(")
    first = f"Identity({'x|' if 'x' in used else ''}{channels})"
    return f"Sequential({first}{parts})" if parts else first


def _operation(name: str, channels: int, label: str = "") -> str:
    """An operation as blocks, the last of them labelled."""
    label = f"{label}|" if label else ""
    if name == "skip_connect":
        return ""
    if name == "avg_pool_3x3":
        return f"AvgPool({label}{channels},3,1)"
    kernel = name[-1]
    return f"RELU({channels})ConvKX({channels},{channels},{kernel},1)BN({label}{channels})"


def _reduction(channels: int, out: int) -> str:
    main = f"RELU({channels})ConvKX({channels},{out},3,2)BN({out})RELU({out})ConvKX({out},{out},3,1)BN({out})"
    return f"MultiSumBlock({main};AvgPool({channels},2,2)ConvKX({channels},{out},1,1))"
