"""`model.py`: a whole network as source with no dependency but torch."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator

from plainnet.export.literals import one_line
from plainnet.export.network import Network
from plainnet.export.source import frame, shared_source
from plainnet.export.source.body import Writer
from plainnet.export.source.definitions import Definition, Definitions, define_classes, numbers_of
from plainnet.export.source.graph import graph_source
from plainnet.export.source.layout import WIDTH, Call, Expression, lay_out, wrapped_docstring
from plainnet.export.source.plan import BlockUse, Chain, Plan, plan_network

__all__ = ["model_source"]

_LOOP_FROM = 3
"""Blocks in a row that are the same, from which on they are written as a loop."""


def model_source(network: Network) -> str:
    """The source of `model.py`: the network as a class `Net` whose `state_dict` has the keys of `PlainNet`."""
    graph = None if network.structure.is_plain else graph_source(network)
    if graph is None:
        plan = plan_network(network.structure, network.shape, network.variant)
        definitions, used = define_classes(plan), {"Chain"}
        writer = Writer(definitions, iter([str(int(number)) for _, number in numbers_of(plan, definitions)]), used)
        blocks = _blocks(plan, writer, network)
    else:
        definitions, used = graph.definitions, graph.used
        blocks = [line for block in graph.blocks for line in lay_out(block, indent=12, suffix=",")]
    classes = [_class_source(definition, definitions, used) for definition in definitions.classes]
    net = frame.net_source(network, blocks)
    kinds = _kinds("\n".join([*classes, *blocks]), used)
    if graph is not None:
        classes += [f"class {name}{text}" for text, name in graph.classes.items()]
        kinds = "\n\n\n".join(
            [kinds, *(shared_source.PARTS[name].strip("\n") for name in shared_source.PARTS if name in used)]
        )
    joins = [shared_source.JOINS[name] for name in shared_source.JOINS if name in used]
    helpers = [shared_source.HELPERS[name] for name in shared_source.HELPERS if name in _needed(used)]
    head = frame.head(network, needs_callable="repeat" in used)
    initialize = shared_source.INITIALIZE + (
        shared_source.INITIALIZE_RESIDUALS if used & {"Residual", "ResidualPart"} else ""
    )
    if "ResidualPart" in used:
        units = "(Residual, ResidualPart)" if "Residual" in used else "ResidualPart"
        initialize = initialize.replace("isinstance(part, Residual)", f"isinstance(part, {units})")
    if any("nn.ConvTranspose2d(" in line for line in [*classes, *blocks]):
        initialize = initialize.replace("part, nn.Conv2d)", "part, (nn.Conv2d, nn.ConvTranspose2d))")
        initialize = initialize.replace("(nn.Conv2d, nn.Linear)", "(nn.Conv2d, nn.ConvTranspose2d, nn.Linear)")
    sections = [head, *joins, kinds, shared_source.CHAIN, *helpers, *classes, initialize, net]
    return "\n\n\n".join(section.strip("\n") for section in sections) + "\n"


def _needed(used: set[str]) -> set[str]:
    return used | ({"conv"} if "conv_bn" in used else set())


def _class_source(definition: Definition, definitions: Definitions, used: set[str]) -> str:
    writer = Writer(definitions, iter(definition.texts), used)
    body = writer.statements(definition.body, 8)
    parameters = ["self", *(f"{name}: int" for name in definition.parameters)]
    flat = f"    def __init__({', '.join(parameters)}) -> None:"
    signature = [flat]
    if len(flat) > WIDTH:
        signature = ["    def __init__(", *(f"        {name}," for name in parameters), "    ) -> None:"]
    lines = [f"class {definition.name}(Chain):", *_docstring(definition), "", *signature]
    return "\n".join([*lines, "        super().__init__()", *body])


def _docstring(definition: Definition) -> list[str]:
    """The first paragraph of the block class's docstring, and a block of this shape where there are several."""
    text = inspect.cleandoc(definition.block_class.__doc__ or definition.name).split("\n\n")[0]
    if definition.is_further:
        text += f" For {definition.example} and its like."
    return wrapped_docstring(one_line(text) or definition.name, indent=4)


def _blocks(plan: Plan, writer: Writer, network: Network) -> list[str]:
    """The lines that make `self.blocks`, with the shape that comes out of each block beside it."""
    shapes = [totals.out_shape for totals in network.structure.totals(network.shape, variant=network.variant)]
    calls: list[Expression] = []
    for part, shape in zip(plan, shapes, strict=True):
        assert isinstance(part, (Chain, BlockUse))
        (expression,) = writer.arguments((part,))
        assert isinstance(expression, Call)
        comment = " x ".join(map(str, shape.as_list()))
        calls.append(Call(expression.function, expression.arguments, comment=comment))
    lines = []
    for call, count in _runs(calls):
        if count < _LOOP_FROM or call.function == "Chain":
            for _ in range(count):
                lines += lay_out(call, indent=12, suffix=",")
        else:
            text = f"*({Call(call.function, call.arguments)} for _ in range({count}))"
            lines += lay_out(text, indent=12, suffix=",")
    return lines


def _runs(calls: Iterable[Expression]) -> Iterator[tuple[Call, int]]:
    """Equal neighbours together, with their number."""
    last, count = None, 0
    for call in calls:
        assert isinstance(call, Call)
        if call == last:
            count += 1
            continue
        if last is not None:
            yield last, count
        last, count = call, 1
    if last is not None:
        yield last, count


def _kinds(source: str, used: set[str]) -> str:
    """The table of names that layers have in a chain, as far as this network needs it."""
    needed = used | ({"nn.Conv2d"} if {"conv", "conv_bn"} & used else set())
    needed |= {"nn.BatchNorm2d"} if "conv_bn" in used else set()
    needed |= {module for module in shared_source.KINDS if module.startswith("nn.") and f"{module}(" in source}
    entries = [(module, kind) for module, kind in shared_source.KINDS.items() if module in needed]
    lines = [f"    {module}: {json.dumps(kind)}," for module, kind in entries]
    return "\n".join(["KINDS = {", *lines, "}", '"""What a layer is called in a `Chain`; anything else is an act."""'])
