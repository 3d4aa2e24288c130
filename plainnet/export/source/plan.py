"""The plan of a network: its tree of layers as a variant has it, with the name of every number.

What a variant leaves out, replaces or adds is decided in one place (`plainnet.blocks.rows.branch_joining.varied`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from plainnet.blocks.rows import channel_layers, map_layers
from plainnet.blocks.rows import layers as primitives
from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.branch_joining import MainAlone, joined, varied
from plainnet.blocks.rows.layers import Join, Layers, Leaf, Repeat, SqueezeExciteSlot
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import WalkError, block_layers, walk
from plainnet.blocks.structure import Structure
from plainnet.export.source.names import free_name
from plainnet.export.source.symbols import Symbol, expression

__all__ = [
    "BlockPlan",
    "BlockUse",
    "Chain",
    "LeafUse",
    "Loop",
    "Meeting",
    "Plan",
    "leaf_use",
    "plan_block",
    "plan_network",
]


@dataclass(frozen=True)
class LeafUse:
    """One primitive layer: what it is (kind and everything that is no number), and its numbers by their role."""

    kind: str
    traits: tuple[object, ...]
    numbers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Meeting:
    """Branches that meet; `kind` is the class that joins them."""

    kind: str
    branches: tuple[Plan, ...]


@dataclass(frozen=True)
class Loop:
    """A body that is run `times` times, one after the other."""

    times: int
    body: Plan


@dataclass(frozen=True)
class Chain:
    """Layers of a chain of their own (a block within a block)."""

    body: Plan


@dataclass(frozen=True)
class BlockPlan:
    """What a block is made of, its numbers named by its arguments."""

    block_class: type[Block]
    arguments: tuple[tuple[str, int], ...]
    body: Plan
    text: str = field(compare=False)


@dataclass(frozen=True)
class BlockUse:
    """A block that deserves a class of its own, and its arguments in the terms of the place where it stands."""

    block: BlockPlan
    arguments: tuple[tuple[str, int], ...]


Part = LeafUse | Meeting | Loop | Chain | BlockUse
Plan = tuple[Part, ...]


def plan_network(structure: Structure, shape: Shape, variant: Variant = PLAIN) -> Plan:
    """The plan of every block (one `Chain` or `BlockUse` each) of a chain for an input of `shape`, which was checked before."""
    plan, _ = _Planner(variant).sequence(structure.blocks, shape)
    return plan


def plan_block(block: Block, shape: Shape, variant: Variant = PLAIN) -> Chain | BlockUse:
    """The plan of one block in which no value is taken by name, for an input of `shape`."""
    return _Planner(variant).block(block, shape)[0]


class _Planner:
    """Plans layers, and follows the shape through them, so that widths keep their names."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.in_class = self.in_gate = False

    def sequence(self, layers: Layers, shape: Shape) -> tuple[Plan, Shape]:
        """The plan of layers that come one after the other, and the shape that comes out."""
        parts: list[Part] = []
        for written in layers:
            layer = varied(written, shape, self.variant, in_gate=self.in_gate)
            part: Part | None = None
            if isinstance(layer, Leaf):
                part, shape = leaf_use(layer, shape), layer.out_shape(shape)
            elif isinstance(layer, Repeat):
                part = self.loop(layer, shape)
            elif isinstance(layer, Block):
                part, shape = self.block(layer, shape)
            elif isinstance(layer, MainAlone):
                main, shape = self.sequence(layer.main, shape)
                part = Meeting("NoShortcut", (main,))
            elif isinstance(layer, Join):
                part, shape = self.meeting(layer, shape)
            if part is not None:
                parts.append(part)
        return tuple(parts), shape

    def meeting(self, layer: Join, shape: Shape) -> tuple[Meeting, Shape]:
        is_gate, in_gate = isinstance(layer, primitives.Scale), self.in_gate
        self.in_gate = in_gate or is_gate
        planned = [self.sequence(branch, shape) for _, branch in layer.branches()]
        self.in_gate = in_gate
        branches, shapes = [plan for plan, _ in planned], [out for _, out in planned]
        if isinstance(layer, primitives.Add) and not branches[1]:
            branches = branches[:1]
        out = joined(layer, [shape, *shapes] if is_gate else shapes)
        return Meeting(_MEETINGS[type(layer)], tuple(branches)), out

    def loop(self, layer: Repeat, shape: Shape) -> Loop | None:
        """A loop; one that never runs is kept in a class if it could: deeper sisters of the block have it."""
        if layer.times < 1 and not (self.in_class and self.repeats(layer.body, shape)):
            return None
        body, _ = self.sequence(layer.body, shape)
        return Loop(layer.times, body) if body else None

    def repeats(self, body: Layers, shape: Shape) -> bool:
        """Whether layers that nobody has checked, because they never run, put out what they take in."""
        try:
            _, out = walk(body, shape, variant=self.variant)
        except WalkError:
            return False
        return out == shape

    def block(self, block: Block, shape: Shape) -> tuple[Chain | BlockUse, Shape]:
        if not _deserves_a_class(block):
            body, out = self.sequence(block_layers(block), shape)
            return Chain(body), out
        named, arguments = _with_symbols(block)
        layers = self.same_layers(named, block, shape)
        channels = named.channels_in()
        if channels is None:
            arguments["in_channels"] = shape.channels
            channels = Symbol(shape.channels, "in_channels")
        outer, self.in_class = self.in_class, True
        body, out = self.sequence(layers, Shape(channels, shape.height, shape.width))
        self.in_class = outer
        plan = BlockPlan(type(block), _plain(arguments), body, block.text)
        outside = arguments.get(expression(out.channels) or "", int(out.channels))
        outside = outside if outside == out.channels else int(out.channels)
        return BlockUse(plan, tuple(arguments.items())), Shape(outside, int(out.height), int(out.width))

    def same_layers(self, named: Block, block: Block, shape: Shape) -> Layers:
        """The layers of the block with named arguments; those of the block as it is where the names change them (code may
        ask for the type of a number).
        """
        layers = block_layers(block)
        try:
            found = block_layers(named)
            same = walk(found, shape, variant=self.variant) == walk(layers, shape, variant=self.variant)
        except Exception:  # of a user's code, which is right for plain numbers: they have been counted
            return layers
        return found if same else layers


