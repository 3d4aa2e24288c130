"""Source of networks with values that have a name: classes whose `forward` has a line for each step, in the author's names.

The modules are those that `PlainNet` is made of, so that the keys of the `state_dict` are the same. What maps one value to one
value is written as in any network; what takes values from elsewhere is a `Part`, which only holds the layers that the class
around it calls one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from plainnet.blocks.rows.layers import Leaf
from plainnet.blocks.rows.live_rows import INPUT
from plainnet.blocks.rows.walk import Row
from plainnet.errors import UsageError
from plainnet.export.network import Network
from plainnet.export.source.body import Writer
from plainnet.export.source.definitions import Definitions, define_classes, numbers_of
from plainnet.export.source.layout import Call, Expression
from plainnet.export.source.names import free_name
from plainnet.export.source.plan import BlockUse, Chain, Loop, Meeting, Part, leaf_use, plan_block

if TYPE_CHECKING:
    from torch import nn

    from plainnet.network.linked import Step, Wiring

__all__ = ["GraphSource", "graph_source"]

_POOL = ("x", "y", "z", "u", "v", "w")
"""What values are called that have no name."""


@dataclass
class GraphSource:
    """What of `model.py` is the graph's own."""

    definitions: Definitions
    blocks: list[Expression]
    """the arguments of `Graph(...)`"""
    used: set[str]
    classes: dict[str, str] = field(default_factory=dict)
    """the text of each class after its name -> its name; the network's own, `Graph`, comes last"""


def graph_source(network: Network) -> GraphSource:
    """The source of a network that is no chain."""
    import torch

    from plainnet.network.linked import Linked

    with torch.device("meta"):
        blocks = network.build("default").blocks
    walked = network.structure.trace(network.shape, variant=network.variant, expand=True)
    rows = {row.path: row for row in walked.rows}
    planned = dict(_blocks(network, blocks, rows))
    definitions = define_classes(tuple(planned.values()))
    source = GraphSource(definitions, [], {"Chain", "Part"})
    tree = _Tree(source, rows, planned)
    source.blocks = tree.arguments(blocks, "")
    levels = [value for level in network.levels if (value := walked.values[level.block]) is not None]
    numbers = [level.block for level in network.levels if walked.values[level.block] is not None]
    # a chain after all, perhaps: zeros cut off what was before them
    text = _run(blocks.wiring, levels) if isinstance(blocks, Linked) else _run(_steps_of(blocks), numbers)
    source.classes[text] = "Graph"
    return source


def _blocks(network: Network, blocks: nn.Module, rows: Mapping[str, Row]) -> Iterator[tuple[str, Part]]:
    """The plans of the outermost blocks in which nothing is taken by name, and which something depends on."""
    for (name, module), block in zip(blocks.named_children(), network.structure.blocks, strict=False):
        first = next((row for path, row in rows.items() if path.startswith(f"{name}.")), None)
        if block.is_plain and first is not None and len(list(module.children())):
            yield name, plan_block(block, first.in_shape, network.variant)


class _Tree:
    """Modules as expressions."""

    def __init__(self, source: GraphSource, rows: Mapping[str, Row], planned: Mapping[str, Part]) -> None:
        self.source, self.rows, self.planned = source, rows, planned

    def expression(self, module: nn.Module, path: str) -> Expression:
        """The expression that makes a module."""
        from plainnet.network.linked import Linked
        from plainnet.network.parameterless import ZeroMap

        part = self.planned.get(path) or self.plan(module, path)
        if part is not None:
            return self.written(part)
        if isinstance(module, ZeroMap):
            self.source.used.add("ZeroMap")
            return Call("ZeroMap", tuple(map(str, module.shape)))
        kind = type(module).__name__
        if isinstance(module, Linked):
            text = _forward(module.wiring)
            kind = self.source.classes.setdefault(text, f"Graph{len(self.source.classes) + 1}")
        elif kind == "Chain":  # in which layers are missing: zeros cut them off
            text = _forward(_steps_of(module))
            kind = self.source.classes.setdefault(text, f"Graph{len(self.source.classes) + 1}")
        else:
            self.source.used.add(kind)
        return Call(kind, tuple(self.arguments(module, path)))

    def arguments(self, module: nn.Module, path: str) -> list[Expression]:
        """The parts of a module: those that have a number by position, others by name."""
        found: list[Expression] = []
        named = False
        if type(module).__name__ == "ResidualPart" and not hasattr(module, "main"):
            found.append(Call("Chain", (), "main="))
        for name, part in module.named_children():
            expression = self.expression(part, f"{path}.{name}" if path else name)
            if name.isdigit():
                missing = int(name) - len(found)
                if named or missing < 0:
                    raise UsageError(f"blocks and layers are mixed in {path}, of which no source is written")
                found += [Call("Chain", ())] * missing + [expression]
            elif type(module).__name__ in ("Summation", "Concatenation"):
                found.append(expression)
            else:
                named = True
                found.append(replace(_as_call(expression), prefix=f"{name}="))
        return found

    def written(self, part: Part) -> Expression:
        definitions = self.source.definitions
        numbers = iter([str(int(number)) for _, number in numbers_of((part,), definitions)])
        (expression,) = Writer(definitions, numbers, self.source.used).arguments((part,))
        return expression

    def plan(self, module: nn.Module, path: str) -> Part | None:
        """The plan of a module of modules; None for one that takes values from elsewhere, or holds what does."""
        from plainnet.network.parameterless import ZeroMap

        row = self.rows.get(path)
        if isinstance(module, ZeroMap):
            return None
        if row is not None and isinstance(row.layer, Leaf):
            return leaf_use(row.layer, row.in_shape)
        kind = type(module).__name__
        children = {name: self.plan(part, f"{path}.{name}") for name, part in module.named_children()}
        if any(part is None for part in children.values()):
            return None
        parts = [part for part in children.values() if part is not None]
        if kind == "Identity":
            return Chain(())
        if kind in ("Residual", "Summation", "Concatenation", "Gate"):
            return Meeting(kind, tuple([part.body if isinstance(part, Chain) else (part,) for part in parts]))
        if kind != "Chain":
            return None
        if path.rpartition(".")[2].startswith("res") and list(children) == ["main"] and isinstance(parts[0], Chain):
            return Meeting("NoShortcut", (parts[0].body,))
        numbers = [int(name) for name in children if name.isdigit()]
        if numbers and len(numbers) == len(parts):  # a block of which nothing is left stands in a chain all the same
            parts = [children.get(str(number)) or Chain(()) for number in range(max(numbers) + 1)]
            return Chain(tuple(parts))
        return Chain(tuple(parts)) if list(children) == list(_names(parts)) else None


