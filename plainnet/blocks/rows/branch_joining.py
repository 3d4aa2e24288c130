"""What a variant makes of a layer, and what branches give together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

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
    Scale,
    SqueezeExciteSlot,
    squeeze_excite,
)
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant

__all__ = ["MainAlone", "joined", "varied"]


@dataclass(frozen=True, slots=True)
class MainAlone:
    """What a variant without shortcuts leaves of an addition: its main branch, at the addition's place in the paths."""

    stem: ClassVar[str] = Add.stem
    main: Layers


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


def _list(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(str, shapes))
