"""Counts: what a network costs, as a fold over its rows, exact at every input size.

Conventions (docs/counting.md): `params` is every learnable scalar; `macs` are multiply-accumulates of convolutions and
linear layers for one image; `flops` is 2 * macs; `activations` are the elements that convolutions and linear layers put
out (Radosavovic et al. 2020); every other kind of operation has a column of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from plainnet.blocks import registry
from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.block_rows import block_rows, is_plain_table
from plainnet.blocks.rows.channel_layers import ChannelScale, LayerNorm, PatchConv
from plainnet.blocks.rows.layers import (
    Act,
    AdaptivePool,
    Add,
    Collect,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Layers,
    Linear,
    Norm,
    Pool,
    Repeat,
    Scale,
    Sum,
)
from plainnet.blocks.rows.map_layers import ConvTranspose, Narrow, Resize, Shift, WindowConv, Zero
from plainnet.blocks.rows.memo import BoundedMemo, MemoFamily
from plainnet.blocks.rows.memory import elements_alive, peak_elements
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row, WalkError, trace, walk

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass

__all__ = [
    "COLUMNS",
    "Sums",
    "Totals",
    "block_params",
    "block_totals",
    "conv_costs",
    "conv_sums",
    "count_plain_layers",
    "linked_totals",
    "nominal_shape",
    "row_sums",
    "totals_memo",
]


class Sums(NamedTuple):
    """The counts that add up over rows."""

    params: int = 0
    """learnable scalars"""
    macs: int = 0
    """multiply-accumulates of convolutions and linear layers, per image"""
    activations: int = 0
    """elements that convolutions and linear layers put out"""
    layers: int = 0
    """layers as the published work counts them"""
    convolutions: int = 0
    """convolutions, those of shortcuts and gates included"""
    bias_ops: int = 0
    """additions of biases of convolutions and linear layers"""
    norm_ops: int = 0
    """2 per element: one product, one addition"""
    act_ops: int = 0
    """1 per element; the identity costs nothing"""
    pool_ops: int = 0
    """1 per element of every window (global pooling: 1 per input element)"""
    add_ops: int = 0
    """additions where branches meet, and those of bilinear upsampling"""
    mul_ops: int = 0
    """products of gates, and those of bilinear upsampling"""


COLUMNS = Sums._fields

Counter = Callable[[Any, Shape, Shape], tuple[int, ...]]


def conv_costs(layer: Conv, shape: Shape, out: Shape) -> tuple[int, int, int]:
    """(params, macs, elements put out) of a convolution."""
    channels, height, width = out
    pixels = height * width
    taps = (
        layer.kernel_size * layer.kernel_size if type(layer) is Conv else layer.taps
    )  # as `taps`, half a million times
    weights = shape[0] // layer.groups * taps * channels
    return weights + channels if layer.bias else weights, weights * pixels, pixels * channels


def conv_sums(layer: Conv, shape: Shape, out: Shape) -> tuple[int, ...]:
    """The counts of a convolution, in the order of `COLUMNS`."""
    costs = conv_costs(layer, shape, out)
    return (*costs, 0, 1, costs[2] if layer.bias else 0, 0, 0, 0, 0, 0)


def _norm(layer: Norm, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    return (2 * shape[0], 0, 0, 0, 0, 0, 2 * shape.elements, 0, 0, 0, 0)


def _act(layer: Act, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    return (0, 0, 0, 0, 0, 0, 0, 0 if layer.kind == "identity" else shape.elements, 0, 0, 0)


def _layer_norm(layer: LayerNorm, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    """Mean, variance, normalisation, scale and shift of each element; a batch norm has its statistics from training."""
    return (2 * shape[0], 0, 0, 0, 0, 0, 5 * shape.elements, 0, 0, 0, 0)


def _channel_scale(layer: ChannelScale, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    return (shape[0], 0, 0, 0, 0, 0, 0, 0, 0, 0, out.elements)


def _pool(layer: Pool, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    return (0, 0, 0, 0, 0, 0, 0, 0, out.elements * layer.kernel_size**2, 0, 0)


def _adaptive_pool(layer: AdaptivePool, shape: Shape, out: Shape) -> tuple[int, ...]:
    if layer.output_size == 1:
        return (0, 0, 0, 0, 0, 0, 0, 0, shape.elements, 0, 0)
    rows, columns = (_adaptive_taps(size, layer.output_size) for size in (shape.height, shape.width))
    return (0, 0, 0, 0, 0, 0, 0, 0, out.channels * rows * columns, 0, 0)


def _adaptive_taps(size: int, output_size: int) -> int:
    """How many inputs all windows of one axis hold together: window i goes from floor(i n / m) to ceil((i + 1) n / m)."""
    return sum(-(-(i + 1) * size // output_size) - i * size // output_size for i in range(output_size))


def _linear(layer: Linear, shape: Shape, out: Shape) -> tuple[int, ...]:
    weights = shape[0] * out[0]
    bias = out[0] if layer.bias else 0
    return (weights + bias, weights, out[0], 0, 0, bias, 0, 0, 0, 0, 0)


def _conv_transpose(layer: ConvTranspose, shape: Shape, out: Shape) -> tuple[int, ...]:
    """Every input element meets one filter."""
    weights = shape[0] * layer.kernel_size**2 * out[0]
    bias = out[0] if layer.bias else 0
    macs = weights * shape.height * shape.width
    return (weights + bias, macs, out.elements, 0, 1, out.elements if bias else 0, 0, 0, 0, 0, 0)


def _resize(layer: Resize, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    """A bilinear value is a weighted sum of four; the nearest value is a copy."""
    count = out.elements if layer.mode == "bilinear" else 0
    return (0, 0, 0, 0, 0, 0, 0, 0, 0, 3 * count, 4 * count)


def _nothing(layer: object, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    return (0,) * len(COLUMNS)


def _add(layer: Add | Sum, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    return (0, 0, 0, 0, 0, 0, 0, 0, 0, out.elements * (len(layer.branches()) - 1), 0)


def _scale(layer: Scale, shape: Shape, out: Shape) -> tuple[int, ...]:  # noqa: ARG001
    return (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, out.elements)


_COUNTERS: dict[type, Counter] = {
    Conv: conv_sums,
    WindowConv: conv_sums,
    PatchConv: conv_sums,
    LayerNorm: _layer_norm,
    ChannelScale: _channel_scale,
    ConvTranspose: _conv_transpose,
    Resize: _resize,
    Narrow: _nothing,
    Shift: _nothing,
    Zero: _nothing,
    Norm: _norm,
    Act: _act,
    Pool: _pool,
    AdaptivePool: _adaptive_pool,
    Linear: _linear,
    Flatten: _nothing,
    Dropout: _nothing,
    Concat: _nothing,
    Collect: _nothing,
    Add: _add,
    Sum: _add,
    Scale: _scale,
}


def row_sums(row: Row) -> tuple[int, ...]:
    """The counts of one row, in the order of `COLUMNS` (its `layers` are 0: only a block knows its own)."""
    counts = _COUNTERS[type(row.layer)](row.layer, row.in_shape, row.out_shape)
    return counts if row.times == 1 else tuple([row.times * count for count in counts])


def add_rows(rows: Iterable[Row]) -> list[int]:
    """The sum of the rows' counts, column by column; what a layer says nothing of at the end is 0, so that a new column
    concerns the layers alone that have something of it.
    """
    return [sum(column) for column in zip_longest((0,) * len(COLUMNS), *map(row_sums, rows), fillvalue=0)]


class Totals(NamedTuple):
    """What one block costs at one input shape."""

    out_shape: Shape
    sums: Sums
    peak_elements: int
    """the most elements that are alive at once, input and output included"""
    reads_input: bool = True
    """whether anything that the block puts out depends on what comes in"""


TotalsMemo = BoundedMemo[tuple[str, Shape], Totals]

_memos: MemoFamily[tuple[str, Shape], Totals] = MemoFamily(100_000)
registry.on_change(_memos.clear)


def totals_memo(variant: Variant) -> TotalsMemo:
    """What is remembered of blocks in a variant, by (canonical text, input shape)."""
    return _memos[variant]


def block_totals(block: PlainNetBasicBlockClass, shape: Shape, variant: Variant = PLAIN) -> Totals:
    """The totals of a block for an input shape; `WalkError` where it does not fit."""
    memo = totals_memo(variant)
    found = memo.get((block.text, shape))
    if found is None or (registry.redefinitions and not registry.is_current(block)):
        rows, out = block_rows(block, shape, variant)
        is_same = not registry.redefinitions and is_plain_table(rows, block, shape)  # nothing in it varies
        found = _memos[PLAIN].get((block.text, shape)) if is_same else None
        if found is None:
            sums = Sums(*add_rows(rows))._replace(layers=block.num_layers())
            found = Totals(out, sums, peak_elements(rows, shape), block.is_plain or _reads(rows))
        if not registry.redefinitions or registry.is_current(block):
            memo[block.text, shape] = found
    return found


def _reads(rows: Iterable[Row]) -> bool:
    """Whether rows that all live read what comes in; where there are none, it goes out again."""
    return not rows or any(INPUT in row.inputs for row in rows)


_linked_memos: MemoFamily[tuple[str, Shape], tuple[Totals, ...]] = MemoFamily(10_000)
on_change(_linked_memos.clear)


def linked_totals(
    blocks: tuple[PlainNetBasicBlockClass, ...], text: str, shape: Shape, variant: Variant = PLAIN
) -> tuple[Totals, ...]:
    """The totals of each of a few blocks that take values of each other, remembered by their canonical text and the input
    shape. The peak of each is what is alive while it runs, values that are taken later included; a block that nothing
    depends on costs nothing.
    """
    memo = _linked_memos[variant]
    found = memo.get((text, shape))
    if found is None or (registry.redefinitions and not all(map(registry.is_current, blocks))):
        rows, _, _, shapes, _ = trace(blocks, shape, variant=variant)
        columns = [[0] * len(COLUMNS) for _ in blocks]
        peaks = [0] * len(blocks)
        for row, alive in zip(rows, elements_alive(rows, shape), strict=True):
            number = row.block_number
            columns[number] = [a + b for a, b in zip_longest(columns[number], row_sums(row), fillvalue=0)]
            peaks[number] = max(peaks[number], alive)
        live = {row.block_number for row in rows}
        sums = [
            Sums(*column)._replace(layers=block.num_layers() if number in live else 0)
            for number, (block, column) in enumerate(zip(blocks, columns, strict=True))
        ]
        reads = _reads(rows)
        found = tuple(map(Totals, shapes, sums, peaks, [reads] * len(blocks)))
        if not registry.redefinitions or all(map(registry.is_current, blocks)):
            memo[text, shape] = found
    return found


def nominal_shape(block: PlainNetBasicBlockClass, resolution: int) -> Shape:
    """The input that a block standing alone is counted at: its own channels, or features of a vector, at a resolution."""
    features = getattr(block, "in_features", None)
    if features is not None:
        return Shape(features, 0, 0)
    return Shape(block.channels_in() or getattr(block, "out_channels", None) or 1, resolution, resolution)


def block_params(block: PlainNetBasicBlockClass) -> int:
    """The learnable scalars of a block; 0 where they depend on the size of the map that comes in, or on values outside of it."""
    try:
        rows, _ = walk((block,), nominal_shape(block, 1024))
    except WalkError:
        return 0
    return sum([row.times * _COUNTERS[type(row.layer)](row.layer, row.in_shape, row.out_shape)[0] for row in rows])


def count_plain_layers(layers: Layers) -> int:
    """The number of layers of a block that declares none: the convolutions and linear layers that are not on a shortcut
    or in a gate.
    """
    count = 0
    for layer in layers:
        if isinstance(layer, (Conv, ConvTranspose, Linear)):
            count += 1
        elif isinstance(layer, Repeat):
            count += layer.times * count_plain_layers(layer.body)
        elif isinstance(layer, Block):
            count += layer.num_layers()
        elif isinstance(layer, Add):
            count += count_plain_layers(layer.main)
        elif isinstance(layer, (Sum, Concat)):
            count += sum(map(count_plain_layers, layer.parts))
    return count
