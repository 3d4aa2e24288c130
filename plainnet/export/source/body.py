"""Plans as expressions of source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from plainnet.blocks.rows.map_layers import ConvTranspose
from plainnet.export.source.definitions import Definition, Definitions
from plainnet.export.source.layout import Call, Expression, lay_out
from plainnet.export.source.plan import BlockUse, Chain, LeafUse, Loop, Meeting, Part, Plan

__all__ = ["ACTIVATION_CLASSES", "Writer"]

ACTIVATION_CLASSES = {
    "relu": "nn.ReLU",
    "relu6": "nn.ReLU6",
    "leaky_relu": "nn.LeakyReLU",
    "silu": "nn.SiLU",
    "hardswish": "nn.Hardswish",
    "gelu": "nn.GELU",
    "sigmoid": "nn.Sigmoid",
    "hardsigmoid": "nn.Hardsigmoid",
    "tanh": "nn.Tanh",
    "identity": "nn.Identity",
}
"""The torch class of an activation, by the name that `Act` has for it."""


@dataclass
class Writer:
    """Writes plans; `numbers` are the texts of the numbers still to come, `used` the names that the source needs."""

    definitions: Definitions
    numbers: Iterator[str]
    used: set[str] = field(default_factory=set)

    def statements(self, plan: Plan, indent: int) -> list[str]:
        """The statements that append a plan's layers to `self`, one after the other."""
        lines: list[str] = []
        pad = " " * indent
        for run in self._runs(plan):
            if isinstance(run, Loop):
                times = next(self.numbers)
                inner = self.statements(run.body, indent + 4)
                lines += [f"{pad}for _ in range({times}):", *inner]
            else:
                expression = self._run(run)
                starred = isinstance(expression, Call) and expression.prefix == "*"
                call = Call("self.extend", (_bare(expression),)) if starred else Call("self.append", (expression,))
                lines += lay_out(call, indent=indent)
        return lines

    def arguments(self, plan: Plan) -> tuple[Expression, ...]:
        """A plan as the arguments of `Chain(...)`."""
        found: list[Expression] = []
        for run in self._runs(plan):
            if isinstance(run, Loop):
                times, body = next(self.numbers), self.arguments(run.body)
                self.used.add("repeat")
                found.append(Call("repeat", (times, Call("lambda: Chain", body)), "*"))
            else:
                found.append(self._run(run))
        return tuple(found)

    def _runs(self, plan: Plan) -> Iterator[Part | tuple[LeafUse, ...]]:
        """The parts of a plan, a convolution together with the norm and the activation behind it."""
        position = 0
        while position < len(plan):
            run = [part for part in plan[position : position + 3] if isinstance(part, LeafUse)]
            kinds = [part.kind for part in run] if run and plan[position] is run[0] else []
            if kinds[:2] == ["conv", "bn"] and plan[position + 1] is run[1]:
                whole = kinds == ["conv", "bn", "act"] and plan[position + 2] is run[2]
                yield tuple(run[: 3 if whole else 2])
                position += 3 if whole else 2
            else:
                yield plan[position]
                position += 1

    def _run(self, run: Part | tuple[LeafUse, ...]) -> Expression:
        if isinstance(run, tuple):
            return self._conv_bn(run)
        if isinstance(run, LeafUse):
            return self._leaf(run)
        if isinstance(run, Chain):
            return self._chain(run.body)
        if isinstance(run, BlockUse):
            return self._block(run)
        assert isinstance(run, Meeting)
        return self._meeting(run)

    def _chain(self, plan: Plan, prefix: str = "") -> Call:
        self.used.add("Chain")
        return Call("Chain", self.arguments(plan), prefix)

    def _meeting(self, meeting: Meeting) -> Call:
        self.used.add(meeting.kind)
        branches = [self._chain(branch) for branch in meeting.branches]
        if meeting.kind == "Residual" and len(branches) == 2:
            main, skip = branches
            return Call("Residual", (Call("Chain", main.arguments, "main="), Call("Chain", skip.arguments, "skip=")))
        return Call(meeting.kind, tuple(branches))

    def _block(self, use: BlockUse) -> Call:
        definition = self.definitions.owner[use.block]
        values = {name: next(self.numbers) for name, _ in self.definitions.arguments(use)}
        return Call(definition.name, tuple(_passed(definition, values)))

    def _conv_bn(self, run: tuple[LeafUse, ...]) -> Expression:
        self.used |= {"conv_bn"}
        arguments = self._conv_arguments(run[0])
        next(self.numbers)  # the norm's channels are those that the convolution puts out
        if len(run) == 3:
            arguments.append(f"act={ACTIVATION_CLASSES[str(run[2].traits[0])]}")
        return Call("conv_bn", tuple(arguments), "*")

    def _conv_arguments(self, leaf: LeafUse) -> list[str]:
        in_channels, out_channels, kernel_size, stride, groups = (next(self.numbers) for _ in leaf.numbers)
        arguments = [in_channels, out_channels, kernel_size]
        arguments += [f"stride={stride}"] if stride != "1" else []
        arguments += [f"groups={groups}"] if groups != "1" else []
        return arguments + (["bias=True"] if leaf.traits[0] else [])

    def _leaf(self, leaf: LeafUse) -> Expression:
        if leaf.kind == "conv":
            self.used.add("conv")
            return Call("conv", tuple(self._conv_arguments(leaf)))
        numbers = [next(self.numbers) for _ in leaf.numbers]
        self.used |= {name for name in (_MODULES.get(leaf.kind),) if name}
        return _LEAVES[leaf.kind](leaf, numbers)


