"""Random spaces over all classes of blocks, and the oracle that says whether a candidate keeps the rules of its space."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

from plainnet.blocks import PlainNetBasicBlockClass, Shape, parse
from plainnet.blocks.fields import Channels, Probability
from plainnet.blocks.rows.layers import Act, Conv, Dropout, Layers, Norm
from plainnet.blocks.rows.limits import DEFAULT_LIMITS
from plainnet.errors import ConfigError
from plainnet.search import load_space
from plainnet.search.candidates.evaluation import Counter, Setting
from plainnet.search.candidates.genes import GenePool, Genes, kind_of
from plainnet.search.space.mutation import Mutator
from plainnet.testing.sampling import sample_structure

INPUT = Shape(3, 32, 32)
ELEMENTWISE = "ConvKX(3,16,3,1)BN(16)RELU(16)MaxPool(16,3,2)ConvDW(16,3,1)ConvKX(16,32,1,1)BN(32)RELU(32)SE(32)"


class WideGate(PlainNetBasicBlockClass):
    """A block of one's own whose width is what comes in, under a name of its own, and a number that is no integer."""

    width: Channels
    probability: Probability

    def channels_in(self) -> int | None:
        return self.width

    def channels_out(self, channels: int | None) -> int | None:  # noqa: ARG002
        return self.width

    def set_input_channels(self, channels: int) -> WideGate:
        return self.replace(width=channels)

    def layers(self) -> Layers:
        return (Dropout(self.probability), Norm(), Act("silu"))


class Doubling(PlainNetBasicBlockClass):
    """A block of one's own that takes anything, with a width of its own, in even numbers alone."""

    out_channels: Channels

    def check(self) -> Any:
        if self.out_channels % 2:
            yield "an odd number of channels"

    def layers(self) -> Layers:
        return (Conv(self.out_channels, 3), Norm(), Act())


# The oracle: rules read from the space anew, by names and positions of a candidate's text alone. ------------------


def breaks(space: Any, mutator: Mutator, genes: Genes) -> list[str]:
    """What a candidate violates, worked out from the values of its blocks."""
    found = []
    blocks = parse("".join(gene.text for gene in genes)).blocks
    for block, gene in zip(blocks, genes, strict=True):
        for argument, change in mutator.rules[gene.rule].change.items():
            value = getattr(block, argument)
            if change.values is not None:
                if value not in change.values:
                    found.append(f"{block} {argument} {change.values}")
                continue
            high = change.maximum if change.maximum is not None else 10**12
            if value % change.step or not change.minimum <= value <= high:
                found.append(f"{block} {argument} {change.minimum} {high} {change.step}")
            if change.ratios is not None:
                of = getattr(block, change.of)
                if all(
                    abs(value - of * ratio) > change.step and change.least < value < high for ratio in change.ratios
                ):
                    found.append(f"{block} {argument} is no multiple of {of}")
        split = space.split
        if split is not None and getattr(block, "sub_layers", 0) >= split.at_least:
            found.append(f"{block} is to be split")
    widths = space.widths
    own = [
        (block, mutator.rules[gene.rule].change)
        for block, gene in zip(blocks, genes, strict=True)
        if {"in_channels", "out_channels"} <= {field.name for field in block.fields}
    ]
    for (before, change), (block, later) in itertools.pairwise(own):
        if "out_channels" not in change and "out_channels" not in later:
            continue
        if widths.at_least_input and "out_channels" in later and block.out_channels < block.in_channels:
            found.append(f"{block} narrows")
        if widths.at_most_next and before.out_channels > block.out_channels:
            found.append(f"{before} is wider than {block}")
        factor = widths.at_most_input_times
        if factor and "out_channels" in later and block.out_channels > factor * block.in_channels:
            found.append(f"{block} grows too fast")
    return found


