"""Random valid blocks and structures, drawn from the declared fields alone: the same for the same seed, everywhere.

Values are drawn kind by kind; what the block's own `check()` or the input's shape does not accept is drawn again.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import FieldKind, field_kind
from plainnet.blocks.registry import block_classes
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import WalkError, walk
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import StructureError, UsageError

__all__ = ["sample_block", "sample_case", "sample_shape", "sample_structure", "shipped_blocks"]

BlockClass = type[PlainNetBasicBlockClass]

TRIES = 500
MAX_NESTING = 2

_DRAWS: dict[str, Callable[[Random], float]] = {
    "channels": lambda rng: rng.choice((rng.randint(1, 9), 8 * rng.randint(1, 4), rng.randint(10, 40))),
    "features": lambda rng: rng.randint(1, 40),
    "stride": lambda rng: rng.choice((1, 1, 1, 2, 2, 3)),
    "depth": lambda rng: rng.randint(1, 3),
    "kernel_size": lambda rng: rng.choice((1, 3, 3, 5, 7, rng.randint(1, 6))),
    "groups": lambda rng: rng.choice((1, 2, 3, 4, 8)),
    "size": lambda rng: rng.choice((1, 1, 2, 3, 5)),
    "flag": lambda rng: rng.randint(0, 1),
    "probability": lambda rng: round(rng.random(), 2),
}


def shipped_blocks() -> tuple[BlockClass, ...]:
    """The block classes that come with plainnet, in the order of registration; not those that mean nothing alone, as they take
    values of other blocks by name.
    """
    shipped = (cls for cls in block_classes() if cls.__module__.startswith("plainnet.blocks."))
    return tuple(cls for cls in shipped if not any(field.kind.is_names for field in cls.fields))


def sample_shape(rng: Random, *, channels: int | None = None) -> Shape:
    """A random map to put in: small, seldom square, often of odd sides."""
    wanted = channels if channels is not None else int(_DRAWS["channels"](rng))
    return Shape(wanted, rng.randint(1, 33), rng.randint(1, 33))


def sample_case(cls: BlockClass, rng: Random) -> tuple[PlainNetBasicBlockClass, Shape]:
    """A random valid block of a class, and the shape of an input that it takes; `UsageError` if none is found."""
    reasons: list[str] = []
    for _ in range(TRIES):
        for shape in (sample_shape(rng), Shape(int(_DRAWS["features"](rng)), 0, 0)):
            block = _attempt(cls, rng, shape, 0, None if shape.is_vector else reasons)
            if block is not None:
                return block, shape
    why = f": {reasons[-1]}" if reasons else ""
    raise UsageError(f"no valid {cls.__name__} in {TRIES} draws{why}")


def sample_block(cls: BlockClass, rng: Random, *, shape: Shape | None = None) -> PlainNetBasicBlockClass:
    """A random valid block of a class; with `shape` one that takes this input; `UsageError` if none is found."""
    if shape is None:
        return sample_case(cls, rng)[0]
    for _ in range(TRIES):
        block = _attempt(cls, rng, shape, 0)
        if block is not None:
            return block
    raise UsageError(f"no {cls.__name__} in {TRIES} draws takes an input of {shape}")


def sample_structure(
    rng: Random,
    *,
    shape: Shape | None = None,
    max_blocks: int = 6,
    blocks: Sequence[BlockClass] | None = None,
) -> Structure:
    """A random valid structure of up to `max_blocks` blocks for an input of `shape` (3x32x32 by default).

    blocks: the classes to draw from; those that come with plainnet by default.
    """
    here = shape if shape is not None else Shape(3, 32, 32)
    length, chain = rng.randint(1, max_blocks), list[PlainNetBasicBlockClass]()
    for _ in range(TRIES):
        found = _sample_link(rng, here, blocks or shipped_blocks(), 0)
        if found is None or (found[1].is_vector and not here.is_vector and len(chain) + 1 < length):
            continue
        chain.append(found[0])
        here = found[1]
        if len(chain) == length:
            break
    if not chain:
        raise UsageError(f"none of the blocks takes an input of {shape}")
    return Structure(chain)


def _sample_link(
    rng: Random, shape: Shape, classes: Sequence[BlockClass], nesting: int
) -> tuple[PlainNetBasicBlockClass, Shape] | None:
    """A random block that takes `shape`, and what it puts out; None if the draw was not valid."""
    cls = rng.choice(classes)
    if nesting >= MAX_NESTING and any(field.kind.is_children for field in cls.fields):
        return None
    block = _attempt(cls, rng, shape, nesting)
    return None if block is None else (block, walk((block,), shape)[1])


def _attempt(
    cls: BlockClass, rng: Random, shape: Shape, nesting: int, reasons: list[str] | None = None
) -> PlainNetBasicBlockClass | None:
    """One draw of a block for an input; None if it is not valid, and the reason in `reasons`."""
    values = dict(_draw_values(cls, rng, shape, nesting))
    if any(value == () for value in values.values()):
        return None
    try:
        block = cls(**values)
        walk((block,), shape)
    except (StructureError, WalkError) as error:
        if reasons is not None:
            reasons.append(str(error))
        return None
    return block


def _draw_values(cls: BlockClass, rng: Random, shape: Shape, nesting: int) -> Iterator[tuple[str, Any]]:
    """Every field with a value; the first number of channels or features is what comes in."""
    for name, kind in _fields_in_name(cls):
        choices = cls.name_choices.get(name)
        yield name, rng.choice(list(choices)) if choices else _draw(kind, rng)
    incoming = True
    for field in cls.fields:
        if field.kind.kind == "blocks":
            yield field.name, _sample_chain(rng, shape, nesting + 1)
        elif field.kind.kind == "branches":
            yield field.name, _sample_branches(rng, shape, nesting + 1)
        elif field.kind.kind in ("channels", "features") and incoming:
            incoming = False
            yield field.name, shape.channels
        elif not field.optional or rng.random() < 0.5:
            yield field.name, _draw(field.kind, rng)


def _fields_in_name(cls: BlockClass) -> Iterator[tuple[str, FieldKind]]:
    """The fields that the name of a block holds, such as the 3 of SuperConvK3BNRELU."""
    in_string = {field.name for field in cls.fields}
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        kind = field_kind(hint)
        if kind is not None and name not in in_string:
            yield name, kind


def _draw(kind: FieldKind, rng: Random) -> float:
    if kind.kind not in _DRAWS:
        high = min(kind.maximum, kind.minimum + 16)
        return rng.randint(int(kind.minimum), int(high)) if kind.number is int else rng.uniform(kind.minimum, high)
    return min(max(_DRAWS[kind.kind](rng), kind.minimum), kind.maximum)


def _sample_chain(rng: Random, shape: Shape, nesting: int, *, tries: int = 8) -> tuple[PlainNetBasicBlockClass, ...]:
    """One to three random blocks in a row; () if none of the draws was valid."""
    chain: list[PlainNetBasicBlockClass] = []
    length = rng.randint(1, 3)
    for _ in range(tries):
        found = _sample_link(rng, shape, shipped_blocks(), nesting)
        if found is not None and not found[1].is_vector:
            chain.append(found[0])
            shape = found[1]
        if len(chain) == length:
            break
    return tuple(chain)


def _sample_branches(rng: Random, shape: Shape, nesting: int) -> tuple[tuple[PlainNetBasicBlockClass, ...], ...]:
    """Two or three branches that put out maps of one shape; () if the first draw was not valid."""
    first = _sample_chain(rng, shape, nesting)
    if not first:
        return ()
    out = walk(first, shape)[1]
    branches = [first]
    for _ in range(rng.randint(1, 2)):
        branch = _sample_chain(rng, shape, nesting)
        if not branch or walk(branch, shape)[1] != out:
            branch = _direct_branch(rng, shape, out)
        branches += [branch] if branch else []
    rng.shuffle(branches)
    return tuple(branches)


def _direct_branch(rng: Random, shape: Shape, out: Shape) -> tuple[PlainNetBasicBlockClass, ...]:
    """One convolution from a shape to another; () if none leads there."""
    kernel_size = rng.choice((1, 3, 5))
    for stride in range(1, max(shape.height, shape.width) + 1):
        conv = parse(f"ConvKX({shape.channels},{out.channels},{kernel_size},{stride})").blocks[0]
        if walk((conv,), shape)[1] == out:
            return (conv,)
    return ()
