"""A structure: the blocks of a network, read, checked and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import NoReturn

from plainnet.blocks import registry
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.chain import BlockProblem, chain_problems, name_problems
from plainnet.blocks.families.containers import Sequential, first_channels
from plainnet.blocks.families.references import Outputs
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.network_totals import closed_runs, totals_of_chain, totals_of_runs, unread_cost_nothing
from plainnet.blocks.rows.counts import Totals
from plainnet.blocks.rows.layers import LayerError
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.value_names import canonical_chain
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import Row, Walked, WalkError, trace, walk
from plainnet.blocks.text.reader import read_blocks, read_nodes
from plainnet.blocks.text.syntax import MAX_PROBLEMS, Node
from plainnet.errors import Problem, StructureError

__all__ = ["Structure", "parse"]

_is_plain, _is_closed = attrgetter("is_plain"), attrgetter("is_closed")
TABLES = 8
"""So many input shapes and variants of one structure are remembered."""


class Structure:
    """A network as a value: its blocks in order. `str()` is the canonical string; equal structures have equal blocks,
    whatever their labels.
    """

    _tables: dict[tuple[Shape, Variant], NetworkTable] | None = None

    def __init__(
        self, blocks: Iterable[PlainNetBasicBlockClass], *, limits: Limits = DEFAULT_LIMITS, source: str | None = None
    ) -> None:
        if isinstance(blocks, str):
            raise TypeError("a Structure is made of blocks; plainnet.parse reads a string")
        self._blocks = tuple(blocks)
        self._seen = 0  # no block has been defined again
        self.limits = limits
        self.source = source
        if not self._blocks:
            raise StructureError("the structure is empty")
        self._check(limits)

    @property
    def blocks(self) -> tuple[PlainNetBasicBlockClass, ...]:
        """The blocks in order. A structure is what its text means: where a class of blocks was defined again since, its
        blocks are read again.
        """
        if self._seen != registry.redefinitions:
            self._seen = registry.redefinitions
            if not all(map(registry.is_current, self._blocks)):
                self._blocks = read_blocks("".join(map(str, self._blocks)))
                for made in ("units", "_runs"):
                    vars(self).pop(made, None)
            self._tables = None
        return self._blocks

    @cached_property
    def text(self) -> str:
        """The canonical string, in which names that nothing takes are left out and the others are v1, v2, ...: what a
        structure is compared and hashed by.
        """
        return "".join([block.text for block in self.blocks]) if self.is_plain else canonical_chain(self.blocks)

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the structure, the same on every machine (BLAKE2b of `text`)."""
        return hashlib.blake2b(self.text.encode(), digest_size=6).hexdigest()

    def __str__(self) -> str:
        return self._written

    @cached_property
    def _written(self) -> str:
        return "".join(map(str, self.blocks))

    def __repr__(self) -> str:
        return f"Structure({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[PlainNetBasicBlockClass]:
        return iter(self.blocks)

    def __reduce__(self) -> tuple[object, ...]:
        return (_parse_with, (str(self), self.limits))

    @cached_property
    def in_channels(self) -> int:
        """The number of channels that the first block declares; 3 where none does."""
        return first_channels(self.blocks) or 3

    @property
    def is_plain(self) -> bool:
        """Whether the network is a chain: no value is taken by name, none is thrown away."""
        return self._is_plain

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The names of the values that the network puts out; none where it puts out one, which needs no name."""
        last = self.blocks[-1]
        return last.values if isinstance(last, Outputs) else ()

    @cached_property
    def units(self) -> tuple[PlainNetBasicBlockClass, ...]:
        """The network as a chain of closed blocks: blocks that take values of each other are one `Sequential`, together with
        those between them.
        """
        return tuple([run[0] if len(run) == 1 else Sequential(blocks=run) for run in self._runs])  # type: ignore[call-arg]

    @property
    def unit_lengths(self) -> tuple[int, ...]:
        """The number of blocks in each of the `units`."""
        return tuple(map(len, self._runs))

    @cached_property
    def _runs(self) -> tuple[tuple[PlainNetBasicBlockClass, ...], ...]:
        if not self._is_linked:
            return tuple([(block,) for block in self.blocks])
        return closed_runs(self.blocks)

    def at(self, shape: Shape, *, variant: Variant = PLAIN) -> NetworkTable:
        """This network at an input shape: the table of which counts, shapes, rows and scores are asked. It is remembered."""
        blocks, tables = self.blocks, self._tables
        key = shape, variant
        found = tables.get(key) if tables is not None else None
        if found is None:
            if tables is None:
                tables = self._tables = {}
            if shape[0] < 1 or shape[1] < 1 or shape[2] < 1:  # a vector, or nothing
                self._check_input(shape)
            if len(tables) >= TABLES:
                del tables[next(iter(tables))]
            totals = self._totals(blocks, shape, variant)
            found = tables[key] = NetworkTable(self, blocks, shape, variant, tuple(totals))
        return found

    def rows(
        self, shape: Shape, *, variant: Variant = PLAIN, expand: bool = False, tail: Iterable[object] = ()
    ) -> list[Row]:
        """The table of rows for an input shape; `tail` are layers behind the last block (a head)."""
        return self.at(shape, variant=variant).rows(expand=expand, tail=tail)

    def totals(self, shape: Shape, *, variant: Variant = PLAIN) -> list[Totals]:
        """The totals of each block, in order, for an input shape. Known blocks cost a look-up each."""
        return list(self.at(shape, variant=variant).totals)

    def walked(self, shape: Shape, *, variant: Variant, expand: bool, tail: Iterable[object]) -> list[Row]:
        """The rows of a table whose totals are known: what is too large was refused before its rows are written out."""
        try:
            rows, _ = walk((*self.blocks, *tail), shape, variant=variant, expand=expand)  # type: ignore[arg-type]
        except WalkError as error:
            self._locate(error.message, error.hints, error.trail, shape)
        return rows

    def trace(
        self, shape: Shape, *, variant: Variant = PLAIN, expand: bool = False, wanted: Sequence[int] | None = None
    ) -> Walked:
        """The rows for an input shape, and which of them puts out what each block puts out.

        wanted: the numbers of blocks whose values are put out; by default the last block's.
        """
        self.totals(shape, variant=variant)
        try:
            return trace(self.blocks, shape, variant=variant, expand=expand, wanted=wanted)
        except WalkError as error:
            self._locate(error.message, error.hints, error.trail, shape)

    def _totals(self, blocks: tuple[PlainNetBasicBlockClass, ...], shape: Shape, variant: Variant) -> list[Totals]:
        try:
            if self._is_linked:
                found = totals_of_runs(self._runs, self.units, shape, variant)
            else:
                found = totals_of_chain(blocks, shape, variant)
        except WalkError as error:
            self._locate(error.message, error.hints, error.trail, shape)
        if not self._is_plain:
            unread_cost_nothing(found, self.unit_lengths)
        self._check_params(found)
        return found

    def _check_params(self, found: Sequence[Totals]) -> None:
        params = sum([totals.sums.params for totals in found])
        if params > self.limits.max_params:
            raise StructureError(_too_many("parameters", params, self.limits.max_params, "max_params"))

    def _check_input(self, shape: Shape) -> None:
        if shape.channels < 1 or shape.height < 0 or shape.width < 0 or bool(shape.height) != bool(shape.width):
            raise StructureError(f"an input of {shape} is no image; accepted: positive channels, height and width")

    def _locate(
        self, message: str, hints: tuple[str, ...], trail: tuple[int, ...], shape: Shape | None = None
    ) -> NoReturn:
        """Raise the error of a walk with the place in the text where its block stands."""
        text = self.source or str(self)
        node = _node_at(read_nodes(text), trail)
        hints = (*hints, f"the network's input is {shape}") if shape is not None else hints
        problem = Problem(message, node.start, node.end, hints) if node else Problem(message, hints=hints)
        raise StructureError([problem], text=text)

    def look_at_names(self) -> None:
        """See whether blocks take values by name, and whether they take those of each other; to be called once they are known."""
        self._is_plain = all(map(_is_plain, self._blocks))
        self._is_linked = not self._is_plain and not all(map(_is_closed, self.blocks))

    def _check(self, limits: Limits) -> None:
        channels, layers, params = None, 0, 0
        self.look_at_names()
        if self._is_linked:
            self._check_names()
            self._check_chain()
        for number, block in enumerate(self._blocks):
            try:
                wanted, out, block_layers, block_params, fits = block.wiring
            except LayerError as error:
                self._locate(error.message, error.hints, (number,))
            if not fits or (channels is not None and wanted is not None and wanted != channels):
                self._check_chain()
            channels = out if wanted is not None else block.channels_out(channels)
            layers += block_layers
            params += block_params
        if layers > limits.max_layers:
            raise StructureError(_too_many("layers", layers, limits.max_layers, "max_layers"))
        if params > limits.max_params:
            raise StructureError(_too_many("parameters", params, limits.max_params, "max_params"))

    def _check_names(self) -> None:
        self._refuse(name_problems(self.blocks))

    def _check_chain(self) -> None:
        self._refuse(chain_problems(self.blocks))

    def _refuse(self, found: Iterable[BlockProblem]) -> None:
        """Raise the first of these problems, if there are any, each with the place of its block in the text."""
        problems = list(islice(found, MAX_PROBLEMS))
        if not problems:
            return
        text = self.source or str(self)
        nodes = read_nodes(text)
        placed = []
        for trail, message, hints in problems:
            node = _node_at(nodes, trail)
            placed.append(Problem(message, node.start, node.end, hints) if node else Problem(message, hints=hints))
        raise StructureError(placed, text=text)


def _too_many(what: str, count: int, limit: int, name: str) -> str:
    return f"{count:,} {what} are more than the limit of {limit:,}; raise it with Limits({name}=...)"


def _parse_with(text: str, limits: Limits) -> Structure:
    return parse(text, limits=limits)


def parse(text: str | Structure, *, limits: Limits = DEFAULT_LIMITS) -> Structure:
    """Read a network string. `StructureError` says what is wrong with it, and where; nothing else is raised for any
    text.
    """
    if isinstance(text, Structure):
        return text
    if not isinstance(text, str):
        raise TypeError(f"a structure is a string, not {type(text).__name__}")
    if limits is not DEFAULT_LIMITS or len(text) > LONG_TEXT:
        return Structure(read_blocks(text), limits=limits, source=text)
    found = _parsed.get(text)
    if found is None:
        found = _parsed[text] = Structure(read_blocks(text), source=text)
    return found


LONG_TEXT = 20_000
"""Longer texts are not remembered."""
_parsed: BoundedMemo[str, Structure] = BoundedMemo(1_000)
"""Structures, which never change, by their text as it was given."""
registry.on_change(_parsed.clear)


def _node_at(nodes: list[Node], trail: tuple[int, ...]) -> Node | None:
    """The node of a block by its number in each level of nesting."""
    node = None
    for number in trail:
        if number >= len(nodes):
            break
        node = nodes[number]
        nodes = [child for branch in node.branches for child in branch]
    return node
