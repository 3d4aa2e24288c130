"""The primitive operations of a network as a table of latencies knows them: what kind, on what map, between which widths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple

from plainnet.blocks.network_counts import head_layers
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.rows.layers import Act, Add, Collect, Conv, Leaf, Norm, Scale
from plainnet.blocks.rows.walk import Row

__all__ = ["FUSED_ADD", "Operation", "fused_operations", "operation", "operations_of", "rows_with_head"]

FUSED_ADD = " add"
"""At the end of a family: a convolution whose output is added to a shortcut in the same kernel."""

_WIDTHS = ("out_channels", "out_features", "groups", "first", "p", "main", "skip", "parts", "gate")
"""Arguments of layers that are widths, that cost nothing, or that hold other layers: they do not name a family."""


class Operation(NamedTuple):
    """What one row of a network does."""

    family: str
    """the kind of layer with all its arguments that are no widths: `Conv kernel_size=3 stride=2 depthwise`"""
    height: int
    """of the map that comes in; 0 for a vector"""
    width: int
    in_channels: int
    out_channels: int

    def __str__(self) -> str:
        size = f"{self.height}x{self.width}, " if self.height else ""
        return f"{self.family} ({size}{self.in_channels} -> {self.out_channels})"


def operation(row: Row) -> Operation:
    """The operation of a row."""
    layer, shape = row.layer, row.in_shape
    if isinstance(layer, Leaf):
        family = _family(layer, shape.channels)
    else:  # what joins is as large as what comes out, whatever came into its branches
        inputs = "" if isinstance(layer, Scale) else f" of {len(row.inputs)}"
        family, shape = f"{type(layer).__name__}{inputs}", row.out_shape
    return Operation(family, shape.height, shape.width, shape.channels, row.out_shape.channels)


@lru_cache(maxsize=65_536)
def _family(layer: Any, channels: int) -> str:
    parts = [type(layer).__name__]
    for field in fields(layer):
        value = getattr(layer, field.name)
        if field.name not in _WIDTHS and value is not False:
            parts.append(field.name if value is True else f"{field.name}={value}")
    if isinstance(layer, Conv) and layer.groups > 1:
        parts.append("depthwise" if layer.groups == channels == layer.out_channels else f"groups={layer.groups}")
    return " ".join(parts)


def rows_with_head(table: NetworkTable, num_classes: int | None, *, expand: bool) -> list[Row]:
    """The rows of a network, pooling and classifier included, as the built module runs them: what only names the values that
    are put out runs nothing.
    """
    rows = table.rows(expand=expand, tail=head_layers(table.out_shape, num_classes))
    return [row for row in rows if not isinstance(row.layer, Collect)]


def operations_of(rows: Iterable[Row]) -> Iterator[tuple[Operation, int]]:
    """Each operation of a compact table, and how often it runs."""
    for row in rows:
        yield operation(row), row.times


def fused_operations(rows: Iterable[Row]) -> Iterator[tuple[Operation, int]]:
    """The operations as an engine runs them that fuses batch norms, biases, activations and additions into convolutions. These
    alone are given: pooling, gates and classifier are not counted.
    """
    table = list(rows)
    users: dict[int, list[int]] = {}
    for number, row in enumerate(table):
        for value in row.inputs:
            users.setdefault(value, []).append(number)
    for number, row in enumerate(table):
        if isinstance(row.layer, Conv):
            last = number
            while len(after := users.get(last, [])) == 1 and isinstance(table[after[0]].layer, (Norm, Act)):
                last = after[0]
            added = len(after) == 1 and isinstance(table[after[0]].layer, Add) and table[after[0]].inputs[0] == last
            found = operation(row)
            family = found.family.replace(" bias", "") + (FUSED_ADD if added else "")
            yield found._replace(family=family), row.times
