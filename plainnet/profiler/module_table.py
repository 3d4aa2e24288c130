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
ITSELF_MS = 0.01
"""A module that takes a smaller share of the whole time beside its submodules has no such row for that."""

_ADDED = ("params", "macs", "activations")


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
    output_bytes: int
    uncounted: tuple[str, ...]
    ms: float | None = None


def module_rows(modules: Sequence[ModuleCost], *, depth: int | None = None) -> list[ModuleRow]:
    """The rows in the order of the names; the first is the module itself.

    depth: how deep to look, 1 for the children; None for all. The rows one step below a row add up to it: what a module has
    beside its children stands in a row `ITSELF` (time of less than `ITSELF_MS` of the whole excepted).
    """
    children: dict[str, list[ModuleCost]] = {}
    for part in modules[1:]:
        children.setdefault(part.path.rpartition(".")[0], []).append(part)
    return _Rows(children, {part.path: part for part in modules}, depth).of([modules[0]], [""], 0)


@dataclass(frozen=True)
class _Rows:
    """What the rows are made of: the children of every path, and all submodules by path."""

    children: dict[str, list[ModuleCost]]
    by_path: dict[str, ModuleCost]
    depth: int | None

    def of(self, equal: list[ModuleCost], paths: list[str], level: int) -> list[ModuleRow]:
        """The row of equal neighbours, and those below it.

        paths: of these, and of those that stand at the same places in modules that are equal to the one that holds them.
        """
        first = equal[0]
        names = [part.path.rpartition(".")[2] for part in equal]
        name = names[0] if len(equal) == 1 else f"[{names[0]}-{names[-1]}]"
        whole = _row(name, level, [self.by_path[path] for path in paths])
        parts = self.children.get(first.path, [])
        if not parts or (self.depth is not None and level >= self.depth):
            return [whole]
        below: list[ModuleRow] = []
        for _, group in groupby(parts, key=lambda part: _signature(part, self.children)):
            members = list(group)
            inside = [path + part.path[len(first.path) :] for path in paths for part in members]
            below += self.of(members, inside, level + 1)
        rest = _beside(whole, [row for row in below if row.depth == level + 1])
        is_slow = rest.ms is not None and rest.ms > ITSELF_MS * (self.by_path[""].ms or 0)
        if rest.params or rest.macs or rest.activations or is_slow:
            below.append(rest)
        return [whole, *below]


def _row(name: str, level: int, parts: Sequence[ModuleCost]) -> ModuleRow:
    """One row for equal submodules."""
    first = parts[0]
    times = [part.ms for part in parts if part.ms is not None]
    return ModuleRow(
        name,
        level,
        first.kind,
        count=len(parts),
        calls=sum(part.calls for part in parts),
        output_shape=first.output_shape,
        params=sum(part.params for part in parts),
        macs=sum(part.macs for part in parts),
        activations=sum(part.activations for part in parts),
        output_bytes=sum(part.output_bytes for part in parts),
        uncounted=first.uncounted,
        ms=sum(times) if len(times) == len(parts) else None,
    )


def _beside(whole: ModuleRow, below: Sequence[ModuleRow]) -> ModuleRow:
    """What a row has beside those below it."""
    rest = {name: getattr(whole, name) - sum(getattr(row, name) for row in below) for name in _ADDED}
    ms = None if whole.ms is None else whole.ms - sum(row.ms or 0.0 for row in below)
    return ModuleRow(ITSELF, whole.depth + 1, "", 1, 0, None, **rest, output_bytes=0, uncounted=(), ms=ms)


def _signature(part: ModuleCost, children: dict[str, list[ModuleCost]]) -> Any:
    """What equal submodules have in common, inside too."""
    own = (part.kind, part.params, part.calls, repr(part.output_shape), part.macs, part.activations, part.uncounted)
    inside = [(p.path.rpartition(".")[2], _signature(p, children)) for p in children.get(part.path, [])]
    return (*own, tuple(sorted(part.operations.items())), tuple(inside))
