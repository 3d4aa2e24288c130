"""Blocks of one option behind a vertex, counted in the ordinary way: what formulas and tables are found from."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from plainnet.blocks.rows.counts import block_totals
from plainnet.blocks.rows.shapes import Shape
from plainnet.search.candidates.faults import FAULTS, fault_of, is_refusal
from plainnet.search.candidates.genes import Gene, GenePool
from plainnet.search.exact.place_options import Option
from plainnet.search.exact.question import Question
from plainnet.search.exact.summed_objectives import NoFormulaError, NotASumError

__all__ = ["Measured", "Vertex"]


class Vertex(NamedTuple):
    """A place that was passed (-1: none), the map behind it, and the objective's state there."""

    place: int
    height: int
    width: int
    state: Hashable


class Measured:
    """What blocks of an option cost and gain behind a vertex. is_forgotten: whether no block behind it needs the state."""

    def __init__(
        self, pool: GenePool, question: Question, option: Option, vertex: Vertex, *, is_forgotten: bool
    ) -> None:
        self.pool, self.question, self.option, self.vertex = pool, question, option, vertex
        self.is_forgotten = is_forgotten
        self._behind: tuple[int, int, Hashable] | None = None

    def fits(self, x: int, y: int, z: int, depth: int) -> bool:
        """Whether there is such a block, and it takes what comes in."""
        try:
            gene = self._gene(x, y, z, depth)
            block_totals(gene.block, self._shape(x), self.question.setting.variant)
        except FAULTS as error:
            if is_refusal(fault_of(error)):
                return False
            raise
        return True

    def _shape(self, x: int) -> Shape:
        return Shape(x, self.vertex.height, self.vertex.width)

    def _gene(self, x: int, y: int, z: int, depth: int) -> Gene:
        gene = self.option.gene(self.pool, x, y, z, depth)
        if gene is None:
            raise NotASumError(f"{self.option.name} cannot take {x} channels")
        if gene.fault is not None:
            raise gene.fault.with_traceback(None)
        return gene

    def __call__(self, x: int, y: int, z: int, depth: int) -> list[float]:
        """The gain, n, what is used of the axis, the costs, and the parts of the gain."""
        question, shape = self.question, self._shape(x)
        try:
            gene = self._gene(x, y, z, depth)
            out = block_totals(gene.kept_block(), shape, question.setting.variant).out_shape
        except NotASumError:
            raise
        except FAULTS as error:
            said = (
                error if is_refusal(fault_of(error)) else f"{type(error).__name__}: {error}"
            )  # formulas ask for any width
            raise NoFormulaError(f"{self.option.name} accepts only some widths ({said})") from error
        gain, count, state, parts = question.objective.of_block(gene, shape, self.vertex.state)
        wanted = x if self.option.puts is None else y
        if out.channels != wanted:
            raise NotASumError(f"{gene.text} puts out {out.channels} channels; accepted: {wanted}")
        self._see((out.height, out.width, question.objective.forgotten(state) if self.is_forgotten else state))
        steps = question.axis.amount(gene, shape) if question.axis is not None else 0
        return [gain, count, steps, *(each.amount(gene, shape) for each in question.costs), *parts]

    def _see(self, behind: tuple[int, int, Hashable]) -> None:
        """Keep what is behind the blocks, which is the same for all of them."""
        if self._behind is not None and behind != self._behind:
            if behind[:2] != self._behind[:2]:
                raise NotASumError(f"the map that {self.option.name} puts out depends on its widths or its depth")
            raise NotASumError(
                f"what blocks behind {self.option.name} add to the objective depends on its widths or its depth, since a block "
                "takes up what comes in without a projection; `plainnet search` remains"
            )
        self._behind = behind

    def behind(self) -> tuple[int, int, Hashable]:
        """The map behind the blocks, and the state there."""
        assert self._behind is not None
        return self._behind
