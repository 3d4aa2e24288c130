"""Classes for the blocks of a network: blocks of one shape become one class, and what differs its parameters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from plainnet.blocks.rows.block import Block
from plainnet.export.source.names import free_name, numbered
from plainnet.export.source.plan import BlockPlan, BlockUse, Chain, LeafUse, Loop, Meeting, Part, Plan
from plainnet.export.source.symbols import expression

__all__ = ["Definition", "Definitions", "define_classes", "numbers_of", "own_plans", "without_loops"]

_CHANNELS = ("in_channels", "out_channels", "channels")
"""Roles in which a number is a width: without a name it is an argument, where another number would be a constant."""


_PARAMETERS = frozenset({"width", "hidden", "times", "kernel_size", "stride", "groups", "output_size"})
"""What further parameters are called."""


@dataclass
class Definition:
    """A class: its name, its parameters, and the text of every number in its body, in the order of `numbers_of`."""

    name: str
    block_class: type[Block]
    body: Plan
    example: str
    """a block that this is the class of, as it stands in the string"""
    is_further: bool
    """whether blocks of another shape, but of this block class, have a class already"""
    parameters: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    extras: dict[BlockPlan, dict[str, int]] = field(default_factory=dict)
    """for each block that this is the class of: the parameters beyond the block's own arguments"""


@dataclass
class Definitions:
    """The classes of a network, those that others use first, and the class of each block."""

    classes: list[Definition] = field(default_factory=list)
    owner: dict[BlockPlan, Definition] = field(default_factory=dict)

    def arguments(self, use: BlockUse) -> Iterator[tuple[str, int]]:
        """What a block's class is called with, by name, in the terms of the place where the block stands."""
        yield from use.arguments
        yield from self.owner[use.block].extras[use.block].items()


def numbers_of(plan: Plan, known: Definitions) -> Iterator[tuple[str, int]]:
    """Every number of a plan with its role, in the order in which source is written."""
    for part in plan:
        if isinstance(part, LeafUse):
            yield from part.numbers
        elif isinstance(part, Meeting):
            for branch in part.branches:
                for role, number in numbers_of(branch, known):
                    yield f"gate.{role}" if part.kind == "Gate" else role, number
        elif isinstance(part, Loop):
            yield "times", part.times
            yield from numbers_of(part.body, known)
        elif isinstance(part, Chain):
            yield from numbers_of(part.body, known)
        else:
            yield from known.arguments(part)


def without_loops(plan: Plan) -> Plan:
    """The plan without its loops, where none of them ever runs; inside of joins too."""
    found: list[Part] = []
    for part in plan:
        if isinstance(part, Meeting):
            found.append(Meeting(part.kind, tuple(map(without_loops, part.branches))))
        elif isinstance(part, Chain):
            found.append(Chain(without_loops(part.body)))
        elif not isinstance(part, Loop):
            found.append(part)
    return tuple(found)


def own_plans(plan: Plan) -> Iterator[BlockPlan]:
    """The blocks with a class in a plan, inner ones before those that use them."""
    for part in plan:
        if isinstance(part, Meeting):
            for branch in part.branches:
                yield from own_plans(branch)
        elif isinstance(part, (Loop, Chain)):
            yield from own_plans(part.body)
        elif isinstance(part, BlockUse):
            yield from own_plans(part.block.body)
            yield part.block


def _skeleton(plan: Plan) -> tuple[object, ...]:
    """The plan without its numbers."""
    found: list[object] = []
    for part in plan:
        if isinstance(part, LeafUse):
            found.append((part.kind, part.traits))
        elif isinstance(part, Meeting):
            found.append((part.kind, tuple(map(_skeleton, part.branches))))
        elif isinstance(part, Loop):
            found.append(("loop", _skeleton(part.body)))
        elif isinstance(part, Chain):
            found.append(("chain", _skeleton(part.body)))
        else:
            names = tuple(name for name, _ in part.arguments)
            found.append((part.block.block_class, names, _skeleton(part.block.body)))
    return tuple(found)