_MEETINGS: dict[type, str] = {
    primitives.Add: "Residual",
    primitives.Sum: "Summation",
    primitives.Concat: "Concatenation",
    primitives.Scale: "Gate",
}


def _plain(arguments: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple((name, int(value)) for name, value in arguments.items())


def _with_symbols(block: Block) -> tuple[Block, dict[str, int]]:
    """The block with named integers for arguments, and the arguments in its surroundings' terms."""
    named, arguments = block.unasked(), dict[str, int]()
    for argument in dataclasses.fields(block):  # type: ignore[arg-type]
        value = getattr(block, argument.name)
        if isinstance(value, int):
            name = free_name(argument.name, arguments)
            arguments[name] = value
            object.__setattr__(named, argument.name, Symbol(int(value), name))
    return named, arguments


def _deserves_a_class(block: Block) -> bool:
    """Whether there is more to a block than a few layers in a row; what holds other blocks is written where it stands."""
    return not block.children and any(
        layer.times > 0 if isinstance(layer, Repeat) else not isinstance(layer, (Leaf, SqueezeExciteSlot))
        for layer in block.layers()
    )


_OTHER_CONVS = (map_layers.WindowConv, channel_layers.PatchConv)
"""Convolutions that are written in other words than `Conv`."""


def leaf_use(layer: Leaf, shape: Shape) -> LeafUse:
    """One primitive layer for an input of `shape`."""
    numbers: dict[str, int] = {}
    traits: tuple[object, ...] = ()
    if isinstance(layer, map_layers.WindowConv):
        numbers = {"in_channels": shape.channels, "out_channels": layer.out_channels}
        numbers |= {"kernel_size": layer.kernel_size, "kernel_width": layer.kernel_width, "stride": layer.stride}
        numbers |= {"dilation": layer.dilation, "groups": layer.groups}
        traits = (layer.bias,)
    elif isinstance(layer, map_layers.ConvTranspose):
        numbers = {"in_channels": shape.channels, "out_channels": layer.out_channels}
        numbers |= {"kernel_size": layer.kernel_size, "stride": layer.stride}
        traits = (layer.bias,)
    elif isinstance(layer, map_layers.Resize):
        numbers, traits = {"scale": layer.scale}, (layer.mode,)
    elif isinstance(layer, map_layers.Narrow):
        numbers = {"first": layer.first, "out_channels": layer.out_channels}
    elif isinstance(layer, map_layers.Zero):
        numbers = {"stride": layer.stride}
    elif isinstance(layer, primitives.Conv):
        numbers = {"in_channels": shape.channels, "out_channels": layer.out_channels}
        numbers |= {"kernel_size": layer.kernel_size, "stride": layer.stride, "groups": layer.groups}
        traits = (layer.bias,)
    elif isinstance(layer, (channel_layers.LayerNorm, channel_layers.ChannelScale)):
        numbers = {"channels": shape.channels}
    elif isinstance(layer, primitives.Norm):
        numbers, traits = {"channels": shape.channels}, (shape.is_vector,)
    elif isinstance(layer, primitives.Act):
        traits = (layer.kind,)
    elif isinstance(layer, primitives.Pool):
        numbers = {"kernel_size": layer.kernel_size, "stride": layer.stride}
        traits = (layer.kind, layer.ceil_mode)
    elif isinstance(layer, primitives.AdaptivePool):
        numbers = {"output_size": layer.output_size}
    elif isinstance(layer, primitives.Linear):
        numbers, traits = {"in_channels": shape.channels, "out_channels": layer.out_features}, (layer.bias,)
    elif isinstance(layer, primitives.Dropout):
        traits = (float(layer.p),)
    else:
        assert isinstance(layer, (primitives.Flatten, map_layers.Shift)), f"not a layer: {layer!r}"
    kind = type(layer).__name__ if layer.stem == "pool" or isinstance(layer, _OTHER_CONVS) else layer.stem
    return LeafUse(kind, traits, tuple(numbers.items()))
