"""Torch modules from rows: the one place where a primitive layer becomes a module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.rows import layers as primitives
from plainnet.blocks.rows.counts import nominal_shape
from plainnet.blocks.rows.live import last_uses
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row, walk
from plainnet.errors import UsageError
from plainnet.network.linked import Linked, Step
from plainnet.network.published import NORM_EPS

__all__ = [
    "Chain",
    "Concatenation",
    "Gate",
    "Part",
    "Residual",
    "ResidualPart",
    "Summation",
    "build_block",
    "module_tree",
]


class Chain(nn.Sequential):
    """Named modules one after the other."""


class Residual(nn.Module):
    """main(x) + skip(x); the identity where there is no skip."""

    main: nn.Module
    skip: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.main(x) + (self.skip(x) if hasattr(self, "skip") else x)
        return out


class Part(nn.Module):
    """Layers that take values from outside of this part: the `Linked` module around it runs them."""

    def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002
        raise UsageError("this part of the network takes values from outside of it by name; call the network")


class ResidualPart(Part):
    """The branches of an addition that take values from outside of it."""

    main: nn.Module


class Summation(nn.Module):
    """The sum of its branches."""

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.children()
        out: Tensor = first(x)
        for branch in others:
            out = out + branch(x)
        return out


class Concatenation(nn.Module):
    """Its branches' outputs, one after the other along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class Gate(nn.Module):
    """x * net(x)."""

    net: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.net(x)
        return out


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": nn.Hardsigmoid,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}

_JOINS: dict[type, Callable[[], nn.Module]] = {
    primitives.Add: Residual,
    primitives.Sum: Summation,
    primitives.Concat: Concatenation,
    primitives.Scale: Gate,
}


def _conv(layer: primitives.Conv, shape: Shape) -> nn.Module:
    return nn.Conv2d(
        shape.channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        groups=layer.groups,
        bias=layer.bias,
    )


def _pool(layer: primitives.Pool, shape: Shape) -> nn.Module:  # noqa: ARG001
    if layer.kind == "max":
        return nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
    return nn.AvgPool2d(
        layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode, count_include_pad=False
    )


_LEAVES: dict[type, Callable[[Any, Shape], nn.Module]] = {
    primitives.Conv: _conv,
    primitives.Act: lambda layer, shape: _ACTIVATIONS[layer.kind](),  # noqa: ARG005
    primitives.Pool: _pool,
    primitives.AdaptivePool: lambda layer, shape: nn.AdaptiveAvgPool2d(layer.output_size),  # noqa: ARG005
    primitives.Flatten: lambda layer, shape: nn.Flatten(1),  # noqa: ARG005
    primitives.Linear: lambda layer, shape: nn.Linear(shape.channels, layer.out_features, bias=layer.bias),
    primitives.Dropout: lambda layer, shape: nn.Dropout(layer.p),  # noqa: ARG005
}


def leaf_module(layer: primitives.Leaf, shape: Shape, *, norm_eps: float = NORM_EPS) -> nn.Module:
    """The module of one primitive layer for an input shape."""
    if isinstance(layer, primitives.Norm):
        return nn.BatchNorm1d(shape.channels, norm_eps) if shape.is_vector else nn.BatchNorm2d(shape.channels, norm_eps)
    return _LEAVES[type(layer)](layer, shape)


def module_tree(
    rows: Sequence[Row],
    *,
    parts: Iterable[str] = (),
    norm_eps: float = NORM_EPS,
    outputs: Sequence[int] | None = None,
    names: Mapping[int, str] | None = None,
) -> nn.Module:
    """Expanded rows as nested modules: the path of a row is the name of its module ("0.res1.main.conv1").

    parts: names at the top that are there in any case; one without rows is an empty chain, which is the identity.
    outputs: the values that are put out as a list; by default the last row's, or what it collects, by name.
    names: what values are called in the string.
    """
    builder = _Builder(rows, norm_eps, names or {})
    root: _Tree = OrderedDict((name, OrderedDict()) for name in parts)
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
    def __init__(self, rows: Sequence[Row], norm_eps: float, names: Mapping[int, str]) -> None:
        self.rows, self.norm_eps, self.names = rows, norm_eps, names
        self.joins: dict[str, int] = {}

    def network(self, root: _Tree, outputs: Sequence[int] | None) -> nn.Module:
        """The module of all rows."""
        last = self.rows[-1] if self.rows else None
        if outputs is not None:
            return self.linked(root, "", tuple(outputs), as_list=True)
        if last is not None and isinstance(last.layer, primitives.Collect):
            return self.linked(root, "", last.inputs, output_names=last.layer.names)
        out = len(self.rows) - 1
        return self.nested(root, "") if self.flow(root, "", INPUT) == out else self.linked(root, "", (out,))

    def flow(self, tree: _Tree | int, path: str, source: int) -> int | None:
        """The number of the value that modules inside of modules put out for `source`; None where rows say something else."""
        if isinstance(tree, int):
            return tree if self.rows[tree].inputs in ((source,), ()) else None
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
            module = _JOINS[type(layer)]()
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
        modules = [(name, self.part(part, _below(path, name), (name,), steps)) for name, part in tree.items()]
        steps = [step._replace(takes=tuple([INPUT if v == source else v for v in step.takes])) for step in steps]
        lives = last_uses([step.takes for step in steps], outputs)
        steps = [
            step._replace(lets_go=tuple([value for value in dict.fromkeys(step.takes) if lives[value] == number]))
            for number, step in enumerate(steps)
        ]
        module = Linked(
            steps, outputs, names={v: self.names[v] for _, _, _, v, _ in steps if v in self.names}, **options
        )
        for name, part in modules:
            module.add_module(name, part)
        return module

    def part(self, tree: _Tree | int, path: str, place: tuple[str, ...], steps: list[Step]) -> nn.Module:
        """A part of a linked one: a module that a step calls, or one that only holds what steps call."""
        numbers = list(self.numbers(tree, path))
        inside = set(numbers)
        outside = {value for number in numbers for value in self.rows[number].inputs} - inside
        taken = {value for number, row in enumerate(self.rows) if number not in inside for value in row.inputs} & inside
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
        assert not isinstance(tree, int), "a layer takes one value"
        join = self.joins.get(path)
        module: nn.Module = (
            Part() if join is None or not isinstance(self.rows[join].layer, primitives.Add) else ResidualPart()
        )
        for name, below in tree.items():
            module.add_module(name, self.part(below, _below(path, name), (*place, name), steps))
        if join is not None:
            row = self.rows[join]
            steps.append(Step((), _MEETINGS[type(row.layer)], row.inputs, join, ()))
        return module

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
    rows, _ = walk((block,), in_shape or nominal_shape(block, 224), variant=variant, expand=True)
    return module_tree(rows)
