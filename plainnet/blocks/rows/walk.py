"""The walk: blocks and an input shape in, a table of rows out.

A network is a table of rows; every question is a column. Each row is one operation on values that earlier rows put out
(static single assignment): `inputs` are row numbers, -1 being the network's input. A join (`Add`, `Sum`, `Concat`,
`Scale`) is the row in which the branches meet. In a compact table a body that is repeated stands once, with `times`
set; in an expanded one it is written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.layers import (
    Act,
    Add,
    Concat,
    Join,
    Layer,
    LayerError,
    Layers,
    Leaf,
    Norm,
    Repeat,
    Scale,
    SqueezeExciteSlot,
    squeeze_excite,
)
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant

__all__ = ["INPUT", "MainAlone", "Row", "WalkError", "block_layers", "joined", "varied", "walk"]

INPUT = -1
"""The number of the value that comes in."""
MAX_DEPTH = 64
"""How deep blocks may be made of blocks."""
MAX_REPEATS = 100_000
"""How often the same layers may be repeated, one repetition inside of another multiplied."""


class Row(NamedTuple):
    """One operation: where it stands, what it is, which values it takes, and the shapes of its (first) input and its
    output.
    """

    path: str
    layer: Leaf | Join
    inputs: tuple[int, ...]
    in_shape: Shape
    out_shape: Shape
    times: int
    """how often the row runs, one time after the other, in a compact table"""


@dataclass(frozen=True, slots=True)
class MainAlone:
    """What a variant without shortcuts leaves of an addition: its main branch, at the addition's place in the paths."""

    stem: ClassVar[str] = Add.stem
    main: Layers


class WalkError(Exception):
    """A layer that cannot take what comes in. `trail` says which block, by its number in each level of nesting."""

    def __init__(self, message: str, hints: Iterable[str], trail: Sequence[int]) -> None:
        super().__init__(message)
        self.message, self.hints, self.trail = message, tuple(hints), tuple(trail)


def walk(
    layers: Layers, shape: Shape, *, variant: Variant = PLAIN, expand: bool = False, path: str = ""
) -> tuple[list[Row], Shape]:
    """The rows of `layers` for an input of `shape`, and the output's shape; `WalkError` where something does not fit."""
    walker = _Walker(variant, expand)
    shape, _ = walker.sequence(layers, shape, INPUT, path)
    return walker.rows, shape


def block_layers(block: Block) -> Layers:
    """What a block says in `layers()`; `LayerError` where that fails or is no sequence of layers: blocks are written by users."""
    try:
        layers = block.layers()
    except LayerError:
        raise
    except Exception as error:
        raise LayerError(f"{block.name}: layers() fails with {type(error).__name__}: {error}") from error
    if not isinstance(layers, (tuple, list)):
        raise LayerError(f"{block.name}: layers() gives {type(layers).__name__}", "accepted: a tuple of layers")
    return tuple(layers)


def varied(layer: Layer | Block, shape: Shape, variant: Variant, *, in_gate: bool) -> Layer | Block | MainAlone:
    """The layer as a variant has it on an input of `shape`; an empty slot where the variant leaves it out.

    in_gate: whether the layer is part of a gate, which keeps its own norms and activations.
    """
    if isinstance(layer, Leaf):
        if in_gate:
            return layer
        if isinstance(layer, Norm) and variant.no_bn:
            return _NOTHING
        if isinstance(layer, Act) and layer.kind == "relu" and variant.activation != "relu":
            return Act(variant.activation)
    elif isinstance(layer, SqueezeExciteSlot) and variant.use_se:
        return squeeze_excite(shape.channels, max(1, round(0.25 * shape.channels)))
    elif isinstance(layer, Add) and variant.no_reslink:
        return MainAlone(layer.main)
    return layer


_NOTHING = SqueezeExciteSlot()


def joined(layer: Join, shapes: Sequence[Shape]) -> Shape:
    """The shape of what a join's branches give together (a gate's input counts as its first branch); `LayerError` where
    they do not fit.
    """
    first = shapes[0]
    if isinstance(layer, Scale):
        gate = shapes[1]
        sizes = ((1, 1), (first.height, first.width))
        if gate.channels != first.channels or (gate.height, gate.width) not in sizes:
            raise LayerError(f"a gate of {gate} does not fit a map of {first}")
        return first
    if isinstance(layer, Concat):
        if any(shape[1:] != first[1:] for shape in shapes):
            raise LayerError(f"branches of {_list(shapes)} cannot be put together: heights and widths differ")
        return Shape(sum(shape.channels for shape in shapes), first.height, first.width)
    if any(shape != first for shape in shapes):
        what = "the shortcut" if isinstance(layer, Add) else "one branch"
        raise LayerError(f"{what} does not fit: {_list(shapes)} cannot be added")
    return first


