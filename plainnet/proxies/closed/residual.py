"""Residual sensitivity: how far two nearly equal inputs end apart, with shortcuts kept, in closed form.

One pair of inputs, x and x + gamma e, is followed through the network by three numbers for each value: its mean m (over
weights, the same in all channels), its variance v, and the correlation c of the pair. At infinite width

    convolution           everything times the fan-in; weights have mean 0, so a mean is from here on a channel's own
                          (transposed: 1 / stride^2 of its square is, the rest differs from place to place)
    batch norm            variance 1, mean 0; c that of the centred values
    activation f          moments of f(m + sqrt(v) z), c -> centred correlation map of f
    sum (shortcut)        means and variances add; c is the mean of the parts' c, by variance
    concatenation         the mean over channels
    gate                  the product of independent values: E(ab)(a'b') = E aa' E bb'
    pooling               c is kept

In a stage of identity shortcuts around bodies that end in a batch norm this is c <- (q c + c_F) / (q + 1), q <- q + 1:
the stream's variance q grows, so that each body changes less than the one before, and a residual network is far less
sensitive than a chain of the same depth. The score is log(1 - c) at the end: 0 for outputs that have nothing in common.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from plainnet.blocks import Variant
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.channel_layers import PatchConv
from plainnet.blocks.rows.layers import Act, Add, Concat, Conv, Flatten, Linear, Norm, Scale, Sum
from plainnet.blocks.rows.map_layers import ConvTranspose, WindowConv, Zero
from plainnet.blocks.rows.memo import MemoFamily
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.errors import UnknownScoreError, UsageError
from plainnet.network.network_names import at_its_size
from plainnet.proxies.closed.meanfield.activations import affine, compose, nonlinearity
from plainnet.proxies.closed.meanfield.correlated import added_in_block, closed_units, counted
from plainnet.proxies.known_layers import need_theory

__all__ = ["Pair", "residual_sensitivity"]


class Pair(NamedTuple):
    """What is known of a value for both inputs: its mean, its variance, and the part of the variance that the two do
    not share, v (1 - c): small differences keep their digits.
    """

    mean: float
    variance: float
    apart: float


def residual_sensitivity(
    structure: Any,
    *,
    resolution: int | tuple[int, int] | None = None,
    gamma: float = 0.01,
    network: Variant | None = None,
) -> float:
    """log(1 - c) of the last feature map, at most 0; higher is more sensitive. The resolution matters only for blocks
    whose layers depend on it.

    >>> plain = residual_sensitivity("SuperResK3K3(3,16,1,16,3)", network=Variant(no_reslink=True))
    >>> residual_sensitivity("SuperResK3K3(3,16,1,16,3)") < plain
    True
    """
    if not gamma > 0:
        raise UsageError(f"gamma is {gamma}; accepted: a positive number")
    structure, resolution, network = at_its_size(structure, resolution, otherwise=32, variant=network or PLAIN)
    table = structure.at(as_input_shape(structure.in_channels, resolution), variant=network)
    pair = Pair(0.0, 1.0, 1 - 1 / math.sqrt(1 + gamma * gamma))
    memo = _known[network]
    for number, (block, shape) in enumerate(closed_units(table)):
        found = memo.get((block.text, shape, pair))
        if found is None:
            found = memo[block.text, shape, pair] = _of_block(block, shape, network, pair, number)
        pair, ends = found
        if ends:
            break
    if not pair.variance:
        raise UsageError("the network puts out nothing but zeros, so that no input is told from another")
    return math.log(pair.apart / pair.variance)


class _Step(NamedTuple):
    """A row, ready to be applied to pairs."""

    rule: Callable[[Row, Sequence[Pair], Sequence[int]], Pair]
    row: Row
    taken: tuple[int, ...]
    """the places of what it takes, that of what comes in being 0 and that of row n being n + 1"""
    channels: tuple[int, ...]
    """those of what it takes"""
    terms: list[tuple[int, int]] | None
    """(which of them, how often) where a sum takes one more than once"""
    needs_variance: bool


class _Steps(NamedTuple):
    """The rows of a block up to where its map ends."""

    steps: tuple[_Step, ...]
    ends: bool


_steps: MemoFamily[tuple[str, Shape], _Steps] = MemoFamily(2_000)
_known: MemoFamily[tuple[str, Shape, Pair], tuple[Pair, bool]] = MemoFamily(100_000)
"""By what comes into a block, what comes out of it, and whether the map ends there."""
on_change(_steps.clear)
on_change(_known.clear)


def _of_block(
    block: PlainNetBasicBlockClass, shape: Shape, network: Variant, pair: Pair, number: int
) -> tuple[Pair, bool]:
    """The pair behind the block of this number, and whether the map ends there."""
    steps = _steps[network].get((block.text, shape))
    if steps is None:
        try:
            steps = _compiled(added_in_block(block, shape, network))
        except UnknownScoreError as error:
            raise UnknownScoreError(f"{number}.{error}") from None
        _steps[network][block.text, shape] = steps
    return _behind(steps, pair, number), steps.ends


def _compiled(rows: Sequence[Row]) -> _Steps:
    """The steps of an expanded table of rows, in which sums take what is added at last."""
    need_theory(rows)
    end = next((number for number, row in enumerate(rows) if isinstance(row.layer, (Flatten, Linear))), None)
    return _Steps(tuple([_step(row, rows) for row in rows[:end]]), end is not None)


def _step(row: Row, rows: Sequence[Row]) -> _Step:
    layer, inputs = row.layer, row.inputs
    channels = tuple([rows[value].out_shape.channels if value >= 0 else row.in_shape.channels for value in inputs])
    is_counted = isinstance(layer, (Add, Sum)) and len(set(inputs)) < len(inputs)
    return _Step(
        _RULES.get(type(layer), _keep),
        row,
        tuple([value - INPUT for value in inputs]),
        channels,
        counted(inputs) if is_counted else None,
        isinstance(layer, (Norm, Act)),
    )


def _behind(steps: _Steps, pair: Pair, block: int) -> Pair:
    """The pair behind the steps of the block of this number."""
    values = [pair]
    for rule, row, places, channels, terms, needs_variance in steps.steps:
        taken = [values[place] for place in places]
        if needs_variance and not taken[0].variance:
            raise UsageError(
                f"{block}.{row.path} takes nothing but zeros, so that no input is told from another behind it"
            )
        if terms is not None:
            taken = [_times(taken[at], times) for at, times in terms]
        values.append(rule(row, taken, channels))
    return values[-1]


def _times(pair: Pair, times: int) -> Pair:
    """A value that is added `times` times to itself."""
    return Pair(times * pair.mean, times * times * pair.variance, times * times * pair.apart)


def _keep(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:  # noqa: ARG001
    return pairs[0]


def _conv(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:
    """The values are scaled by their second moment; the mean over channels stays known to a batch norm that follows."""
    assert isinstance(row.layer, Conv)
    mean, variance, apart = pairs[0]
    fan_in = channels[0] // row.layer.groups * row.layer.taps
    return Pair(mean * math.sqrt(fan_in), variance * fan_in, apart * fan_in)


def _conv_transpose(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:
    """An output place meets one tap in stride^2, on average. Each of stride^2 places meets taps of its own, so that a mean
    differs from place to place: only a part of it stays a channel's own, and the rest is a variance that the pair shares.
    """
    assert isinstance(row.layer, ConvTranspose)
    mean, variance, apart = pairs[0]
    places = row.layer.stride**2
    fan_in = channels[0] * row.layer.kernel_size**2 / places
    between = mean * mean * (1 - 1 / places)
    return Pair(mean * math.sqrt(fan_in / places), (variance + between) * fan_in, apart * fan_in)


def _zero(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:  # noqa: ARG001
    return Pair(0.0, 0.0, 0.0)


def _norm(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:  # noqa: ARG001
    return Pair(0.0, 1.0, pairs[0].apart / pairs[0].variance)


def _act(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:  # noqa: ARG001
    assert isinstance(row.layer, Act)
    return _bent(row.layer.kind, pairs[0])


@lru_cache(32_768)  # a value goes into several branches, and networks have beginnings in common
def _bent(kind: str, pair: Pair) -> Pair:
    mean, variance, apart = pair
    scale = 1.0
    if not mean and kind in ("relu", "leaky_relu"):  # f(s z) = s f(z): one function for all scales
        scale, unit = math.sqrt(variance), nonlinearity(kind)
    else:
        unit = compose(kind, affine(_grain(mean), _grain(math.sqrt(variance))))
    left = unit.square - unit.kernel(1 - apart / variance)
    apart = min(max(left, 1e-15 * unit.variance), unit.variance)
    return Pair(scale * unit.mean, scale * scale * unit.variance, scale * scale * apart)


def _grain(value: float) -> float:
    """A value rounded to three digits, so that few functions are built."""
    return float(f"{value:.3g}")


def _sum(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:  # noqa: ARG001
    return Pair(*[sum(column) for column in zip(*pairs, strict=True)])


def _concat(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:  # noqa: ARG001
    shares = [count / sum(channels) for count in channels]
    return Pair(
        *[
            sum([share * value for share, value in zip(shares, column, strict=True)])
            for column in zip(*pairs, strict=True)
        ]
    )


def _scale(row: Row, pairs: Sequence[Pair], channels: Sequence[int]) -> Pair:  # noqa: ARG001
    (m, v, d), (gate_m, gate_v, gate_d) = pairs
    square, gate_square = m * m + v, gate_m * gate_m + gate_v
    mean = m * gate_m
    apart = square * gate_square - (square - d) * (gate_square - gate_d)
    return Pair(mean, square * gate_square - mean * mean, apart)


_RULES: dict[type, Callable[[Row, Sequence[Pair], Sequence[int]], Pair]] = {
    Conv: _conv,
    WindowConv: _conv,
    PatchConv: _conv,
    ConvTranspose: _conv_transpose,
    Zero: _zero,
    Norm: _norm,
    Act: _act,
    Add: _sum,
    Sum: _sum,
    Concat: _concat,
    Scale: _scale,
}
