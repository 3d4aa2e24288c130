"""Rows as a tree of modules: the path of a row is the name of its module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.rows import layers as primitives
from plainnet.blocks.rows.counts import nominal_shape
from plainnet.blocks.rows.live_rows import last_uses
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row, walk
from plainnet.errors import UsageError
from plainnet.network.linked import Linked, Step, Wiring
from plainnet.network.modules import JOIN_MODULES, Chain, Part, ResidualPart, leaf_module
from plainnet.network.parameterless import ZeroMap
from plainnet.network.published import NORM_EPS

__all__ = ["build_block", "module_tree"]


def module_tree(
    rows: Sequence[Row],
    in_shape: Shape,
    *,
    parts: Iterable[str] = (),
    norm_eps: float = NORM_EPS,
    outputs: Sequence[int] | None = None,
    names: Mapping[int, str] | None = None,
) -> nn.Module:
    """Expanded rows for an input of `in_shape` as nested modules: the path of a row is the name of its module
    ("0.res1.main.conv1").

    parts: paths of modules that are there in any case; one without rows is an empty chain, which is the identity.
    outputs: the values that are put out as a list; by default the last row's, or what it collects, by name.
    names: what values are called in the string.
    """
    builder = _Builder(rows, in_shape, norm_eps, names or {})
    root: _Tree = OrderedDict()
    for place in parts:
        here = root
        for name in place.split("."):
            here = here.setdefault(name, OrderedDict())
    for number, row in enumerate(rows):
        if isinstance(row.layer, primitives.Collect):
            continue
        *parents, name = row.path.split(".")
        here = root
        for parent in parents:
            here = here.setdefault(parent, OrderedDict())
        if isinstance(row.layer, primitives.Leaf):
            here[name] = number
        else:
            here.setdefault(name, OrderedDict())
            builder.joins[row.path] = number
    return builder.network(root, outputs)


_Tree = OrderedDict[str, Any]
"""Parts by name: the number of a leaf's row, or what is inside."""

_MEETINGS = {primitives.Add: "sum", primitives.Sum: "sum", primitives.Concat: "cat", primitives.Scale: "gate"}


