"""Blocks of a user's own, as they come: exported, they are the same network, or the export says why not."""

from __future__ import annotations

import functools
import keyword
from random import Random
from typing import Any

import pytest

import plainnet
from plainnet.blocks import Channels, Depth
from plainnet.blocks.rows.layers import (
    Act,
    AdaptivePool,
    Add,
    Concat,
    Conv,
    Layers,
    Norm,
    Repeat,
    Scale,
    Sum,
)
from plainnet.errors import UsageError
from plainnet.export import Network, model_source
from plainnet.export.source.check import check_model_source
from plainnet.export.source.names import RESERVED, free_name
from plainnet.testing import check_block
from tests.export.random_blocks import random_block, random_text
from tests.export.same_network import VARIANTS, check_same


class LoopInGate(plainnet.PlainNetBasicBlockClass):
    """A gate that repeats its layers."""

    in_channels: Channels
    out_channels: Channels
    sub_layers: Depth

    def layers(self) -> Layers:
        unit = (Conv(self.out_channels, 1), Act("relu"))
        gate = (AdaptivePool(1), Repeat(self.sub_layers, unit), Act("sigmoid"))
        return (Conv(self.out_channels, 3), Norm(), Scale(gate))


class LoopInBranches(plainnet.PlainNetBasicBlockClass):
    """Loops in a loop, in every kind of join."""

    in_channels: Channels
    out_channels: Channels
    sub_layers: Depth

    def layers(self) -> Layers:
        unit = (Conv(self.out_channels, 3), Norm())
        deep = Repeat(self.sub_layers, (Repeat(2, unit), Act()))
        joined = (Sum(((deep,), unit)), Concat(((deep,), ())), Conv(self.out_channels))
        return (Conv(self.out_channels), Add((*joined, Scale((Repeat(self.sub_layers - 1, unit), Act("sigmoid"))))))


class ArgumentsAsText(plainnet.PlainNetBasicBlockClass):
    """A block that looks things up under its arguments as text, and asks for their type."""

    in_channels: Channels
    out_channels: Channels
    sub_layers: Depth

    def layers(self) -> Layers:
        widths = {"1": 4, "2": 6, "3": 8}
        kind = "silu" if type(self.sub_layers) is int else "relu"
        label = f"{self.sub_layers}:{self.out_channels!r}"
        width = widths[str(self.sub_layers)] + len(label)
        return (Add((Conv(width, 3), Norm(), Act(kind), Conv(self.in_channels))), Conv(self.out_channels))


class RepeatOfNothing(plainnet.PlainNetBasicBlockClass):
    """Loops whose bodies hold nothing, or nothing that a variant leaves."""

    in_channels: Channels
    out_channels: Channels
    sub_layers: Depth

    def layers(self) -> Layers:
        loops = (Repeat(self.sub_layers, ()), Repeat(self.sub_layers, (Norm(),)), Repeat(2, (Repeat(3, ()),)))
        return (Conv(self.out_channels), *loops, Add((Norm(), Repeat(self.sub_layers, ())), ()))


@functools.cache
def twice(number: int) -> int:
    return 2 * number


class Remembering(plainnet.PlainNetBasicBlockClass):
    """A block that remembers what it computed, for arguments of other names too."""

    in_channels: Channels
    out_channels: Channels
    sub_layers: Depth

    def layers(self) -> Layers:
        first = (Conv(twice(self.in_channels)), Norm(), Conv(twice(self.out_channels)), Norm())
        return (Add((*first, Conv(self.in_channels))), Repeat(twice(self.sub_layers), (Conv(self.in_channels, 3),)),
                Conv(self.out_channels))  # fmt: skip


def odd_block(name: str, fields: dict[str, Any], body: Any, *, template: str) -> type[plainnet.PlainNetBasicBlockClass]:
    """A block class under any name of Python's, with fields of any name."""
    members = {
        "__annotations__": fields,
        "__module__": __name__,
        "__doc__": "Odd.",
        "layers": body,
        "name_template": template,
    }
    return type(plainnet.PlainNetBasicBlockClass)(name, (plainnet.PlainNetBasicBlockClass,), members)


