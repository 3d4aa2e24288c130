"""The totals of each block of a network: of a chain block by block, of blocks that take values of each other run by run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plainnet.blocks.rows.counts import Sums, Totals, block_totals, linked_totals, totals_memo
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.value_names import IN, scope_of
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.rows.walk import WalkError

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass

__all__ = ["closed_runs", "totals_of_chain", "totals_of_runs", "unread_cost_nothing"]

Run = tuple["PlainNetBasicBlockClass", ...]


def closed_runs(blocks: Run) -> tuple[Run, ...]:
    """The shortest runs of blocks in a row outside of which none of them takes or gives a value by name."""
    scope = scope_of(blocks)
    reach = list(range(len(blocks)))  # the first block that a run which holds this one must hold, too
    for taker, giver in scope.links:
        reach[taker] = min(reach[taker], giver)
    for number, block in enumerate(blocks):
        if IN in block.taken_names:
            reach[number] = 0
    starts: list[int] = []
    for number, first in enumerate(reach):
        starts.append(number)
        while starts[-1] > first:
            starts.pop()
    ends = [*starts[1:], len(blocks)]
    return tuple([blocks[start:end] for start, end in zip(starts, ends, strict=True)])


def totals_of_chain(blocks: Run, shape: Shape, variant: Variant) -> list[Totals]:
    """The totals of each block where each is closed; `WalkError` with the place of the block that does not fit."""
    found: list[Totals] = []
    here, memo = shape, totals_memo(variant)
    for block in blocks:
        totals = memo.get((block.text, here))
        if totals is None:
            try:
                totals = block_totals(block, here, variant)
            except WalkError as error:
                raise WalkError(error.message, error.hints, (len(found), *error.trail[1:])) from None
        found.append(totals)
        here = totals.out_shape
    return found


def totals_of_runs(
    runs: Sequence[Run], units: Sequence[PlainNetBasicBlockClass], shape: Shape, variant: Variant
) -> list[Totals]:
    """The same where blocks take values of each other: each run as the one block (`units`) that it is."""
    found: list[Totals] = []
    for run, unit in zip(runs, units, strict=True):
        here = found[-1].out_shape if found else shape
        try:
            if len(run) == 1:
                found.append(block_totals(unit, here, variant))
            else:
                found += linked_totals(run, unit.text, here, variant)
        except WalkError as error:
            first, *rest = error.trail
            place = len(found) + (first if len(run) > 1 else 0)
            raise WalkError(error.message, error.hints, (place, *rest)) from None
    return found


def unread_cost_nothing(found: list[Totals], runs: Sequence[int]) -> None:
    """Take out the costs of all that stands before the last of the runs (by length) that does not read what comes in."""
    needed = at = 0
    for length in runs:
        if not found[at + length - 1].reads_input:
            needed = at
        at += length
    if needed:
        nothing = Sums()
        found[:needed] = [totals._replace(sums=nothing, peak_elements=0) for totals in found[:needed]]
