"""The plan of a network: its tree of layers as a variant has it, with the name of every number.

The tree is recorded while the network is walked, so that what is left out, replaced or added by a variant is decided in
one place (`plainnet.blocks.walk`).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field

from plainnet.blocks import layers as primitives
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.layers import Join, Layers, Leaf, Repeat, SqueezeExciteSlot
from plainnet.blocks.shapes import Shape
from plainnet.blocks.structure import Structure
from plainnet.blocks.variants import PLAIN, Variant
from plainnet.blocks.walk import INPUT, WalkError, _Walker
from plainnet.export.source.symbols import Symbol, expression

__all__ = ["BlockPlan", "BlockUse", "Chain", "LeafUse", "Loop", "Meeting", "Plan", "plan_network"]


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

    block_class: type[PlainNetBasicBlockClass]
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
    """The plan of every block (one `Chain` or `BlockUse` each) for an input of `shape`, which was checked before."""
    recorder = _Recorder(variant)
    recorder.sequence(structure.blocks, shape, INPUT, "")
    return recorder.finished.pop()


class _Recorder(_Walker):
    """A walk that keeps the tree. `finished` holds the sequences that nobody has taken yet, the last one on top."""

    def __init__(self, variant: Variant) -> None:
        super().__init__(variant, expand=False)
        self.parts: list[Part] = []
        self.finished: list[Plan] = []
        self.join_path: str | None = None
        self.in_class = False

    def sequence(
        self, layers: Layers, shape: Shape, source: int, path: str, ordinals: dict[str, int] | None = None
    ) -> tuple[Shape, int]:
        outer, self.parts = self.parts, []
        result = super().sequence(layers, shape, source, path, ordinals)
        plan, self.parts = tuple(self.parts), outer
        if path.endswith(".main") and path != f"{self.join_path}.main":
            # the variant without shortcuts walks the main branch of an addition by itself
            self.parts.append(Meeting("NoShortcut", (plan,)))
        else:
            self.finished.append(plan)
        return result

    def leaf(self, layer: Leaf, shape: Shape, source: int, path: str) -> tuple[Shape, int]:
        result = super().leaf(layer, shape, source, path)
        self.parts.append(_leaf_use(layer, shape))
        return result

    def join(self, layer: Join, shape: Shape, source: int, path: str) -> tuple[Shape, int]:
        outer, self.join_path, first = self.join_path, path, len(self.finished)
        result = super().join(layer, shape, source, path)
        self.join_path = outer
        branches = tuple(self.finished[first:])
        del self.finished[first:]
        if isinstance(layer, primitives.Add) and not branches[1]:
            branches = branches[:1]
        self.parts.append(Meeting(_MEETINGS[type(layer)], branches))
        return result

    def repeat(
        self,
        layer: Repeat,
        shape: Shape,
        source: int,
        path: str,
        ordinals: dict[str, int],  # noqa: ARG002 - paths do not matter here
    ) -> tuple[Shape, int]:
        """One loop, however the walk counts it. In a class it is kept where it never runs: its deeper sisters have it."""
        if layer.times < 1 and not self.in_class:
            return shape, source
        depth, children, trail = len(self.finished), list(self.children), list(self.trail)
        try:
            out, _ = self.sequence(layer.body, shape, source, path, {})
        except WalkError:
            if layer.times >= 1:
                raise
            out = None
        self.children, self.trail = children, trail
        if out == shape:
            self.parts.append(Loop(layer.times, self.finished.pop()))
        del self.finished[depth:]
        return shape, source

    def block(
        self, block: PlainNetBasicBlockClass, shape: Shape, source: int, path: str, ordinals: dict[str, int]
    ) -> tuple[Shape, int]:
        outer = self.in_class
        if not _deserves_a_class(block):
            result = super().block(block, shape, source, path, ordinals)
            self.parts.append(Chain(self.finished.pop()))
            return result
        self.in_class = True
        named, arguments = _with_symbols(block)
        channels = named.channels_in()
        if channels is None:
            arguments["in_channels"] = shape.channels
            channels = Symbol(shape.channels, "in_channels")
        inner = Shape(channels, shape.height, shape.width)
        out, number = super().block(named, inner, source, path, ordinals)
        self.in_class = outer
        plan = BlockPlan(type(block), _plain(arguments), self.finished.pop(), block.text)
        self.parts.append(BlockUse(plan, tuple(arguments.items())))
        outside = arguments.get(expression(out.channels) or "", int(out.channels))
        return Shape(outside, int(out.height), int(out.width)), number


_MEETINGS: dict[type, str] = {
    primitives.Add: "Residual",
    primitives.Sum: "Summation",
    primitives.Concat: "Concatenation",
    primitives.Scale: "Gate",
}


def _plain(arguments: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple((name, int(value)) for name, value in arguments.items())


def _with_symbols(block: PlainNetBasicBlockClass) -> tuple[PlainNetBasicBlockClass, dict[str, int]]:
    """The block with named integers for arguments, and the arguments in its surroundings' terms."""
    named, arguments = copy.copy(block), {}
    for argument in dataclasses.fields(block):  # type: ignore[arg-type]
        value = getattr(block, argument.name)
        if isinstance(value, int):
            arguments[argument.name] = value
            object.__setattr__(named, argument.name, Symbol(int(value), argument.name))
    return named, arguments


def _deserves_a_class(block: PlainNetBasicBlockClass) -> bool:
    """Whether there is more to a block than a few layers in a row; what holds other blocks is written where it stands."""
    return not block.children and any(
        layer.times > 0 if isinstance(layer, Repeat) else not isinstance(layer, (Leaf, SqueezeExciteSlot))
        for layer in block.layers()
    )


def _leaf_use(layer: Leaf, shape: Shape) -> LeafUse:
    numbers: dict[str, int] = {}
    traits: tuple[object, ...] = ()
    if isinstance(layer, primitives.Conv):
        numbers = {"in_channels": shape.channels, "out_channels": layer.out_channels}
        numbers |= {"kernel_size": layer.kernel_size, "stride": layer.stride, "groups": layer.groups}
        traits = (layer.bias,)
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
        assert isinstance(layer, primitives.Flatten), f"not a layer: {layer!r}"
    return LeafUse(layer.stem if layer.stem != "pool" else type(layer).__name__, traits, tuple(numbers.items()))


def parts_within(plan: Plan) -> Iterator[Part]:
    """Every part of a plan, outer before inner, blocks' own plans left out."""
    for part in plan:
        yield part
        if isinstance(part, Meeting):
            for branch in part.branches:
                yield from parts_within(branch)
        elif isinstance(part, (Loop, Chain)):
            yield from parts_within(part.body)