def _bare(expression: Expression) -> Expression:
    assert isinstance(expression, Call)
    return Call(expression.function, expression.arguments)


def _passed(definition: Definition, values: dict[str, str]) -> Iterator[str]:
    """The arguments of a call: channels by position, everything else by name."""
    positional = True
    for name in definition.parameters:
        positional = positional and name in ("in_channels", "out_channels")
        yield values[name] if positional else f"{name}={values[name]}"


def _norm(leaf: LeafUse, numbers: list[str]) -> Expression:
    return Call(f"nn.BatchNorm{1 if leaf.traits[0] else 2}d", (*numbers, "eps=NORM_EPS"))


def _pool(leaf: LeafUse, numbers: list[str]) -> Expression:
    kernel_size, stride = numbers
    is_max = leaf.traits[0] == "max"
    half = f"({kernel_size} - 1) // 2" if not kernel_size.isdigit() else str((int(kernel_size) - 1) // 2)
    arguments = [kernel_size, stride, *([f"padding={half}"] if half != "0" else [])]
    arguments += ["ceil_mode=True"] if leaf.traits[1] else []
    arguments += [] if is_max else ["count_include_pad=False"]
    return Call("nn.MaxPool2d" if is_max else "nn.AvgPool2d", tuple(arguments))


def _window_conv(leaf: LeafUse, numbers: list[str]) -> Expression:
    in_channels, out_channels, high, wide, stride, dilation, groups = numbers
    padding = [_text(f"{_times(dilation, size)} // 2") for size in (high, wide)]
    arguments = [in_channels, out_channels, f"({high}, {wide})"]
    arguments += [f"stride={stride}"] if stride != "1" else []
    arguments += [f"padding=({', '.join(padding)})"] if set(padding) != {"0"} else []
    arguments += [f"dilation={dilation}"] if dilation != "1" else []
    arguments += [f"groups={groups}"] if groups != "1" else []
    return Call("nn.Conv2d", (*arguments, f"bias={leaf.traits[0]}"))


def _times(dilation: str, size: str) -> str:
    return f"({size} - 1)" if dilation == "1" else f"{dilation} * ({size} - 1)"


def _text(formula: str) -> str:
    """A formula of numbers as its value; one with names as it is."""
    return formula if re.search("[a-z]", formula) else str(_value(formula))


def _value(formula: str) -> int:
    factor, size = re.fullmatch(r"(?:(\d+) \* )?\((\d+) - 1\) // 2", formula).groups()  # type: ignore[union-attr]
    return int(factor or 1) * (int(size) - 1) // 2


def _patch_conv(leaf: LeafUse, numbers: list[str]) -> Expression:
    in_channels, out_channels, kernel_size, stride, groups = numbers
    arguments = [in_channels, out_channels, kernel_size, f"stride={stride}"]
    arguments += [f"groups={groups}"] if groups != "1" else []
    return Call("nn.Conv2d", (*arguments, f"bias={leaf.traits[0]}"))


def _conv_transpose(leaf: LeafUse, numbers: list[str]) -> Expression:
    in_channels, out_channels, kernel_size, stride = numbers
    layer = ConvTranspose(1, dict(leaf.numbers)["kernel_size"], dict(leaf.numbers)["stride"])
    arguments = [in_channels, out_channels, kernel_size, f"stride={stride}"]
    arguments += [f"padding={layer.padding}"] if layer.padding else []
    arguments += [f"output_padding={layer.output_padding}"] if layer.output_padding else []
    return Call("nn.ConvTranspose2d", (*arguments, *(() if leaf.traits[0] else ("bias=False",))))


def _resize(leaf: LeafUse, numbers: list[str]) -> Expression:
    mode = leaf.traits[0]
    aligned = ("align_corners=False",) if mode == "bilinear" else ()
    return Call("nn.Upsample", (f"scale_factor={numbers[0]}", f'mode="{mode}"', *aligned))


def _linear(leaf: LeafUse, numbers: list[str]) -> Expression:
    return Call("nn.Linear", (*numbers, *(() if leaf.traits[0] else ("bias=False",))))


_MODULES = {"part": "Narrow", "shift": "Shift", "zero": "Zero", "ln": "LayerNorm", "scale": "ChannelScale"}
"""The kinds of layers that need a class that torch does not have."""

_LEAVES: dict[str, Callable[[LeafUse, list[str]], Expression]] = {
    "bn": _norm,
    "WindowConv": _window_conv,
    "PatchConv": _patch_conv,
    "ln": lambda leaf, numbers: Call("LayerNorm", tuple(numbers)),  # noqa: ARG005
    "scale": lambda leaf, numbers: Call("ChannelScale", tuple(numbers)),  # noqa: ARG005
    "deconv": _conv_transpose,
    "up": _resize,
    "part": lambda leaf, numbers: Call("Narrow", tuple(numbers)),  # noqa: ARG005
    "shift": lambda leaf, numbers: Call("Shift", ()),  # noqa: ARG005
    "zero": lambda leaf, numbers: Call("Zero", tuple(numbers)),  # noqa: ARG005
    "act": lambda leaf, numbers: Call(ACTIVATION_CLASSES[str(leaf.traits[0])], ()),  # noqa: ARG005
    "Pool": _pool,
    "AdaptivePool": lambda leaf, numbers: Call("nn.AdaptiveAvgPool2d", tuple(numbers)),  # noqa: ARG005
    "flatten": lambda leaf, numbers: Call("nn.Flatten", ("1",)),  # noqa: ARG005
    "linear": _linear,
    "drop": lambda leaf, numbers: Call("nn.Dropout", (repr(leaf.traits[0]),)),  # noqa: ARG005
}
