"""The closed Zen-score is the sampled one, or says why it is not: over gates, means, norms, and branches that are correlated."""

from __future__ import annotations

from random import Random

import pytest

from plainnet.blocks import Channels, PlainNetBasicBlockClass
from plainnet.blocks.rows.layers import Act, AdaptivePool, Conv, Layers, Norm, Scale
from plainnet.errors import UnknownScoreError
from plainnet.proxies.closed.zen import zen_score
from plainnet.proxies.sampled.zen_mc import zen_mc
from plainnet.templates.nas_bench_201 import nas_bench_201_network

STEM = "ConvKXBNRELU(3,32,3,2)"
HEAD = "ConvKXBNRELU(32,32,3,1)ConvKX(32,32,3,1)"
PIECES = (
    "SE(32)",
    "SqueezeExcite(32,8)",
    "SqueezeExciteHard(32,16)",
    "SqueezeExciteSwish(32,8)",
    "SqueezeExcite(32,1)",
    "BN(32)",
    "RELU(32)",
    "Swish(32)",
    "AvgPool(32,3,1)",
    "ConvKXBN(32,32,3,1)",
    "ConvKXBNRELU(32,32,1,1)",
    "MultiSumBlock(RELU(32);RELU(32))",
    "MultiSumBlock(BN(32);BN(32))",
    "MultiSumBlock(ConvKXBN(32,32,3,1)SE(32);ConvKXBN(32,32,1,1))",
    "MultiSumBlock(Identity(32);Identity(32);RELU(32)ConvKXBN(32,32,3,1))",
    "MultiCatBlock(RELU(32);BN(32))ConvKXBN(64,32,1,1)",
    "MultiSumBlock(MultiCatBlock(RELU(32);Swish(32));MultiCatBlock(RELU(32);Swish(32)))ConvKXBN(64,32,1,1)",
    "MultiSumBlock(Sequential(ConvKXBN(a|32,32,3,1)RELU(32)ConvKXBN(32,32,3,1));BN(32)RELU(32)ConvKX(32,32,1,1))",
    "Sequential(ConvKX(a|32,32,3,1)MultiSumBlock(From(a);RELU(32)ConvKXBN(32,32,3,1);From(a))BN(32))",
    "MultiSumBlock(RELU(32);Swish(32))",
    "MultiSumBlock(Identity(32);AvgPool(32,3,1))",
)


def agree(text: str, resolution: int) -> bool:
    """Whether there is a closed score, which is then within noise and finite width of the sampled one."""
    try:
        closed = zen_score(text, resolution)
    except UnknownScoreError as error:
        assert "accepted:" in str(error)
        return False
    sampled = zen_mc(text, resolution=resolution, repeats=4, batch=16, seed=1)
    assert closed == pytest.approx(sampled.mean, abs=0.12 + 3 * (sampled.stderr or 0.0)), text
    return True


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 4), pytest.param(4, 20, marks=pytest.mark.slow), pytest.param(20, 60, marks=pytest.mark.tail)],
)
def test_random_structures(start: int, end: int) -> None:
    told = 0
    for seed in range(start, end):
        rng = Random(seed)
        told += agree(STEM + "".join(rng.choices(PIECES, k=rng.randint(1, 4))) + HEAD, 16)
    assert told > (end - start) / 3


WIDE = "ConvKXBNRELU(3,48,3,2)"
CONV = "ConvKXBNRELU(48,48,3,1)"
APART = "ConvTranspose(48,48,2,2)BN(48)RELU(48)"
LARGER = {
    "means of what is alike": f"{WIDE}Upsample(48,2,0){CONV}Upsample(48,2,1){CONV}",
    "means of means": f"{WIDE}AvgPool(48,3,1){CONV}Upsample(48,2,1){CONV}",
    "means again and again": f"{WIDE}MaxPool(48,2,2){CONV}{f'Upsample(48,2,1){CONV}' * 3}",
    "by three": f"{WIDE}MaxPool(48,2,2)Upsample(48,3,1){CONV}Upsample(48,3,1){CONV}",
    "mostly edge": f"{WIDE}{CONV}MaxPool(48,2,2)MaxPool(48,2,2)Upsample(48,4,1){CONV}",
    "weights of its own for each place": f"{WIDE}{APART}AvgPool(48,3,2){CONV}",
    "such places in means": f"{WIDE}{APART}Upsample(48,2,1){CONV}",
}


@pytest.mark.parametrize("name", LARGER)
def test_maps_that_are_made_larger(name: str) -> None:
    """How alike the values between are counts in every mean of them."""
    closed = zen_score(LARGER[name], 32)
    sampled = zen_mc(LARGER[name], resolution=32, repeats=6, batch=16, seed=1)
    assert closed == pytest.approx(sampled.mean, abs=0.1 + 3 * (sampled.stderr or 0.0))


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("end", ["", HEAD])
def test_gates_of_users(end: str) -> None:
    nets: dict[str, Layers] = {
        "AnySign": (AdaptivePool(1), Conv(32)),
        "MeanOfZero": (AdaptivePool(1), Conv(32), Norm(), Act("tanh")),
        "OfEachPlace": (Conv(32, 3), Norm(), Act("sigmoid")),
    }
    for name, net in nets.items():

        def layers(self: object, net: Layers = net) -> Layers:  # noqa: ARG001
            return (Scale(net),)

        members = {"__annotations__": {"in_channels": Channels}, "__doc__": "A gate.", "layers": layers}
        type(PlainNetBasicBlockClass)(name, (PlainNetBasicBlockClass,), {**members, "__module__": __name__})
        assert agree(f"{STEM}{name}(32){end}", 16)


@pytest.mark.parametrize("gates", [2, 6, 10, 20, 60])
def test_gates_in_a_row_have_a_score_until_they_leave_too_few_channels(gates: int) -> None:
    """Each gate halves what is left: a mean over sixteen channels is then one of none."""
    for gate in ("SqueezeExcite(16,1)", "SE(16)"):
        text = f"ConvKXBNRELU(3,16,3,2){gate * gates}ConvKX(16,32,3,1)"
        try:
            closed = zen_score(text, 16)
        except UnknownScoreError as error:
            assert gates > 2
            assert "gates" in str(error)
        else:
            assert closed == pytest.approx(zen_mc(text, resolution=16, repeats=4, seed=1).mean, abs=0.6)


@pytest.mark.parametrize(
    ("code", "within"),
    [
        ("|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|", 0.2),
        pytest.param(
            "|avg_pool_3x3~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_1x1~2|",
            2.5,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_averages_over_windows_at_the_edge_of_small_maps(code: str, within: float) -> None:
    """On a map of 8x8 nearly half of the windows reach over the edge, and what is alike loses nothing in any of them."""
    structure = nas_bench_201_network(code)
    sampled = zen_mc(structure, resolution=32, repeats=4, seed=0)
    assert zen_score(structure, 32) == pytest.approx(sampled.mean, abs=within + 2 * (sampled.stderr or 0.0))