def define_classes(plan: Plan) -> Definitions:
    """The classes that the blocks of a network need."""
    groups: dict[tuple[object, ...], list[BlockPlan]] = {}
    for block in dict.fromkeys(own_plans(plan)):
        names = tuple(name for name, _ in block.arguments)
        groups.setdefault((block.block_class, names, _skeleton(block.body)), []).append(block)
    known = Definitions()
    avoid = frozenset(name for block in own_plans(plan) for name, _ in block.arguments)
    for blocks in groups.values():  # inner blocks come first
        definition = _define(blocks, known, avoid)
        known.classes.append(definition)
        known.owner.update(dict.fromkeys(blocks, definition))
    return known


def _define(blocks: list[BlockPlan], known: Definitions, avoid: frozenset[str]) -> Definition:
    bodies = [block.body for block in blocks]
    if not any(times > 0 for body in bodies for times in _loops(body)):
        bodies = [without_loops(body) for body in bodies]
    name = _class_name(blocks[0].block_class, known, avoid)
    block_class = blocks[0].block_class
    is_further = any(definition.block_class is block_class for definition in known.classes)
    definition = Definition(name, block_class, bodies[0], blocks[0].text, is_further)
    own = [argument for argument, _ in blocks[0].arguments]
    extras: dict[tuple[int, ...], str] = {}
    for column in zip(*[list(numbers_of(body, known)) for body in bodies], strict=True):
        definition.texts.append(_text(column, extras, own, blocks))
    for number, block in enumerate(blocks):
        definition.extras[block] = {name: values[number] for values, name in extras.items()}
    words = {word for text in definition.texts for word in re.findall(r"\w+", text)}
    definition.parameters = [argument for argument in own if argument in words] + list(extras.values())
    return definition


def _loops(plan: Plan) -> Iterator[int]:
    """How often each loop of a plan runs, but for those of blocks with classes of their own."""
    for part in plan:
        if isinstance(part, Loop):
            yield part.times
            yield from _loops(part.body)
        elif isinstance(part, Meeting):
            for branch in part.branches:
                yield from _loops(branch)
        elif isinstance(part, Chain):
            yield from _loops(part.body)


def _text(
    column: Sequence[tuple[str, int]], extras: dict[tuple[int, ...], str], own: list[str], blocks: list[BlockPlan]
) -> str:
    """What stands in the class for one number: an expression of the arguments, a constant, or a further parameter."""
    role, numbers = column[0][0], [number for _, number in column]
    names = {expression(number) for number in numbers}
    values = tuple(map(int, numbers))
    if len(names) == 1 and (name := names.pop()) is not None and _holds(name, values, blocks):
        return name
    is_width = role.rpartition(".")[2] in _CHANNELS or role.startswith(("width", "hidden"))
    if len(set(values)) == 1 and not (is_width and len(values) == 1):
        return str(values[0])
    if values not in extras:
        base = ("hidden" if role.startswith("gate.") else "width") if is_width else role.rpartition(".")[2]
        used = {*own, *extras.values()}
        extras[values] = next(name for name in numbered(base) if name not in used)
    return extras[values]


def _holds(name: str, values: tuple[int, ...], blocks: list[BlockPlan]) -> bool:
    """Whether an expression of the arguments has its value in every block: code that remembers what it once computed
    gives a number the name that it had then.
    """
    try:
        found = [eval(name, {"__builtins__": {}}, dict(block.arguments)) for block in blocks]
    except (NameError, ZeroDivisionError):
        return False
    return found == list(values)


def _class_name(block_class: type[Block], known: Definitions, avoid: frozenset[str]) -> str:
    """The block class's name, with a letter where it stands for blocks of several shapes."""
    base = free_name(block_class.__name__, avoid | _PARAMETERS, suffix="Block")
    taken = {definition.name for definition in known.classes}
    letters = (f"{base}{letter}" for letter in "BCDEFGHIJKLMNOPQRSTUVWXYZ")
    return next(name for name in itertools.chain((base,), letters, numbered(f"{base}Shape")) if name not in taken)
