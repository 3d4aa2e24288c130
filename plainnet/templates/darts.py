"""DARTS: networks of a normal and a reduction cell, as strings.

Source: Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019. A cell takes what the two cells before it
put out, has four nodes, each the sum of two operations on earlier values, and puts out the four nodes side by side. The
cells at a third and two thirds of the depth are reduction cells: they halve the map and double the width.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.rows.value_names import canonical_chain
from plainnet.blocks.text.reader import read_blocks
from plainnet.errors import StructureError, UsageError, nearest

__all__ = ["OPERATIONS", "Genotype", "darts", "darts_genotype"]

Cell = tuple[tuple[str, int], ...]
Block = PlainNetBasicBlockClass


class Genotype(NamedTuple):
    """Eight (operation, value) a cell, two for each node; values 0 and 1 are what the cells before put out, 2 to 5 the nodes.

    normal_concat, reduce_concat: the values that a cell puts out side by side.
    """

    normal: Cell
    normal_concat: tuple[int, ...]
    reduce: Cell
    reduce_concat: tuple[int, ...]


OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
STEM = 3
"""The stem is so many times as wide as the first cell."""


def darts(genotype: Sequence[object], *, channels: int = 36, layers: int = 20) -> str:
    """The network of a genotype for CIFAR-10 as it is trained after the search: `layers` cells, the first `channels` wide.

    genotype: (normal, normal_concat, reduce, reduce_concat), as the authors print it. Published at 32x32 with 10 classes; the
    auxiliary classifier of their training is no part of it. Raises `UsageError` for what is no genotype.
    """
    found = _checked(genotype)
    if layers < 1 or channels < 1:
        raise UsageError(f"layers is {layers}, channels is {channels}; accepted: positive integers")
    stem = STEM * channels
    text = f"ConvKX(3,{stem},3,1)BN(c0|{stem})"
    before, last = ("c0", stem), ("c0", stem)
    width, reduced = channels, False
    for number in range(layers):
        reduces = number in (layers // 3, 2 * layers // 3)
        width *= 2 if reduces else 1
        concat = found.reduce_concat if reduces else found.normal_concat
        name = f"c{number + 1}"
        label = f"{name}|" if number < layers - 1 else ""
        text += f"Sequential({label}{''.join(_cell(found, before, last, width, reduces=reduces, reduced=reduced))})"
        before, last, reduced = last, (name, width * len(concat)), reduces
    return text


def darts_genotype(text: str) -> Genotype:
    """The genotype of a network that `darts` wrote (names may differ); the operations that leave no trace are "none", and where
    names differ nodes that leave none are left out. `UsageError` for another string.
    """
    refusal = UsageError(
        "this is no network of DARTS; accepted: a string as darts(genotype) writes it, of at least three cells"
    )
    try:
        blocks = read_blocks(text)
    except StructureError:
        raise refusal from None
    cells = [block for block in blocks if block.name == "Sequential"]
    channels = (blocks[0].channels_out(3) or 0) // STEM if blocks else 0
    if len(cells) < 3 or not channels:
        raise refusal
    number, canonical = len(cells) // 3, canonical_chain(blocks)
    normal = max(index for index in range(len(cells)) if index not in (number, 2 * len(cells) // 3))
    labels = [str(block.label) for block in (blocks[1], *blocks[1:])]
    for first in (0, 1):  # in the first cell both values are one, and which of them a single one is, the others say
        try:
            found = Genotype(
                *_cell_code(cells[normal], labels[normal : normal + 2], first),
                *_cell_code(cells[number], labels[number : number + 2], first),
            )
            again = darts(found, channels=channels, layers=len(cells))
        except (UsageError, KeyError, IndexError, ValueError):
            continue
        if canonical_chain(read_blocks(again)) == canonical:
            return found
    raise refusal


def _checked(genotype: Sequence[object]) -> Genotype:
    if len(genotype) != 4:
        raise UsageError(
            f"a genotype of {len(genotype)} parts; accepted: (normal, normal_concat, reduce, reduce_concat)"
        )
    normal, normal_concat, reduce, reduce_concat = genotype
    return Genotype(
        _checked_cell("normal", normal),
        _checked_concat("normal_concat", normal_concat),
        _checked_cell("reduce", reduce),
        _checked_concat("reduce_concat", reduce_concat),
    )


def _checked_cell(what: str, cell: object) -> Cell:
    pairs = tuple(tuple(pair) for pair in cell)  # type: ignore[attr-defined]
    if not pairs or len(pairs) % 2 or any(len(pair) != 2 for pair in pairs):
        raise UsageError(f"{what} holds {len(pairs)} operations; accepted: pairs (operation, value), two for each node")
    for number, (name, value) in enumerate(pairs):
        if name not in OPERATIONS:
            near = nearest(str(name), OPERATIONS)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"{what}[{number}]: unknown operation {name!r}; accepted: {', '.join(OPERATIONS)}{hint}")
        if not isinstance(value, int) or not 0 <= value < 2 + number // 2:
            raise UsageError(f"{what}[{number}] takes value {value!r}; accepted: 0 to {1 + number // 2}")
    return pairs


def _checked_concat(what: str, values: object) -> tuple[int, ...]:
    found = tuple(values)  # type: ignore[arg-type, var-annotated]
    if not found or any(not isinstance(value, int) or not value >= 2 for value in found):
        raise UsageError(f"{what} is {found!r}; accepted: numbers of nodes, from 2 on")
    return found


def _cell(
    genotype: Genotype, before: tuple[str, int], last: tuple[str, int], width: int, *, reduces: bool, reduced: bool
) -> Iterator[str]:
    """The blocks of a cell behind two values, each a name and its channels; `reduced` if the cell in front reduced the map."""
    operations, concat = (
        (genotype.reduce, genotype.reduce_concat) if reduces else (genotype.normal, genotype.normal_concat)
    )
    needed = _needed(operations, concat)
    for number, (name, channels) in enumerate((before, last)):
        if number not in needed:
            continue
        if number == 0 and reduced:
            yield f"From({name})FactorizedReduction({channels},{width})Identity(s0|{width})"
        else:
            yield f"From({name})RELU({channels})ConvKX({channels},{width},1,1)BN(s{number}|{width})"
    for node in range(len(operations) // 2):
        if node + 2 not in needed:
            continue
        branches = [
            f"From(s{value}){_operation(name, width, 2 if reduces and value < 2 else 1)}"
            for name, value in operations[2 * node : 2 * node + 2]
        ]
        yield f"MultiSumBlock(s{node + 2}|{';'.join(branches)})"
    yield f"MultiCatBlock({';'.join(f'From(s{value})' for value in concat)})"


def _needed(operations: Cell, concat: tuple[int, ...]) -> set[int]:
    """The values that a cell's output depends on."""
    needed = set(concat)
    if max(concat) > 1 + len(operations) // 2:
        raise UsageError(f"value {max(concat)} is put out; accepted: 2 to {1 + len(operations) // 2}")
    for node in reversed(range(len(operations) // 2)):
        if node + 2 in needed:
            needed |= {value for _, value in operations[2 * node : 2 * node + 2]}
    return needed


def _operation(name: str, channels: int, stride: int) -> str:
    if name == "none":
        return f"Zero({channels},{stride})"
    if name == "skip_connect":
        return "" if stride == 1 else f"FactorizedReduction({channels},{channels})"
    kernel = int(name[-1])
    if name.endswith("pool_3x3"):
        return f"{'MaxPool' if name.startswith('max') else 'AvgPool'}({channels},{kernel},{stride})"
    point = f"ConvKX({channels},{channels},1,1)BN({channels})"
    if name.startswith("dil"):
        return f"RELU({channels})ConvHW({channels},{channels},{kernel},{kernel},{stride},2,{channels}){point}"
    first = f"RELU({channels})ConvDW({channels},{kernel},{stride}){point}"
    return f"{first}RELU({channels})ConvDW({channels},{kernel},1){point}"


def _cell_code(cell: Block, around: Sequence[str], first: int) -> tuple[Cell, tuple[int, ...]]:
    """The operations of a cell behind the values that are called `around`, and what it puts out. first: the value that is met
    first where both have one name.
    """
    values = _values(cell, around, first)
    operations: list[tuple[str, int]] = []
    concat: tuple[int, ...] = ()
    for block in cell.children:
        if block.name == "MultiSumBlock":
            operations += [("none", 0)] * (2 * (values[str(block.label)] - 2) - len(operations))
            operations += [_branch_code(branch, values) for branch in block.chains]
        elif block.name == "MultiCatBlock":
            concat = tuple(values[name] for name in re.findall(r"From\(([^)]+)\)", str(block)))
    return tuple(operations), concat


def _values(cell: Block, around: Sequence[str], first: int) -> dict[str, int]:
    """Name in a cell -> value: by the number in the name, or else by what is taken and by the order of the nodes."""
    names = [str(block.label) for block in cell.children if block.label is not None]
    if all(re.fullmatch(r"s\d+", name) for name in names):
        return {name: int(name[1:]) for name in names}
    values: dict[str, int] = {}
    inputs, nodes = iter((first, 1)), iter(range(2, 2 + len(names)))
    source = 0
    for block in cell.children:
        taken = block.taken_value
        if taken is not None:
            source = next(inputs) if len(set(around)) == 1 else around.index(taken)
        elif block.label is not None:
            values[block.label] = next(nodes) if block.name == "MultiSumBlock" else source
    return values


def _branch_code(branch: Sequence[Block], values: Mapping[str, int]) -> tuple[str, int]:
    first, *others = branch
    names, text = [block.name for block in others], "".join(map(str, others))
    if not others or names == ["FactorizedReduction"]:
        name = "skip_connect"
    elif names == ["Zero"]:
        name = "none"
    elif names[0].endswith("Pool"):
        name = f"{names[0][:3].lower()}_pool_3x3"
    else:
        kind, index = ("dil", 2) if names[1] == "ConvHW" else ("sep", 1)
        kernel = text.split(f"{names[1]}(")[1].split(",")[index]
        name = f"{kind}_conv_{kernel}x{kernel}"
    return name, values[str(first.taken_value)]
