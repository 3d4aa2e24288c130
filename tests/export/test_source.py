"""`model.py`: the same keys, weights, outputs and counts as PlainNet, and source that a person would write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import torch

import plainnet
from plainnet.blocks import Channels, Depth, Stride, Variant
from plainnet.blocks.rows.layers import Act, Add, Concat, Conv, Layers, Norm, Repeat, depthwise
from plainnet.export import Network, model_source
from plainnet.network.published import published_networks
from plainnet.testing import sample_structure, torch_counts
from tests.export.conftest import images, net_class
from tests.export.same_network import VARIANTS, check_same

STRUCTURES = {
    "zennet": "SuperConvK3BNRELU(3,8,1,2)SuperResK1K5K1(8,16,2,8,2)SuperResK3K3(16,16,1,8,1)SuperResIDWE4K3(16,24,2,8,2)",
    "tinynas": "ConvKXBNRELU(3,8,3,2)SuperResK1KXK1(8,16,3,2,8,2)SuperResK1DWSEK1(16,16,3,2,24,1)SuperResKXKX(16,12,5,1,8,2)"
    "SuperResK1KX(12,12,3,2,8,1)SuperResK1DWK1(12,20,3,1,24,2)",
    "resnet": "SuperConvK7BNRELU(3,8,2,1)MaxPool(8,3,2)ResNetK3K3(8,8,1,8,2)ResNetK1K3K1(8,32,2,8,2)",
    "nested": "MultiCatBlock(ResBlock(ConvKX(3,8,3,1)BN(8)RELU(8)ConvKX(8,3,3,1));MultiSumBlock(ConvKX(3,5,1,1);"
    "Sequential(ConvKX(3,5,3,1)BN(5)SE(5))))ResBlockProj(ConvKXG2(8,12,3,2)SuperResK3K3(12,12,1,8,2))",
    "own head": "SuperConvK3BNRELU(3,8,2,1)AdaptiveAvgPool(8,1)Flatten(8)Linear(8,16,0)BN(16)Swish(16)"
    "Dropout(16,0.5)Linear(16,10,1)",
    "fixed size": "SuperConvK3BNRELU(3,4,2,1)Flatten(4)Linear(256,10,1)",
    "the same block again": "ConvKX(3,8,3,1)SE(8)SE(8)SE(8)SE(8)AvgPool(8,2,2)HardSwish(8)",
    "nothing left of a block": "ConvKX(3,8,3,1)BN(8)RELU(8)",
}


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_and_variant_is_the_same_to_the_last_bit(name: str, variant: Variant) -> None:
    check_same(Network(plainnet.parse(STRUCTURES[name]), 16, 10, variant))


@pytest.mark.parametrize("seed", range(60))
def test_random_structures_are_the_same_to_the_last_bit(seed: int) -> None:
    rng = Random(seed)
    network = Network(sample_structure(rng), 32, 10, rng.choice(VARIANTS))
    if network.counts.macs < 50_000_000:
        check_same(network)


@pytest.mark.parametrize("name", published_networks())
def test_published_networks_have_the_same_keys_shapes_and_counts(name: str) -> None:
    published = published_networks()[name]
    variant = Variant(use_se=published.use_se)
    network = Network(published.structure, published.resolution, published.num_classes, variant, published.name)
    with torch.device("meta"):
        plain, exported = network.build("default"), net_class(network).Net()
    assert [(key, value.shape) for key, value in exported.state_dict().items()] == [
        (key, value.shape) for key, value in plain.state_dict().items()
    ]
    counts = torch_counts(exported, network.shape)
    assert (counts.params, counts.macs) == (network.counts.params, network.counts.macs)


def test_levels_are_those_of_plainnet() -> None:
    network = Network(plainnet.parse(STRUCTURES["tinynas"]), 64, 10)
    plain = plainnet.PlainNet(network.structure, resolution=64, features_only=True).eval()
    net = net_class(network).Net().eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    batch = images(1, 3, 64, 64)
    assert [tuple(level) for level in plain.feature_info] == list(net.LEVELS)
    found, expected = net.forward_levels(batch), plain(batch)
    assert len(found) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_another_number_of_classes_and_none() -> None:
    module = net_class(Network(plainnet.parse(STRUCTURES["zennet"]), 16, 10))
    assert module.Net(7)(images(2, 3, 16, 16)).shape == (2, 7)
    assert module.Net(0)(images(2, 3, 16, 16)).shape == (2, 24)
    own_head = net_class(Network(plainnet.parse(STRUCTURES["own head"]), 16, 10))
    with pytest.raises(ValueError, match="its own classifier of 10 outputs"):
        own_head.Net(7)


@pytest.mark.parametrize(("name", "fits"), [("zennet", True), ("own head", True), ("fixed size", False)])
def test_it_says_whether_other_sizes_fit(name: str, fits: bool) -> None:
    assert net_class(Network(plainnet.parse(STRUCTURES[name]), 16, 10)).ANY_SIZE is fits


class Gate(plainnet.PlainNetBasicBlockClass):
    """A block of the user's own, called like one of our classes, with "quotes" and a \\ in its text, and loops in branches."""

    in_channels: Channels
    out_channels: Channels
    stride: Stride
    sub_layers: Depth

    def layers(self) -> Layers:
        half = self.out_channels // 2
        cheap = (depthwise(half, 3), Norm(), Repeat(self.sub_layers - 1, (Conv(half, 1), Norm(), Act("silu"))))
        mixed = Add((Conv(self.out_channels), Conv(2 * half, 3), Norm()))
        return (Conv(half, 3, self.stride), Norm(), Act(), Concat(((), cheap)), mixed)