def random_change(rng: Random, value: int, argument: str) -> dict[str, Any]:
    step = rng.choice([each for each in (1, 1, 2, 4, 8) if value % each == 0])
    bounds: dict[str, Any] = {"step": step, "minimum": rng.choice([0, 1, max(0, value - rng.randint(0, 5))])}
    if rng.random() < 0.7:
        bounds["maximum"] = value + rng.choice([0, 3, 9, 100])
    bounds["minimum"] = min(bounds["minimum"], value)
    if argument == "stride":
        return {"values": [value, rng.choice([1, 2])]}
    how = rng.choice(["factors", "factors", "add", "values"])
    if how == "values":
        return {"values": [value, *(rng.randint(1, 24) for _ in range(3))]}
    if how == "add":
        return {"add": [rng.choice([-step, -1, 1, step, 2]), 1], **bounds}
    return {"factors": [rng.uniform(0.3, 3), 0.5, 2], **bounds}


def random_space(rng: Random) -> Any:
    """A space over a random structure of all block classes; None if its start is outside its own rules."""
    own = ["WideGate(8,0.00001)", "Doubling(8)", "BN(8)", "RELU(8)", "MaxPool(8,3,2)", "ConvDW(8,3,1)", "SE(8)"]
    start = sample_structure(rng, shape=INPUT, max_blocks=7)
    text = str(start)
    if rng.random() < 0.5:
        drawn = [
            rng.choice([*own, "ConvKX(8,8,3,1)", "ConvKXG4(8,8,3,1)", "SuperResK3K3(8,8,1,8,2)"]) for _ in range(5)
        ]
        text = "ConvKX(3,8,3,2)" + "".join(drawn) + rng.choice(["", "AdaptiveAvgPool(8,2)Flatten(8)Linear(32,10,1)"])
    rules, seen = [], set()
    for block in parse(text).blocks:
        if block.name in seen or block.children or rng.random() < 0.2:
            continue
        seen.add(block.name)
        kind = kind_of(block.name)
        able = [name for name in kind.fields if kind.changes(name)]
        change = {name: random_change(rng, getattr(block, name), name) for name in able if rng.random() < 0.7}
        rules.append({"names": [block.name], "change": change})
    if any(rule["names"][0].startswith("SuperRes") for rule in rules) and rng.random() < 0.5:
        rules.insert(0, {"names": ["SuperResK*"], "change": {"sub_layers": {"add": [-1, 1, 5]}}})
    flags = {"at_least_input": rng.random() < 0.3, "at_most_next": rng.random() < 0.3}
    if rng.random() < 0.3:
        flags["at_most_input_times"] = rng.choice([2, 4])
    space: dict[str, Any] = {
        "name": "any",
        "start": text,
        "blocks": rules,
        "widths": flags,
        "mutation": {"blocks": rng.randint(1, 3), "arguments": rng.choice(["all", "one"])},
    }
    if rng.random() < 0.5:
        space["split"] = {"at_least": rng.randint(2, 6), "first": 1}
    if rng.random() < 0.3:
        space["positions"] = [{"at": rng.choice([0, -1]), "freeze": rng.choice(["all", ["name"]])}]
    try:
        return load_space(space)
    except ConfigError:
        if any(flags.values()):
            try:
                return load_space({**space, "widths": {}})
            except ConfigError:
                return None
        return None


def check_space(space: Any, rng: Random) -> tuple[int, int]:
    """Walk through a space; how many children were networks, and how many there were."""
    mutator, counter = Mutator(space, GenePool(), INPUT), Counter(Setting(INPUT, 10))
    genes = mutator.starts[0]
    networks, total = 0, 40
    for step in range(total):
        if step % 10 == 0:
            genes = mutator.starts[0]
        child = mutator.mutate(genes, rng.random, blocks=space.mutation.blocks)
        if child is None:
            continue
        assert mutator.joiner.joined(child) == child
        costs = counter.costs(child)
        if costs is None or costs.params > DEFAULT_LIMITS.max_params or costs.layers > DEFAULT_LIMITS.max_layers:
            continue  # an island rejects what is over the limits of a network
        assert breaks(space, mutator, child) == []
        networks, genes = networks + 1, child
        text = "".join(gene.text for gene in child)
        structure = parse(text)
        assert structure.text == text
        totals = structure.totals(INPUT)
        assert costs.macs == sum(each.sums.macs for each in totals) + (
            10 * totals[-1].out_shape.channels if totals[-1].out_shape.height else 0
        )
        assert costs.layers == sum(block.num_layers() for block in structure)
    return networks, total
