"""The contract of a block, as one call: what plainnet relies on for every block class, one of a user's own included.

from plainnet.testing import check_block

def test_my_block():
    check_block(MyBlock)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.registry import find_block
from plainnet.blocks.rows.block import BoundField
from plainnet.blocks.rows.counts import Sums, add_rows, block_totals
from plainnet.blocks.rows.memory import peak_elements
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import walk
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import StructureError, UsageError
from plainnet.testing.sampling import sample_case

__all__ = ["BlockContractError", "check_block"]

Block = PlainNetBasicBlockClass


class BlockContractError(AssertionError):
    """A block class does not keep the contract; the message says which part, and on which block."""


def _require(condition: bool, block: object, what: str) -> None:
    if not condition:
        raise BlockContractError(f"{block}: {what}")


def check_block(cls: type[Block], *, samples: int = 20, seed: int = 0) -> None:
    """Check a block class on random valid arguments; `BlockContractError` says what it does not keep.

    It is documented; it reads, prints and round-trips, nested and labelled too; its counts are those of the torch module
    that it builds, at odd and non-square sizes; the source that an export writes of it builds the same module; arguments
    changed one at a time within their ranges give a block or a `StructureError`, and arguments out of range give a
    `StructureError`.
    """
    _check_declaration(cls)
    rng = Random(seed)
    for _ in range(samples):
        try:
            block, shape = sample_case(cls, rng)
        except UsageError as error:
            raise BlockContractError(str(error)) from error
        _check_text(block)
        _check_counts(block, shape)
        _check_source(block, shape)
        for field in cls.fields:
            if not field.kind.is_children:
                _check_field(block, field, rng)


def _check_declaration(cls: type[Block]) -> None:
    doc = (cls.__doc__ or "").strip()
    _require(bool(doc) and not doc.startswith(f"{cls.__name__}("), cls.__name__, "has no docstring of its own")
    names = [field.name for field in cls.fields]
    holders = [field.name for field in cls.fields if field.kind.is_children]
    _require(len(holders) <= 1 and names[len(names) - len(holders) :] == holders, cls.__name__, "holds blocks twice")


def _check_text(block: Block) -> None:
    """It is found by its name, and what is printed is read as the same block."""
    found = find_block(block.name)
    _require(found is not None and found[0] is type(block), block, f"its name {block.name} is not found")
    text = str(block)
    _require(parse(text).blocks == (block,), block, "is not read back from its own text")
    _require(str(parse(text)) == text, block, f"prints {text}, and {parse(text)} when that is read")
    read, rest = type(block).create_from_str(text + text)
    _require((read, rest) == (block, text), block, "create_from_str does not give the block and the rest of the text")
    _require(type(block).is_instance_from_str(text), block, "is_instance_from_str does not know its text")
    labelled = block.with_label("label_1")
    again = parse(str(labelled)).blocks[0]
    _require(again.label == "label_1" and again == block, block, f"loses its label: {labelled} is read as {again}")
    nested = parse(f"Sequential({text})").blocks[0]
    _require(nested.children == (block,), block, "is not read inside of a Sequential")


def _check_counts(block: Block, shape: Shape) -> None:
    """Counts, shapes and the built module agree."""
    import torch

    from plainnet.network.module_tree import module_tree
    from plainnet.testing.oracle import torch_counts

    totals = block_totals(block, shape)
    compact, out = walk((block,), shape)
    expanded, _ = walk((block,), shape, expand=True)
    at = f"{block} on {shape}"
    _require(_total(compact) == _total(expanded), at, "a repeated body counts otherwise than the same body written out")
    peaks = peak_elements(compact, shape), peak_elements(expanded, shape)
    _require(peaks[0] == peaks[1], at, f"a repeated body needs {peaks[0]} elements at its peak, written out {peaks[1]}")
    with torch.device("meta"):
        found = torch_counts(module_tree(expanded, shape), shape)
    _same(at, "output shape", totals.out_shape, found.out_shape)
    _same(at, "params", totals.sums.params, found.params)
    _same(at, "macs", totals.sums.macs, found.macs)
    _same(at, "activations", totals.sums.activations, found.activations)
    _same(at, "convolutions", totals.sums.convolutions, found.convolutions)
    declared = block.channels_out(shape.channels)
    _require(declared in (None, out.channels), at, f"channels_out says {declared}, {out.channels} come out")
    _require(block.channels_in() in (None, shape.channels), at, f"channels_in says {block.channels_in()}")
    layers = block.num_layers()
    _require(isinstance(layers, int) and layers >= 0, at, f"num_layers is {layers!r}")
    least = max(shape.elements if totals.reads_input else 0, out.elements)
    _require(totals.peak_elements >= least, at, "its peak memory is below its own output")
    size = block.get_model_size()
    _require(size in (0, found.params) or out.is_vector, at, f"get_model_size is {size}, it has {found.params}")


def _check_source(block: Block, shape: Shape) -> None:
    """What an export writes of it is the same network."""
    from plainnet.export.network import Network
    from plainnet.export.source.check import check_model_source
    from plainnet.export.source.model import model_source

    channels = shape.channels
    pooled = f"AdaptiveAvgPool({channels},1)Flatten({channels})" if shape.is_vector else ""
    before = parse(f"ConvKX(3,{channels},1,1){pooled}").blocks
    network = Network(Structure((*before, block)), (shape.height or 1, shape.width or 1), 2)
    try:
        check_model_source(model_source(network), network)
    except UsageError as error:
        raise BlockContractError(f"{block} on {shape}: {error}") from error


def _total(rows: list[Any]) -> Sums:
    return Sums(*add_rows(rows))


def _same(at: str, what: str, counted: object, built: object) -> None:
    _require(counted == built, at, f"{what}: counted {counted}, the built module has {built}")


def _check_field(block: Block, field: BoundField, rng: Random) -> None:
    """One argument changed to others: inside of its range to a block or a `StructureError`, outside to the latter."""
    kind, old = field.kind, getattr(block, field.name)
    near = (old - 1, old + 1, 2 * old, old // 2, rng.randint(int(kind.minimum), int(min(kind.maximum, 64))))
    for value in (kind.minimum, *near):
        if not kind.accepts(value):
            continue
        changed = _outcome(partial(block.replace, **{field.name: value}))
        what = f"{field.name} changed to {value}"
        _require(isinstance(changed, (Block, StructureError)), block, f"{what} raises {changed!r}")
        if isinstance(changed, Block):
            _require(
                getattr(changed, field.name) == value, block, f"{what} is {getattr(changed, field.name)} afterwards"
            )
            wiring = _outcome(partial(getattr, changed, "wiring"))
            _require(isinstance(wiring, tuple), block, f"{what} cannot be counted: {wiring!r}")
            read = _outcome(partial(_read, str(changed)))
            _require(read == (changed,) or isinstance(read, StructureError), block, f"{what} is read as {read!r}")
    for value in (kind.minimum - 1, kind.maximum + 1, "3", None):
        outcome = _outcome(partial(block.replace, **{field.name: value}))
        if field.optional and not value:
            continue
        _require(isinstance(outcome, StructureError), block, f"{field.name}={value!r} is out of range and is accepted")


def _read(text: str) -> tuple[Block, ...]:
    return parse(text).blocks


def _outcome(act: Callable[[], object]) -> object:
    """What a call returns, or the exception that it raises."""
    try:
        return act()
    except Exception as error:
        return error
