"""The walk: blocks and an input shape in, a table of rows out.

A network is a table of rows; every question is a column. Each row is one operation on values that earlier rows put out
(static single assignment): `inputs` are row numbers, -1 being the network's input. A join (`Add`, `Sum`, `Concat`,
`Scale`) is the row in which the branches meet. A value that is taken by name has no row of its own: the row that takes it
says its number. Rows that nothing which is put out depends on are left out. In a compact table a body that is repeated
stands once, with `times` set; in an expanded one it is written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from plainnet.blocks.rows.block import Block
from plainnet.blocks.rows.branch_joining import MainAlone, joined, varied
from plainnet.blocks.rows.layers import (
    Collect,
    Join,
    Layer,
    LayerError,
    Layers,
    Leaf,
    Repeat,
    Scale,
    SqueezeExciteSlot,
    Take,
)
from plainnet.blocks.rows.live_rows import INPUT, NO_VALUE, Row, depends_on, live_rows
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.value_names import IN
from plainnet.blocks.rows.variants import PLAIN, Variant

__all__ = [
    "INPUT",
    "Row",
    "Value",
    "WalkError",
    "Walked",
    "block_layers",
    "dead_rows",
    "trace",
    "walk",
]

MAX_DEPTH = 64
"""How deep blocks may be made of blocks."""
MAX_REPEATS = 100_000
"""How often the same layers may be repeated, one repetition inside of another multiplied."""


class Value(NamedTuple):
    """A value: its shape, and the number of the row that puts it out (`INPUT` for what comes in)."""

    shape: Shape
    number: int


class Walked(NamedTuple):
    """What a walk found."""

    rows: list[Row]
    out_shape: Shape
    values: list[int | None]
    """the number of what each outermost block puts out; None where nothing that is put out depends on it"""
    shapes: list[Shape]
    """the shape of what each outermost block puts out"""
    names: dict[int, str]
    """the names that values have in the string"""


class WalkError(Exception):
    """A layer that cannot take what comes in. `trail` says which block, by its number in each level of nesting."""

    def __init__(self, message: str, hints: Iterable[str], trail: Sequence[int]) -> None:
        super().__init__(message)
        self.message, self.hints, self.trail = message, tuple(hints), tuple(trail)


def walk(
    layers: Layers, shape: Shape, *, variant: Variant = PLAIN, expand: bool = False, path: str = ""
) -> tuple[list[Row], Shape]:
    """The rows of `layers` for an input of `shape`, and the output's shape; `WalkError` where something does not fit."""
    walker = _Walker(variant, expand, shape, layers)
    shape, source = walker.sequence(layers, shape, INPUT, path)
    return (live_rows(walker.rows, (source,))[0] if walker.is_graph else walker.rows), shape


def trace(
    layers: Layers,
    shape: Shape,
    *,
    variant: Variant = PLAIN,
    expand: bool = False,
    wanted: Sequence[int] | None = None,
) -> Walked:
    """The rows of `layers`, and which values the outermost blocks put out.

    wanted: the numbers of the blocks whose values are put out; by default what comes last.
    """
    walker = _Walker(variant, expand, shape, layers)
    out_shape, source = walker.sequence(layers, shape, INPUT, "")
    kept = (source,) if wanted is None else tuple(walker.outermost[number].number for number in wanted)
    rows, places = live_rows(walker.rows, kept)
    values = [places.get(value.number) for value in walker.outermost]
    names = {places[number]: name for number, name in walker.names.items() if number in places}
    return Walked(rows, out_shape, values, [value.shape for value in walker.outermost], names)


def dead_rows(layers: Layers, shape: Shape, variant: Variant = PLAIN) -> list[Row]:
    """The rows of `layers` that nothing which is put out depends on, and that a walk leaves out."""
    walker = _Walker(variant, False, shape, layers)
    _, source = walker.sequence(layers, shape, INPUT, "")
    _, places = live_rows(walker.rows, (source,))
    return [row for number, row in enumerate(walker.rows) if number not in places]


def block_layers(block: Block) -> Layers:
    """What a block says in `layers()`; `LayerError` where that fails or is no sequence of layers: blocks are written by users."""
    try:
        layers = block.said_layers
    except LayerError:
        raise
    except Exception as error:
        raise LayerError(f"{block.name}: layers() fails with {type(error).__name__}: {error}") from error
    if not isinstance(layers, (tuple, list)):
        raise LayerError(f"{block.name}: layers() gives {type(layers).__name__}", "accepted: a tuple of layers")
    return tuple(layers)