class Composed(plainnet.PlainNetBasicBlockClass):
    """A block that is made of other blocks."""

    in_channels: Channels
    out_channels: Channels
    sub_layers: Depth

    def layers(self) -> Layers:
        inner = round(self.out_channels * 0.75)
        return (
            Gate(self.in_channels, self.out_channels, 1, self.sub_layers),
            Conv(inner),
            Norm(),
            Repeat(self.sub_layers, (plainnet.blocks.SE(inner), plainnet.blocks.ConvKX(inner, inner, 3, 1))),
            Conv(self.out_channels),
        )


@pytest.mark.parametrize(
    "text",
    [
        "Gate(3,8,1,1)",
        "Gate(3,8,2,3)Gate(8,16,1,1)Gate(16,16,1,2)",
        "Composed(3,8,1)Composed(8,16,3)Gate(16,4,1,1)",
        "ResBlockProj(Composed(3,8,2))",
    ],
)
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_own_blocks_are_exported_from_what_their_layers_say(text: str, variant: Variant) -> None:
    check_same(Network(plainnet.parse(text), 16, 10, variant))


class Growing(plainnet.PlainNetBasicBlockClass):
    """A block whose loop does not fit, where it never runs."""

    in_channels: Channels
    out_channels: Channels
    sub_layers: Depth

    def layers(self) -> Layers:
        return (Conv(self.out_channels, 3), Add((Norm(),)), Repeat(self.sub_layers - 1, (Conv(2 * self.in_channels),)))


def test_a_loop_that_never_runs_and_would_not_fit_is_left_out() -> None:
    network = Network(plainnet.parse("Growing(3,8,1)Growing(8,16,3)Growing(16,4,1)"), 16, 10)
    check_same(network)
    source = model_source(network)
    assert source.count("for _ in range(sub_layers - 1):") == 1  # of the one that runs, 2 * 8 channels in and out
    assert "class GrowingB(Chain):" in source


def test_source_is_written_with_named_units_and_loops() -> None:
    text = "SuperConvK3BNRELU(3,8,1,1)SuperResK1K5K1(8,16,2,8,3)SuperResK1K7K1(16,24,2,8,9)SuperConvK1BNRELU(24,64,1,1)"
    source = model_source(Network(plainnet.parse(text), 32, 10))
    assert source.count("class SuperResBottleneck(Chain):") == 1
    assert "for _ in range(2 * sub_layers - 1):" in source
    call = "SuperResBottleneck(\n                16, 24, stride=2, bottleneck_channels=8, sub_layers=9, kernel_size=7\n"
    assert call in source
    assert "24 x 8 x 8" in source
    deeper = model_source(Network(plainnet.parse(text.replace("8,9)", "8,90)")), 32, 10))
    assert len(deeper.splitlines()) == len(source.splitlines())


def test_blocks_of_several_shapes_get_classes_of_their_own() -> None:
    source = model_source(Network(plainnet.parse("SuperResK1DWK1(3,3,3,1,8,2)SuperResK1DWK1(3,8,3,2,8,2)"), 16, 10))
    assert "class SuperResK1DWK1(Chain):" in source
    assert "class SuperResK1DWK1B(Chain):" in source
    assert " ".join(source.split()).count("For SuperResK1DWK1(3,8,3,2,8,2) and its like.") == 1


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_table_of_names_has_what_chains_hold_and_nothing_else(name: str) -> None:
    module = net_class(Network(plainnet.parse(STRUCTURES[name]), 16, 10))
    chains = [part for part in module.Net().modules() if isinstance(part, module.Chain)]
    assert set(module.KINDS) <= {type(layer) for chain in chains for layer in chain}


def test_the_same_block_again_is_a_loop() -> None:
    assert "*(SE(8, hidden=2) for _ in range(4))," in model_source(
        Network(plainnet.parse(STRUCTURES["the same block again"]), 16, 10)
    )


def test_source_needs_torch_alone() -> None:
    source = model_source(Network(plainnet.parse(STRUCTURES["nested"]), 16, 10))
    lines = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert set(lines) <= {
        "import math",
        "from collections.abc import Callable",
        "import torch",
        "from torch import Tensor, nn",
    }


def test_source_is_formatted_and_lint_free(tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    texts = [
        *STRUCTURES.values(),
        "Gate(3,8,2,3)",
        "Composed(3,8,1)",
        *(net.text for net in published_networks().values()),
    ]
    for number, text in enumerate(texts):
        for variant in (VARIANTS[0], VARIANTS[1], VARIANTS[2]):
            size = 16 if number < len(STRUCTURES) + 2 else 224
            source = model_source(Network(plainnet.parse(text), size, 10, variant))
            (tmp_path / f"model_{number}_{len(str(variant))}.py").write_text(source)
    checks = (["format", "--diff"], ["check", "--select", "E,F,W,I,B,C4,SIM,UP", "--ignore", "E501"])
    for check in checks:
        command = [
            sys.executable,
            "-m",
            "ruff",
            *check,
            "--isolated",
            "--line-length",
            "100",
            "--no-cache",
            str(tmp_path),
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
