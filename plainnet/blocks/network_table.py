"""A network at an input shape: the table that every question is asked of."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import ref

from plainnet.blocks.network_counts import NetworkCounts, head_totals, network_counts
from plainnet.blocks.rows.counts import Totals
from plainnet.blocks.rows.receptive_field import ReceptiveField, receptive_field_of_blocks
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.value_names import IN
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.rows.walk import Row

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass
    from plainnet.blocks.structure import Structure

__all__ = ["NetworkTable"]

ANSWERS = 16
"""So many answers are remembered with a table."""


class NetworkTable:
    """A structure at an input shape, in a variant: made once by `Structure.at`, and handed to whoever asks.

    It is compact: of each block the totals, and the shapes between blocks. Rows are written out when a question needs them.
    Nothing in it changes, and what it hands out cannot be changed.
    """

    def __init__(
        self,
        structure: Structure,
        blocks: tuple[PlainNetBasicBlockClass, ...],
        shape: Shape,
        variant: Variant,
        totals: tuple[Totals, ...],
    ) -> None:
        self.blocks, self.shape, self.variant = blocks, shape, variant
        self._structure = ref(structure)  # which holds its tables: both go at once when nobody needs them any more
        self._kind, self._limits, self._source = type(structure), structure.limits, structure.source
        self.totals = totals
        """the counts of each block, in order"""
        self._answers: dict[Hashable, Any] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return _table_of, (self.structure, self.shape, self.variant)

    @property
    def structure(self) -> Structure:
        """The network; made again where nobody else kept it."""
        found = self._structure()
        if found is None:
            found = self._kept = self._kind(self.blocks, limits=self._limits, source=self._source)
            self._structure = ref(found)
        return found

    def remembered(self, question: Hashable, answer: Callable[[], Any]) -> Any:
        """The answer to a question, worked out once. It follows from the table and the question alone, and whoever gets it
        does not change it.
        """
        found = self._answers.get(question)
        if found is None:
            found = answer()
            self._remember(question, found)
        return found

    def _remember(self, question: Hashable, answer: Any) -> None:
        if len(self._answers) >= ANSWERS:
            del self._answers[next(iter(self._answers))]
        self._answers[question] = answer

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape in front of each block, and at last that behind all of them."""
        return (self.shape, *[totals.out_shape for totals in self.totals])

    @property
    def resolution(self) -> tuple[int, int]:
        """(height, width) of the input."""
        return self.shape.height, self.shape.width

    @property
    def out_shape(self) -> Shape:
        """What the last block puts out."""
        return self.totals[-1].out_shape

    @cached_property
    def named_shapes(self) -> dict[str, Shape]:
        """The shapes of the values that the network puts out by name; none where it puts out one."""
        labelled = zip(self.blocks, self.totals, strict=True)
        known = {IN: self.shape, **{block.label: totals.out_shape for block, totals in labelled if block.label}}
        return {name: known[name] for name in self.structure.output_names}

    def output_shape(self, num_classes: int | None) -> Any:
        """What comes out for one image, as plain data: [C, H, W], [C] of a vector, or such lists by name."""
        if self.structure.output_names:
            return {name: shape.as_list() for name, shape in self.named_shapes.items()}
        return self.counts(num_classes).output_shape.as_list()

    def head(self, num_classes: int | None = 1000) -> Totals:
        """The totals of pooling and classifier behind the blocks."""
        return head_totals(self.out_shape, num_classes)

    def counts(self, num_classes: int | None = 1000) -> NetworkCounts:
        """The counts of blocks and head together."""
        found: NetworkCounts | None = self._answers.get(("counts", num_classes))
        if found is None:
            found = network_counts(self.totals, self.head(num_classes))
            self._remember(("counts", num_classes), found)
        return found

    @cached_property
    def units(self) -> tuple[tuple[PlainNetBasicBlockClass, Shape], ...]:
        """The network as a chain of closed blocks, each with the shape in front of it: see `Structure.units`."""
        found, number = [], 0
        for unit, length in zip(self.structure.units, self.structure.unit_lengths, strict=True):
            found.append((unit, self.shapes[number]))
            number += length
        return tuple(found)

    @cached_property
    def receptive_field(self) -> ReceptiveField | None:
        """How much of the image one pixel of the feature map sees; None where maps are made larger, or several are put out."""
        if self.structure.output_names:
            return None
        blocks, shapes = zip(*self.units, strict=True)
        return receptive_field_of_blocks(blocks, shapes, variant=self.variant)

    def rows(self, *, expand: bool = False, tail: Iterable[object] = ()) -> list[Row]:
        """The rows, a repeated body once or (expand) written out; `tail` are layers behind the last block (a head)."""
        return self.structure.walked(self.shape, variant=self.variant, expand=expand, tail=tail)


def _table_of(structure: Structure, shape: Shape, variant: Variant) -> NetworkTable:
    return structure.at(shape, variant=variant)