class _WrittenOutError(Exception):
    """A repeated body takes a value from outside of it, or none of the run before: its runs are not alike."""


class _Walker:
    def __init__(self, variant: Variant, expand: bool, shape: Shape, layers: Layers) -> None:
        self.rows: list[Row] = []
        self.is_graph = False
        """whether rows may be there that nothing depends on"""
        self.came_in = Value(shape, INPUT)
        """what came into the container around the layer"""
        self.frames: list[dict[str, Value]] = []
        """the named values of the sequences around the layer, the innermost last"""
        self.outermost: list[Value] = []
        self.names: dict[int, str] = {}
        self.repeated_from, self.repeated_in = INPUT, INPUT
        """the first row of the innermost repeated body, and the value that comes into it"""
        self.variant, self.expand, self.is_varied = variant, expand, variant != PLAIN
        self.times, self.repeats, self.in_gate = 1, 1, False
        self.trail: list[int] = []
        self.children: list[int] = [0]
        self.forks: list[int] = []
        """values that enclosing joins hand to several branches, or take themselves"""
        self.may_take = any(isinstance(layer, Block) and not layer.is_plain for layer in layers)
        """whether blocks take values by name"""
        self.kept: set[int] = {INPUT} if self.may_take else set()
        """values that may be taken by name later"""

    def sequence(
        self, layers: Layers, shape: Shape, source: int, path: str, ordinals: dict[str, int] | None = None
    ) -> tuple[Shape, int]:
        """Emit the rows of layers one after the other; the shape and the number of the value that comes out."""
        ordinals = {} if ordinals is None else ordinals
        variant, in_gate, is_varied = self.variant, self.in_gate, self.is_varied
        frame: dict[str, Value] | None = None
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
                if layer.label is not None:
                    if frame is None:
                        frame = {}
                        self.frames.append(frame)
                    frame[layer.label] = Value(shape, source)
                    self.names.setdefault(source, layer.label)
                    if self.may_take:
                        self.kept.add(source)
            elif isinstance(layer, SqueezeExciteSlot):
                continue
            elif isinstance(layer, Take):
                shape, source = self.take(layer.name)
            elif isinstance(layer, Collect):
                shape, source = self.collect(layer, _child(path, layer.stem, ordinals))
            elif isinstance(layer, Join):
                shape, source = self.join(layer, shape, source, _child(path, layer.stem, ordinals))
            elif isinstance(layer, MainAlone):
                shape, source = self.sequence(layer.main, shape, source, _child(path, layer.stem, ordinals) + ".main")
            else:
                hint = "accepted: what plainnet.blocks.rows.layers holds, and blocks"
                raise WalkError(f"{layer!r} is no layer", (hint,), self.trail)
        if frame is not None:
            self.frames.pop()
        return shape, source

    def leaf(self, layer: Leaf, shape: Shape, source: int, path: str) -> tuple[Shape, int]:
        try:
            out = layer.out_shape(shape)
        except LayerError as error:
            raise WalkError(error.message, error.hints, self.trail) from None
        if not layer.reads:
            self.is_graph = True
        self.rows.append(Row(path, layer, (source,) if layer.reads else (), shape, out, self.times))
        return out, len(self.rows) - 1

    def take(self, name: str) -> Value:
        """The value of a name: the innermost one."""
        self.is_graph = True
        frames = (frame for frame in reversed(self.frames) if name in frame)
        found = self.came_in if name == IN else next(frames, {}).get(name)
        if found is None:
            hint = "accepted: the names of earlier blocks in the same sequence or in one around it"
            raise WalkError(f"there is no value {name} here", (hint,), self.trail)
        if self.times > 1 and found.number < self.repeated_from and found.number != self.repeated_in:
            raise _WrittenOutError
        return found

    def collect(self, layer: Collect, path: str) -> Value:
        values = [self.take(name) for name in layer.names]
        numbers = tuple([value.number for value in values])
        self.rows.append(Row(path, layer, numbers, values[0].shape, NO_VALUE, self.times))
        return Value(NO_VALUE, len(self.rows) - 1)

    def block(self, block: Block, shape: Shape, source: int, path: str, ordinals: dict[str, int]) -> tuple[Shape, int]:
        self.trail.append(self.children[-1])
        self.children[-1] += 1
        self.children.append(0)
        declared, promised = block.said_channels
        if declared is not None and declared != shape.channels:
            what = "features" if hasattr(block, "in_features") else "channels"
            raise WalkError(f"{block.name} takes {declared} {what} and gets {shape.channels}", (), self.trail)
        if len(self.trail) > MAX_DEPTH:
            raise WalkError(f"blocks are made of blocks more than {MAX_DEPTH} deep", (), self.trail)
        number = ordinals.get("", 0)
        ordinals[""] = number + 1
        if declared is None:
            promised = block.channels_out(shape.channels)
        try:
            layers = block_layers(block)
        except LayerError as error:
            raise WalkError(error.message, error.hints, self.trail) from error
        came_in, frames = self.came_in, self.frames
        if not block.taken_names:  # closed: nothing outside has a name for what is inside
            self.came_in, self.frames = Value(shape, source), []
        elif block.children:
            self.came_in = Value(shape, source)
        if not block.is_plain:
            self.kept.add(source)  # it may be taken by name once more
        shape, source = self.sequence(layers, shape, source, f"{path}.{number}" if path else str(number))
        self.came_in, self.frames = came_in, frames
        if promised is not None and promised != shape.channels:
            message = f"{block.name} is to put out {promised} channels, and its layers put out {shape.channels}"
            raise WalkError(message, (), self.trail)
        self.children.pop()
        self.trail.pop()
        if not self.trail:
            self.outermost.append(Value(shape, source))
        return shape, source

    def repeat(
        self, layer: Repeat, shape: Shape, source: int, path: str, ordinals: dict[str, int]
    ) -> tuple[Shape, int]:
        if layer.times < 1:
            return shape, source
        if layer.times > 1 and (source in self.forks or source in self.kept):
            # the first run leaves its input alive for others, the later ones do not: they need memory of their own
            shape, source = self.repeat(Repeat(1, layer.body), shape, source, path, ordinals)
            layer = Repeat(layer.times - 1, layer.body)
        if self.repeats * layer.times > MAX_REPEATS:
            message = f"layers are repeated {self.repeats * layer.times:,} times"
            raise WalkError(message, (f"accepted: at most {MAX_REPEATS:,}",), self.trail)
        if self.expand:
            repeats, self.repeats = self.repeats, self.repeats * layer.times
            for _ in range(layer.times):
                shape, source = self.sequence(layer.body, shape, source, path, ordinals)
            self.repeats = repeats
            return shape, source
        before = dict(ordinals)
        try:
            out, source = self.repeated(layer, shape, source, path, ordinals)
        except (
            _WrittenOutError
        ):  # each run takes the same value, which stays alive meanwhile, or only the last one lives
            ordinals.clear()
            ordinals.update(before)
            for _ in range(layer.times):
                shape, source = self.sequence(layer.body, shape, source, path, ordinals)
            return shape, source
        if out != shape:
            raise WalkError(f"a repeated body takes {shape} and puts out {out}", (), self.trail)
        for stem, count in ordinals.items():
            ordinals[stem] = before.get(stem, 0) + layer.times * (count - before.get(stem, 0))
        return out, source

    def repeated(
        self, layer: Repeat, shape: Shape, source: int, path: str, ordinals: dict[str, int]
    ) -> tuple[Shape, int]:
        """The rows of a repeated body, once; all is as it was before where it takes values from outside."""
        was = self.times, self.repeats, self.repeated_from, self.repeated_in, self.in_gate, self.came_in, self.frames
        rows, frames = len(self.rows), len(self.frames)
        trail, children, forks = list(self.trail), list(self.children), list(self.forks)
        self.times *= layer.times
        self.repeats *= layer.times
        self.repeated_from, self.repeated_in = len(self.rows), source
        try:
            out, value = self.sequence(layer.body, shape, source, path, ordinals)
            if self.is_graph and not depends_on(self.rows, value, source, first=rows):
                raise _WrittenOutError
            return out, value
        except _WrittenOutError:
            del self.rows[rows:]
            del was[-1][frames:]
            self.trail, self.children, self.forks = trail, children, forks
            raise
        finally:
            self.times, self.repeats, self.repeated_from, self.repeated_in, self.in_gate = was[:5]
            self.came_in, self.frames = was[5:]

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


def _child(path: str, stem: str, ordinals: dict[str, int]) -> str:
    """The path of the next layer of a kind: conv1, conv2, ..."""
    number = ordinals.get(stem, 0) + 1
    ordinals[stem] = number
    return f"{path}.{stem}{number}" if path else f"{stem}{number}"