def _names(parts: Iterable[Part]) -> Iterator[str]:
    """What a `Chain` calls its layers."""
    counts: dict[str, int] = {}
    for part in parts:
        kind = "" if isinstance(part, (Chain, BlockUse, Loop)) else _KINDS.get(part.kind, part.kind)
        counts[kind] = number = counts.get(kind, 0) + 1
        yield f"{kind}{number}" if kind else str(number - 1)


_KINDS = {
    "WindowConv": "conv",
    "PatchConv": "conv",
    "Pool": "pool",
    "AdaptivePool": "pool",
    "Residual": "res",
    "NoShortcut": "res",
    "Summation": "sum",
    "Concatenation": "cat",
    "Gate": "gate",
}


def _as_call(expression: Expression) -> Call:
    return expression if isinstance(expression, Call) else Call(str(expression), ())


def _steps_of(module: nn.Module) -> Wiring:
    """Parts one after the other, as steps."""
    from plainnet.network.linked import Step, Wiring

    steps = [
        Step((name,), "", (number - 1,), number, (number - 1,))
        for number, (name, _) in enumerate(module.named_children())
    ]
    return Wiring(steps, (len(steps) - 1,))


def _forward(wiring: Wiring) -> str:
    lines, called = _lines(wiring, ())
    return "\n".join(
        [
            "(Part):",
            '    """Parts that take values of each other."""',
            "",
            "    def forward(self, x: Tensor) -> Tensor:",
            *(f"        {line}" for line in lines),
            f"        return {called[wiring.outputs[0]]}",
        ]
    )


def _run(wiring: Wiring, levels: list[int]) -> str:
    """The class of the whole network, which can put out the levels of its features as well."""
    lines, called = _lines(wiring, levels)
    outputs = [called[value] for value in wiring.outputs]
    out = outputs[0]
    if wiring.output_names:
        pairs = zip(wiring.output_names, outputs, strict=True)
        out = "{" + ", ".join(f'"{name}": {value}' for name, value in pairs) + "}"
    kind = "dict[str, Tensor]" if wiring.output_names else "Tensor"
    return "\n".join(
        [
            "(Part):",
            '    """The blocks of the network, and how values go from one to the other."""',
            "",
            f"    def run(self, x: Tensor) -> tuple[{kind}, list[Tensor]]:",
            *(f"        {line}" for line in lines),
            f"        return {out}, [{', '.join(called[value] for value in levels)}]",
            "",
            f"    def forward(self, x: Tensor) -> {kind}:",
            "        return self.run(x)[0]",
        ]
    )


def _lines(wiring: Wiring, kept: Iterable[int]) -> tuple[list[str], dict[int, str]]:
    """A line for each step, and what each value is called. Values without a name share a few variables."""
    names: dict[int, str] = {}
    for value, name in wiring.names.items():
        names[value] = free_name(name, {*names.values(), *_POOL}) if name not in _POOL else f"{name}_"
    last = {value: at for at, step in enumerate(wiring.steps) for value in step.takes}
    last |= dict.fromkeys([*wiring.outputs, *kept], len(wiring.steps))
    called, lines = {INPUT: "x"}, []
    for at, step in enumerate(wiring.steps):
        alive = {called[value] for value in called if last.get(value, -1) > at}
        value = step.puts_out
        free = (name for name in (*_POOL, *(f"x{number}" for number in range(2, 1000))) if name not in alive)
        text = _step(step, [called[taken] for taken in step.takes])
        called[value] = names.get(value) or next(free)
        lines.append(f"{called[value]} = {text}")
    return lines, called


def _step(step: Step, takes: list[str]) -> str:
    if step.part:
        place = "".join(f"[{name}]" if name.isdigit() else f".{name}" for name in step.part)
        return f"self{place}({takes[0]})"
    if step.meeting == "cat":
        return f"torch.cat([{', '.join(takes)}], dim=1)"
    return (" * " if step.meeting == "gate" else " + ").join(takes)
