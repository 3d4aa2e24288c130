"""Entropy proxies against TinyNAS's own formulas, block by block, on its published structures."""

import json
import math
from importlib.resources import files

import pytest

from plainnet.blocks.formats.tinynas_format import from_tinynas
from plainnet.errors import UsageError
from plainnet.proxies.closed.entropy import deepmad, madnas, rho, stages

NETS = [
    net
    for net in json.loads(files("plainnet.data").joinpath("tinynas.json").read_text(encoding="utf-8"))["nets"]
    if net["dimension"] == "2D" and not any("nbitsA" in block for block in net["structure"])
]


def fan_ins(block):
    """Of one inner block, as TinyNAS has them: (channels, kernel) of each convolution."""
    into, k = block["in"], block["k"]
    middle = block.get("btn")
    return {
        "ConvKXBNRELU": [(into, k)],
        "SuperResK1KXK1": [(into, 1), (middle, k), (middle, 1)],
        "SuperResKXKX": [(into, k), (middle, k)],
        "SuperResK1KX": [(into, 1), (middle, k)],
        "SuperResK1DWK1": [(into, 1), (1, k), (middle, 1)],
        "SuperResK1DWSEK1": [(into, 1), (1, k), (middle, 1)],
    }[block["class"]]


def by_hand(blocks, resolution):
    """(convolutions, sum log w, channels, size) at the end of each stage."""
    found, count, log_w, size = [], 0, 0.0, resolution
    for number, block in enumerate(blocks):
        if number and block.get("s", 1) == 2:
            found.append((count, log_w, blocks[number - 1]["out"], size))
        size //= block.get("s", 1)
        for inner in range(block.get("L", 1)):
            for channels, kernel in fan_ins({**block, "in": block["in"] if inner == 0 else block["out"]}):
                count += 1
                log_w += math.log(channels * kernel**2)
    return [*found, (count, log_w, blocks[-1]["out"], size)]


@pytest.mark.parametrize("net", NETS, ids=lambda net: net["name"])
def test_published_structures(net):
    structure = from_tinynas(net["structure"])
    expected = by_hand(net["structure"], 224)
    ratios = [1.0, 0.5, 2.0, 0.0, 8.0, 3.0][: len(expected)]
    found = stages(structure, resolution=224)
    assert [stage.convolutions for stage in found] == [count for count, *_ in expected]
    assert madnas(structure, ratios=ratios) == pytest.approx(
        sum(a * (log_w / 2 + math.log(channels)) for a, (_, log_w, channels, _) in zip(ratios, expected, strict=True))
    )
    assert deepmad(structure, ratios=ratios) == pytest.approx(
        sum(
            a * math.log(channels * size**2) * log_w / 2
            for a, (_, log_w, channels, size) in zip(ratios, expected, strict=True)
        )
    )
    assert rho(structure) == pytest.approx(max(math.exp(math.log(n) - log_w / n) for n, log_w, _, _ in expected))


def test_there_are_published_structures():
    assert len(NETS) >= 10


def test_the_last_stage_counts_by_default_and_exponents_weigh():
    text = "ConvKXBNRELU(3,32,3,2)SuperResK1KXK1(32,48,3,2,32,2)"
    assert madnas(text) == madnas(text, ratios=(0, 1))
    last = stages(text)[-1]
    scale = math.log(last.out_shape.elements) / 2
    assert deepmad(text, alpha1=2.0, alpha2=0.5) == pytest.approx(
        scale * (2 * last.log_channels + 0.5 * last.log_kernels)
    )


def test_gates_shortcuts_and_heads_are_left_out():
    plain = stages("SuperResK1DWK1(16,32,3,1,48,2)", resolution=8)
    gated = stages("SuperResK1DWSEK1(16,32,3,1,48,2)", resolution=8)
    headed = stages("SuperResK1DWK1(16,32,3,1,48,2)AdaptiveAvgPool(32,1)Flatten(32)Linear(32,10,1)", resolution=8)
    assert plain == gated == headed


def test_ratios_of_a_wrong_length():
    with pytest.raises(UsageError, match="3 stage ratios are given and the structure has 1"):
        madnas("ConvKX(3,8,3,1)", ratios=(1, 2, 3))
    with pytest.raises(UsageError, match="needs convolutions"):
        rho("RELU(3)")
