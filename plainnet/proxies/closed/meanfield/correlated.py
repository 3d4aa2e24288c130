"""Sums of values that are not independent of each other.

Mean-field theory adds the variances of what meets in a sum: right where each value comes out of random weights of its own.
Values that stand behind the same convolution are correlated: x + x has four times the variance of x, not twice. A sum of
sums is therefore told by what is added at last, and how often: (a + b) + a = 2 a + b, with variance 4 Var a + Var b. The
same function of the same values, in whichever branch, is the same value. Where two different functions of one
convolution's values are added or multiplied (x + relu(x), x times its own mean), the theory says nothing, and neither do we.
Channel 3 of a map is independent of channel 5: what takes channels from elsewhere is told apart by how far they moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.layers import Add, Concat, Conv, Join, Linear, Scale, Sum
from plainnet.blocks.rows.map_layers import ConvTranspose, Narrow
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.errors import NoFeatureMapError, UnknownScoreError

__all__ = ["added_at_last", "added_in_block", "closed_units", "counted"]

Origins = frozenset[tuple[int, int]]
"""The convolutions (by number) that a value's channels stand behind, and how far they moved: channel i is i + moved there."""


def closed_units(table: NetworkTable) -> tuple[tuple[PlainNetBasicBlockClass, Shape], ...]:
    """The network as a chain of closed blocks, each with the shape in front of it.

    Raises `NoFeatureMapError` for a network that puts out several maps, `UnknownScoreError` where a block reads nothing of what
    comes in.
    """
    names = table.structure.output_names
    if names:
        raise NoFeatureMapError(
            f"the score is of one feature map, and the network puts out {len(names)}: {', '.join(names)}"
        )
    if not all(totals.reads_input for totals in table.totals):
        raise UnknownScoreError("the score is of what becomes of the input, and zeros keep it from the output")
    return table.units


_added: BoundedMemo[int, tuple[Sequence[Row], list[Row]]] = BoundedMemo(512)
"""(rows of a block, the same with what is added at last) by the identity of the former, which several variants may share."""
on_change(_added.clear)


def added_in_block(block: Block, shape: Shape, variant: Variant) -> list[Row]:
    """The expanded rows of a block as `added_at_last` has them, with their paths inside of it: one score after the other asks for
    them.
    """
    rows, _ = block_rows(block, shape, variant, expand=True)
    known = _added.get(id(rows))
    if known is not None and known[0] is rows:
        return known[1]
    found = added_at_last([row._replace(path=row.path.removeprefix("0.")) for row in rows])
    _added[id(rows)] = rows, found
    return found


def added_at_last(rows: Sequence[Row]) -> list[Row]:
    """The rows, in which a sum of correlated sums takes what they add, a value as often as it is added.

    Raises `UnknownScoreError` where a sum or a gate takes different functions of the same values.
    """
    found: list[Row] = []
    origins: dict[int, Origins] = {INPUT: frozenset({(INPUT, 0)})}
    same = {INPUT: INPUT}
    first: dict[tuple[object, tuple[int, ...]], int] = {}
    for number, row in enumerate(rows):
        inputs = tuple([same[value] for value in row.inputs])
        if isinstance(row.layer, (Add, Sum)) and not _independent(inputs, origins):
            inputs = tuple(_terms(inputs, found))
            if not _independent(tuple(dict.fromkeys(inputs)), origins):
                raise UnknownScoreError(_why(row, "adds"))
        if isinstance(row.layer, Scale) and not _independent(inputs, origins):
            raise UnknownScoreError(_why(row, "multiplies"))
        mixes = isinstance(row.layer, (Conv, ConvTranspose, Linear))
        kind = type(row.layer) if isinstance(row.layer, Join) else row.layer
        same[number] = number if mixes else first.setdefault((kind, inputs), number)
        origins[number] = frozenset({(number, 0)}) if mixes else _origins(row, inputs, rows, origins)
        found.append(row._replace(inputs=inputs))
    return found


def _origins(row: Row, inputs: Sequence[int], rows: Sequence[Row], origins: Mapping[int, Origins]) -> Origins:
    """Those of what a row takes; where a row moves channels, channel i is that of number i + moved."""
    found: set[tuple[int, int]] = set()
    before = 0
    for value in inputs:
        moved = row.layer.first if isinstance(row.layer, Narrow) else -before if isinstance(row.layer, Concat) else 0
        found.update((origin, at + moved) for origin, at in origins[value])
        before += rows[value].out_shape.channels if value != INPUT else row.in_shape.channels
    return frozenset(found)


def counted(inputs: Sequence[int]) -> list[tuple[int, int]]:
    """(which of the inputs, how often it is added) for each different one."""
    times = Counter(inputs)
    return [(list(inputs).index(value), times[value]) for value in dict.fromkeys(inputs)]


def _independent(inputs: Sequence[int], origins: Mapping[int, Origins]) -> bool:
    seen: set[tuple[int, int]] = set()
    for value in inputs:
        if seen & origins[value]:
            return False
        seen |= origins[value]
    return True


def _terms(inputs: Sequence[int], rows: Sequence[Row]) -> Iterator[int]:
    for value in inputs:
        if value != INPUT and isinstance(rows[value].layer, (Add, Sum)):
            yield from _terms(rows[value].inputs, rows)
        else:
            yield value


def _why(row: Row, what: str) -> str:
    return (
        f"{row.path} {what} different functions of the same values, which are correlated: mean-field theory does not say what"
        " comes out; accepted: a sampled score, such as zen_mc"
    )