class _Builder:
    def __init__(self, rows: Sequence[Row], in_shape: Shape, norm_eps: float, names: Mapping[int, str]) -> None:
        self.rows, self.norm_eps, self.names = rows, norm_eps, names
        self.joins: dict[str, int] = {}
        self.outputs: frozenset[int] = frozenset()
        self.shapes = {INPUT: in_shape, **{number: row.out_shape for number, row in enumerate(rows)}}

    def network(self, root: _Tree, outputs: Sequence[int] | None) -> nn.Module:
        """The module of all rows."""
        last = self.rows[-1] if self.rows else None
        if outputs is not None:
            self.outputs = frozenset(outputs)
            return self.linked(root, "", tuple(outputs), as_list=True)
        if last is not None and isinstance(last.layer, primitives.Collect):
            return self.linked(root, "", last.inputs, output_names=last.layer.names)
        out = len(self.rows) - 1
        return self.nested(root, "") if self.flow(root, "", INPUT) == out else self.linked(root, "", (out,))

    def flow(self, tree: _Tree | int, path: str, source: int) -> int | None:
        """The number of the value that modules inside of modules put out for `source`; None where rows say something else."""
        if isinstance(tree, int):
            row = self.rows[tree]
            fits = row.inputs == (source,) or (not row.inputs and self.shapes.get(source) == row.in_shape)
            return tree if fits else None
        join = self.joins.get(path)
        if join is None:
            value: int | None = source
            for name, part in tree.items():
                value = None if value is None else self.flow(part, _below(path, name), value)
            return value
        layer = self.rows[join].layer
        assert isinstance(layer, primitives.Join)
        values = [self.flow(tree.get(name, OrderedDict()), _below(path, name), source) for name, _ in layer.branches()]
        if isinstance(layer, primitives.Scale):
            values.insert(0, source)
        return join if tuple(values) == self.rows[join].inputs else None

    def nested(self, tree: _Tree | int, path: str) -> nn.Module:
        """A part as modules inside of modules."""
        if isinstance(tree, int):
            return self.leaf(tree)
        join = self.joins.get(path)
        if join is None:
            module: nn.Module = Chain()
        else:
            layer = self.rows[join].layer
            module = JOIN_MODULES[type(layer)]()
            assert isinstance(layer, primitives.Join)
            tree = _with_empty_branches(tree, layer)
        for name, part in tree.items():
            module.add_module(name, part if isinstance(part, nn.Module) else self.nested(part, _below(path, name)))
        return module

    def leaf(self, number: int) -> nn.Module:
        row = self.rows[number]
        assert isinstance(row.layer, primitives.Leaf)
        return leaf_module(row.layer, row.in_shape, norm_eps=self.norm_eps)

    def linked(
        self, tree: _Tree, path: str, outputs: tuple[int, ...], *, source: int = INPUT, **options: Any
    ) -> Linked:
        """A part whose values are taken across the parts inside of it; `source` comes in."""
        steps: list[Step] = []
        modules = [(name, self.part(part, _below(path, name), (name,), steps, source)) for name, part in tree.items()]
        steps.sort(key=lambda step: step.puts_out)  # a part may be left, and gone on with later
        steps = [step._replace(takes=tuple([INPUT if v == source else v for v in step.takes])) for step in steps]
        lives = last_uses([step.takes for step in steps], outputs)
        steps = [
            step._replace(lets_go=tuple([value for value in dict.fromkeys(step.takes) if lives[value] == number]))
            for number, step in enumerate(steps)
        ]
        names = {v: self.names[v] for _, _, _, v, _ in steps if v in self.names}
        module = Linked(Wiring(steps, outputs, names=names, **options))
        for name, part in modules:
            module.add_module(name, part)
        return module

    def part(self, tree: _Tree | int, path: str, place: tuple[str, ...], steps: list[Step], came_in: int) -> nn.Module:
        """A part of a linked one, into which `came_in` comes: a module that a step calls, or one that only holds what steps
        call.
        """
        numbers = list(self.numbers(tree, path))
        inside = set(numbers)
        outside = {value for number in numbers for value in self.rows[number].inputs} - inside
        taken = {value for number, row in enumerate(self.rows) if number not in inside for value in row.inputs}
        taken = (taken | self.outputs) & inside
        if not numbers:
            return Chain()
        last = numbers[-1]
        if len(outside) == 1 and taken <= {last}:
            source = next(iter(outside))
            if self.flow(tree, path, source) == last:
                steps.append(Step(place, "", (source,), last, ()))
                return self.nested(tree, path)
            if not isinstance(tree, int) and path not in self.joins:
                steps.append(Step(place, "", (source,), last, ()))
                return self.linked(tree, path, (last,), source=source)
        if isinstance(tree, int):  # zeros
            like = self.like(tree, [came_in, *[step.puts_out for step in steps]])
            steps.append(Step(place, "", (came_in if like is None else like,), tree, ()))
            return ZeroMap(self.rows[tree].out_shape) if like is None else self.leaf(tree)
        join = self.joins.get(path)
        module: nn.Module = (
            Part() if join is None or not isinstance(self.rows[join].layer, primitives.Add) else ResidualPart()
        )
        for name, below in tree.items():
            if hasattr(module, name):
                raise UsageError(
                    f"{_below(path, name)} cannot be built: every module of torch has something called {name}; accepted: "
                    "another name"
                )
            module.add_module(name, self.part(below, _below(path, name), (*place, name), steps, came_in))
        if join is not None:
            row = self.rows[join]
            steps.append(Step((), _MEETINGS[type(row.layer)], row.inputs, join, ()))
        return module

    def like(self, number: int, known: Iterable[int]) -> int | None:
        """The last of the values `known` to the steps that has the shape which a row expects and does not read: zeros are made
        of its shape. None if there is none.
        """
        wanted = self.rows[number].in_shape
        return max((value for value in known if value < number and self.shapes[value] == wanted), default=None)

    def numbers(self, tree: _Tree | int, path: str) -> Iterator[int]:
        """The rows of a part, in order."""
        if isinstance(tree, int):
            yield tree
            return
        for name, part in tree.items():
            yield from self.numbers(part, _below(path, name))
        if path in self.joins:
            yield self.joins[path]


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _with_empty_branches(tree: _Tree, join: primitives.Join) -> _Tree:
    """The branches of a join in order. One that has no rows (a variant may leave out all that it holds) is the identity;
    a `Residual` needs no module for an empty skip.
    """
    names = [name for name, _ in join.branches()]
    wanted = [name for name in names if name in tree or not (isinstance(join, primitives.Add) and name == "skip")]
    return OrderedDict((name, tree.get(name, nn.Identity())) for name in wanted)


def build_block(
    block: PlainNetBasicBlockClass, in_shape: Shape | None = None, *, variant: Variant = PLAIN
) -> nn.Module:
    """One block as a module; `in_shape` matters only where features depend on the size of the map."""
    shape = in_shape or nominal_shape(block, 224)
    rows, _ = walk((block,), shape, variant=variant, expand=True)
    return module_tree(rows, shape)