def _layers_of(field: str) -> Any:
    def layers(self: Any) -> Layers:
        wide = getattr(self, field)
        return (Conv(self.out_channels, 3), Norm(), Act(), Add((Conv(wide, 3), Conv(self.out_channels))))

    return layers


HARD = ["conv", "conv_bn", "nn", "type", "repeat", "Chain", "Net", "initialize", "range", "super", "Residual", "Tensor",
        "match", "torch", "math", "width", "stride", "NORM_EPS", "print", "kind_of", "_", "times", "hidden"]  # fmt: skip
NAMED = [
    odd_block(
        name,
        {"in_channels": Channels, "out_channels": Channels, name: Channels},
        _layers_of(name),
        template=f"Odd{number}",
    )
    for number, name in enumerate(HARD)
]


@pytest.mark.parametrize("number", range(len(HARD)), ids=HARD)
def test_classes_and_arguments_may_have_any_name(number: int) -> None:
    text = f"Odd{number}(3,8,5)Odd{number}(8,8,6)Odd{number}(8,4,7)"
    check_same(Network(plainnet.parse(text), 8, 10))


def test_blocks_that_are_called_like_each_others_arguments() -> None:
    text = "".join(
        f"Odd{number}({before},8,5)" for number, before in zip(range(len(HARD)), [3, *[8] * 40], strict=False)
    )
    check_same(Network(plainnet.parse(text), 8, 10))


def test_a_free_name_is_an_identifier() -> None:
    for name in [*RESERVED, "a b", "1st", "", "é", "x-y"]:
        found = free_name(name, {"taken"})
        assert found.isidentifier()
        assert found not in RESERVED
        assert not keyword.iskeyword(found)
    assert free_name("stride", ()) == "stride"


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("name", ["LoopInGate", "LoopInBranches", "ArgumentsAsText", "RepeatOfNothing", "Remembering"])
def test_what_a_block_may_say_is_written(name: str, variant: plainnet.Variant) -> None:
    for text in (f"{name}(3,8,2)", f"{name}(3,8,1){name}(8,8,3){name}(8,3,2)"):
        network = Network(plainnet.parse(text), 8, 10, variant)
        check_same(network)
        check_model_source(model_source(network), network)


def test_the_contract_of_a_block_holds_its_source() -> None:
    for cls in (LoopInGate, RepeatOfNothing):
        check_block(cls, samples=3)


WRONG = {
    "a stride": ("stride=2", "stride=1"),
    "a loop": ("sub_layers=2", "sub_layers=1"),
    "an activation": ("nn.SiLU", "nn.ReLU"),
    "a constant": ("NUM_CLASSES = 10", "NUM_CLASSES = 11"),
    "an epsilon": ("NORM_EPS = 0.001", "NORM_EPS = 0.00001"),
    "code": ("import torch\n", "import torch\ntorch.manual_seed(1)\n"),
    "an import": ("import math\n", "import math\nimport os\n"),
    "a syntax": ("class Net", "class class"),
    "a shortcut": ("return self.main(x) + (", "return 0 * (self.main(x).mean((2, 3)) + "),
    "an error": ("return self.blocks(x)", "return self.blokcs(x)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_source_that_is_another_network_is_not_announced(name: str) -> None:
    network = Network(plainnet.parse("SuperResK3K3(3,8,2,8,2)Swish(8)"), 8, 10)
    source = model_source(network)
    check_model_source(source, network)
    before, after = WRONG[name]
    assert before in source
    with pytest.raises(UsageError, match=r"cannot be written as source|would be no Python"):
        check_model_source(source.replace(before, after), network)


def _check_random(seed: int) -> None:
    name = f"RandomBlock{seed}"
    random_block(seed, name)
    rng = Random(seed)
    network = Network(plainnet.parse(random_text(name, rng)), 8, 5, rng.choice(VARIANTS))
    check_model_source(model_source(network), network)
    check_same(network)


@pytest.mark.parametrize("seed", range(12))
def test_random_blocks_are_written_as_they_are(seed: int) -> None:
    _check_random(seed)


@pytest.mark.tail
@pytest.mark.parametrize("seed", range(1_000, 1_150))
def test_many_random_blocks_are_written_as_they_are(seed: int) -> None:
    _check_random(seed)
