"""The submodules of a module as the rows of a table: as deep as is asked for, equal neighbours once, columns that add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from plainnet.network.counting.module_tree import ModuleCost

__all__ = ["ITSELF", "ModuleRow", "module_rows"]

ITSELF = "(itself)"
"""The name of the row with what a module has beside its submodules."""


@dataclass(frozen=True)
class ModuleRow:
    """A submodule, or several equal ones in a row, with all that is inside."""

    name: str
    """from the row above it that holds it: "conv1", or "[1-3]" for equal neighbours of the names 1 to 3"""
    depth: int
    kind: str
    count: int
    """submodules in the row; the numbers are those of all of them"""
    calls: int
    output_shape: Any
    params: int
    macs: int
    activations: int
    uncounted: tuple[str, ...]


def module_rows(modules: Sequence[ModuleCost], *, depth: int | None = None) -> list[ModuleRow]:
    """The rows in the order of the names; the first is the module itself.

    depth: how deep to look, 1 for the children; None for all. The rows one step below a row add up to it: what a module has
    beside its children stands in a row `ITSELF`.
    """
    children: dict[str, list[ModuleCost]] = {}
    for part in modules[1:]:
        children.setdefault(part.path.rpartition(".")[0], []).append(part)
    return _rows([modules[0]], children, 0, depth)


def _rows(
    equal: list[ModuleCost], children: dict[str, list[ModuleCost]], level: int, depth: int | None
) -> list[ModuleRow]:
    """The row of equal submodules, and those below it: of the first of them, times their number."""
    first, times = equal[0], len(equal)
    names = [part.path.rpartition(".")[2] for part in equal]
    rows = [_row(first, names[0] if times == 1 else f"[{names[0]}-{names[-1]}]", level, times)]
    parts = children.get(first.path, [])
    if not parts or (depth is not None and level >= depth):
        return rows
    below: list[ModuleRow] = []
    for _, group in groupby(parts, key=lambda part: _signature(part, children)):
        below += _rows(list(group), children, level + 1, depth)
    below = [_times(row, times) for row in below]
    direct = [row for row in below if row.depth == level + 1]
    rest = {
        column: getattr(rows[0], column) - sum(getattr(row, column) for row in direct)
        for column in ("params", "macs", "activations")
    }
    if any(rest.values()):
        below.append(ModuleRow(ITSELF, level + 1, "", 1, 0, None, **rest, uncounted=()))
    return [*rows, *below]


def _row(part: ModuleCost, name: str, level: int, times: int) -> ModuleRow:
    row = ModuleRow(
        name,
        level,
        part.kind,
        1,
        part.calls,
        part.output_shape,
        part.params,
        part.macs,
        part.activations,
        part.uncounted,
    )
    return _times(row, times)


def _times(row: ModuleRow, times: int) -> ModuleRow:
    numbers = {name: getattr(row, name) * times for name in ("count", "calls", "params", "macs", "activations")}
    return ModuleRow(**{**vars(row), **numbers})


def _signature(part: ModuleCost, children: dict[str, list[ModuleCost]]) -> Any:
    """What equal submodules have in common, inside too."""
    own = (part.kind, part.params, part.calls, repr(part.output_shape), part.macs, part.activations, part.uncounted)
    inside = [(p.path.rpartition(".")[2], _signature(p, children)) for p in children.get(part.path, [])]
    return (*own, tuple(sorted(part.operations.items())), tuple(inside))