class _Walker:
    def __init__(self, variant: Variant, expand: bool) -> None:
        self.rows: list[Row] = []
        self.variant, self.expand, self.is_varied = variant, expand, variant != PLAIN
        self.times, self.repeats, self.in_gate = 1, 1, False
        self.trail: list[int] = []
        self.children: list[int] = [0]
        self.forks: list[int] = []
        """values that enclosing joins hand to several branches, or take themselves"""

    def sequence(
        self, layers: Layers, shape: Shape, source: int, path: str, ordinals: dict[str, int] | None = None
    ) -> tuple[Shape, int]:
        """Emit the rows of layers one after the other; the shape and the number of the value that comes out."""
        ordinals = {} if ordinals is None else ordinals
        variant, in_gate, is_varied = self.variant, self.in_gate, self.is_varied
        layer: Layer | Block | MainAlone
        for layer in layers:
            if is_varied:
                layer = varied(layer, shape, variant, in_gate=in_gate)
            if isinstance(layer, Leaf):
                shape, source = self.leaf(layer, shape, source, _child(path, layer.stem, ordinals))
            elif isinstance(layer, Repeat):
                shape, source = self.repeat(layer, shape, source, path, ordinals)
            elif isinstance(layer, Block):
                shape, source = self.block(layer, shape, source, path, ordinals)
            elif isinstance(layer, SqueezeExciteSlot):
                continue
            elif isinstance(layer, Join):
                shape, source = self.join(layer, shape, source, _child(path, layer.stem, ordinals))
            elif isinstance(layer, MainAlone):
                shape, source = self.sequence(layer.main, shape, source, _child(path, layer.stem, ordinals) + ".main")
            else:
                hint = "accepted: what plainnet.blocks.rows.layers holds, and blocks"
                raise WalkError(f"{layer!r} is no layer", (hint,), self.trail)
        return shape, source

    def leaf(self, layer: Leaf, shape: Shape, source: int, path: str) -> tuple[Shape, int]:
        try:
            out = layer.out_shape(shape)
        except LayerError as error:
            raise WalkError(error.message, error.hints, self.trail) from None
        self.rows.append(Row(path, layer, (source,), shape, out, self.times))
        return out, len(self.rows) - 1

    def block(self, block: Block, shape: Shape, source: int, path: str, ordinals: dict[str, int]) -> tuple[Shape, int]:
        self.trail.append(self.children[-1])
        self.children[-1] += 1
        self.children.append(0)
        declared = block.channels_in()
        if declared is not None and declared != shape.channels:
            what = "features" if hasattr(block, "in_features") else "channels"
            raise WalkError(f"{block.name} takes {declared} {what} and gets {shape.channels}", (), self.trail)
        if len(self.trail) > MAX_DEPTH:
            raise WalkError(f"blocks are made of blocks more than {MAX_DEPTH} deep", (), self.trail)
        number = ordinals.get("", 0)
        ordinals[""] = number + 1
        promised = block.channels_out(shape.channels)
        try:
            layers = block_layers(block)
        except LayerError as error:
            raise WalkError(error.message, error.hints, self.trail) from error
        shape, source = self.sequence(layers, shape, source, f"{path}.{number}" if path else str(number))
        if promised is not None and promised != shape.channels:
            message = f"{block.name} is to put out {promised} channels, and its layers put out {shape.channels}"
            raise WalkError(message, (), self.trail)
        self.children.pop()
        self.trail.pop()
        return shape, source

    def repeat(
        self, layer: Repeat, shape: Shape, source: int, path: str, ordinals: dict[str, int]
    ) -> tuple[Shape, int]:
        if layer.times < 1:
            return shape, source
        if layer.times > 1 and source in self.forks:
            # the first run leaves its input alive for others, the later ones do not: they need memory of their own
            shape, source = self.repeat(Repeat(1, layer.body), shape, source, path, ordinals)
            layer = Repeat(layer.times - 1, layer.body)
        if self.repeats * layer.times > MAX_REPEATS:
            message = f"layers are repeated {self.repeats * layer.times:,} times"
            raise WalkError(message, (f"accepted: at most {MAX_REPEATS:,}",), self.trail)
        repeats, self.repeats = self.repeats, self.repeats * layer.times
        if self.expand:
            for _ in range(layer.times):
                shape, source = self.sequence(layer.body, shape, source, path, ordinals)
            self.repeats = repeats
            return shape, source
        before, times = dict(ordinals), self.times
        self.times *= layer.times
        out, source = self.sequence(layer.body, shape, source, path, ordinals)
        self.times, self.repeats = times, repeats
        if out != shape:
            raise WalkError(f"a repeated body takes {shape} and puts out {out}", (), self.trail)
        for stem, count in ordinals.items():
            ordinals[stem] = before.get(stem, 0) + layer.times * (count - before.get(stem, 0))
        return out, source

    def join(self, layer: Join, shape: Shape, source: int, path: str) -> tuple[Shape, int]:
        is_gate, in_gate = isinstance(layer, Scale), self.in_gate
        outs: list[tuple[Shape, int]] = [(shape, source)] if is_gate else []
        self.forks.append(source)
        for name, branch in layer.branches():
            self.in_gate = in_gate or is_gate
            outs.append(self.sequence(branch, shape, source, f"{path}.{name}"))
        self.forks.pop()
        self.in_gate = in_gate
        try:
            out = joined(layer, [shape for shape, _ in outs])
        except LayerError as error:
            raise WalkError(error.message, error.hints, self.trail) from None
        self.rows.append(Row(path, layer, tuple(value for _, value in outs), shape, out, self.times))
        return out, len(self.rows) - 1


def _list(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(str, shapes))


def _child(path: str, stem: str, ordinals: dict[str, int]) -> str:
    """The path of the next layer of a kind: conv1, conv2, ..."""
    number = ordinals.get(stem, 0) + 1
    ordinals[stem] = number
    return f"{path}.{stem}{number}" if path else f"{stem}{number}"
