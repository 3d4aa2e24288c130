"""`model.py` of networks whose values have names: the same network to the last bit, in the author's words."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

import plainnet
from plainnet.errors import UsageError
from plainnet.export import Network, export_network, model_source
from plainnet.templates import nas_bench_201
from plainnet.testing.graphs import sample_graph
from tests.export.conftest import images, net_class
from tests.export.same_network import VARIANTS, check_same

PYRAMID = (
    "ConvKXBNRELU(3,16,3,2)ConvKXBNRELU(c2|16,32,3,2)SuperResK3K3(c3|32,64,2,16,2)ConvKX(p3|64,24,1,1)"
    "MultiSumBlock(p2|Upsample(24,2,0);From(c2)ConvKX(32,24,1,1))"
)
NETWORKS = {
    "one value": PYRAMID + "ConvKXBNRELU(24,24,3,1)",
    "several": PYRAMID + "Outputs(p2,p3)",
    "a Python keyword": "ConvKX(class|3,8,3,1)ConvKX(x|8,8,3,1)MultiSumBlock(BN(8);From(class);From(x))",
    "two names that look alike": "ConvKX(a.b|3,8,3,1)ConvKX(a-b|8,8,3,1)MultiCatBlock(From(a.b);From(a-b))BN(16)",
    "names of the source's own": "ConvKX(self|3,8,3,1)ConvKX(torch|8,8,3,1)MultiSumBlock(BN(8);From(self);From(torch))",
    "zeros": "ConvKX(3,8,3,1)MultiSumBlock(Zero(8,2);BN(8)MaxPool(8,3,2))RELU(8)",
    "cut off": "ConvKX(3,8,3,1)Zero(8,1)ConvKX(8,8,3,2)",
    "a cell": nas_bench_201.nas_bench_201(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|", channels=4, cells=1
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_graphs_are_the_same_to_the_last_bit(name: str) -> None:
    check_same(Network(plainnet.parse(NETWORKS[name]), 16, 10))


@pytest.mark.parametrize(
    "seeds", [range(12), pytest.param(range(12, 150), marks=pytest.mark.tail)], ids=["few", "many"]
)
def test_random_graphs_are_the_same_to_the_last_bit(seeds: range) -> None:
    for seed in seeds:
        check_same(
            Network(
                plainnet.parse(sample_graph(Random(seed), more=seed % 2 == 1)),
                16,
                10,
                VARIANTS[seed // 2 % len(VARIANTS)],
            )
        )


def test_the_source_reads_like_the_string() -> None:
    source = model_source(Network(plainnet.parse(NETWORKS["several"]), 32, 10))
    for line in (
        "c2 = self[1](x)",
        "c3 = self[2](c2)",
        "p3 = self[3](c3)",
        "z = self[4].sum1.branch2(c2)",
        "p2 = y + z",
        'return {"p2": p2, "p3": p3}, [',
    ):
        assert f"        {line}" in source


def test_levels_are_those_of_plainnet() -> None:
    network = Network(plainnet.parse(NETWORKS["one value"]), 64, 10)
    plain = plainnet.PlainNet(network.structure, resolution=64, features_only=True).eval()
    net = net_class(network).Net().eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    batch = images(1, 3, 64, 64)
    with torch.no_grad():
        found, expected = net.forward_levels(batch), plain(batch)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("to", ["pytorch", "timm", "lightning", "openmmlab"])
def test_several_outputs_are_refused_where_one_is_meant(to: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="p2, p3; accepted: plainnet"):
        export_network(Network(plainnet.parse(NETWORKS["several"]), 32, 10), to=to, out=tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
