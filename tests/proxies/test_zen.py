"""The closed form of the Zen-score against the paper, Monte-Carlo and its own limit."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from scipy.stats import kendalltau, pearsonr

from plainnet.blocks import Channels, PlainNetBasicBlockClass, Variant, parse
from plainnet.blocks.rows.layers import AdaptivePool, Conv, Layers, Norm, Scale
from plainnet.errors import StructureError, UnknownScoreError, UsageError
from plainnet.network.published import find_published
from plainnet.proxies.closed import zen
from plainnet.proxies.closed.zen import ZenScorer, zen_score

DATA = json.loads((Path(__file__).parent / "data" / "zen_monte_carlo.json").read_text(encoding="utf-8"))
START = (
    "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperResK3K3(16,32,2,16,1)"
    "SuperResK3K3(32,64,2,32,1)SuperResK3K3(64,64,2,32,1)SuperConvK1BNRELU(64,128,1,1)"
)
MIXED = "SuperConvK3BNRELU(3,32,1,1)SuperResK3K3(32,64,2,48,2)SuperResK1K5K1(64,96,2,32,1)SuperConvK1BNRELU(96,128,1,1)"
MOBILE = "SuperConvK3BNRELU(3,24,1,1)SuperResIDWE4K3(24,32,2,24,1)SuperResIDWE2K5(32,48,2,40,2)"


def resnet(kind, expansion, depths):
    text, channels = "ConvKX(3,64,7,2)BN(64)RELU(64)MaxPool(64,3,2)", 64
    for width, depth, stride in zip((64, 128, 256, 512), depths, (1, 2, 2, 2), strict=True):
        text += f"{kind}({channels},{expansion * width},{stride},{width},{depth})"
        channels = expansion * width
    return text


@pytest.mark.parametrize(
    ("structure", "published"),
    [
        (resnet("ResNetK3K3", 1, (2, 2, 2, 2)), 59.53),
        (resnet("ResNetK3K3", 1, (3, 4, 6, 3)), 112.32),
        (resnet("ResNetK1K3K1", 4, (3, 4, 6, 3)), 140.3),
    ],
    ids=["resnet18", "resnet34", "resnet50"],
)
def test_the_papers_table(structure, published):
    assert zen_score(structure, 224) == pytest.approx(published, rel=0.003)


@pytest.mark.parametrize("name", list(DATA["published"]))
def test_published_networks(name):
    found = DATA["published"][name]
    score = zen_score(find_published(name).structure, found["resolution"], batch_size=found["batch"])
    assert score == pytest.approx(found["values"][0], rel=0.01 if "cifar" in name else 0.007)


@pytest.mark.parametrize(
    ("structure", "resolution", "batch", "paper", "zennas"),
    [(START, 32, 16, 23.23, 15.42), ("zennet_imagenet1k_flops400M_res224", 64, 8, 130.15, 79.93)],
)
def test_values_known_from_elsewhere(structure, resolution, batch, paper, zennas):
    structure = structure if "(" in structure else find_published(structure).structure
    assert zen_score(structure, resolution, batch_size=batch) == pytest.approx(paper, rel=0.007)
    assert zen_score(structure, resolution, batch_size=batch, variant="zennas") == pytest.approx(zennas, rel=0.007)


@pytest.mark.parametrize(("variant", "column", "tau", "r"), [("paper", 0, 0.99, 0.9995), ("zennas", 2, 0.99, 0.9995)])
@pytest.mark.parametrize("which", ["random", "held_out", "near"])
def test_random_structures_rank_as_by_monte_carlo(which, variant, column, tau, r):
    table = DATA[which]
    scorer = ZenScorer(DATA["resolution"], variant=variant, batch_size=DATA["batch"])
    closed = [scorer(text) for text in table]
    drawn = [values[column] for values in table.values()]
    assert kendalltau(closed, drawn).statistic > tau
    assert pearsonr(closed, drawn).statistic > r


def simple_closed_form(widths, elements, gamma=0.01):
    """Infinitely wide 1x1 convolutions, written out: input of 3 channels, then ReLUs."""
    score, fan_in, mean_square, variance = 0.0, 3, 0.0, 1.0
    c = 1 / math.sqrt(1 + gamma * gamma)
    for layer, width in enumerate(widths):
        score += 0.5 * math.log(fan_in * variance)
        if layer:
            kernel = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)
            c = (kernel - mean_square) / variance
        fan_in, mean_square, variance = width, 1 / (2 * math.pi), 0.5 - 1 / (2 * math.pi)
    return score + math.log(widths[-1] * elements * math.sqrt(2 - 2 * c) / math.sqrt(2 * math.pi))


def test_wide_networks_have_the_simple_limit():
    """The first layer has 3 inputs whatever the width: what that does is bounded, and all else goes with the width."""
    errors = []
    for width in (1000, 4000):
        text = f"SuperConvK1BNRELU(3,{width},1,1)" + f"SuperConvK1BNRELU({width},{width},1,1)" * 4
        closed = zen_score(text, 8, batch_size=256) - zen_score("SuperConvK1BNRELU(3,1000,1,1)", 8, batch_size=256)
        simple = simple_closed_form([width] * 5, 64) - simple_closed_form([1000], 64)
        errors.append(abs(closed - simple))
    assert max(errors) < 0.15


def test_more_perturbation_moves_the_output_more():
    assert zen_score(START, gamma=0.1) > zen_score(START, gamma=0.01) + 1


VARIANTS = [
    (MIXED, {"activation": "silu"}, 0.005),
    (MIXED, {"activation": "gelu"}, 0.005),
    (MIXED, {"activation": "tanh"}, 0.006),
    (MIXED, {"activation": "leaky_relu"}, 0.005),
    (MIXED, {"activation": "identity"}, 0.005),
    (MOBILE, {"activation": "hardswish"}, 0.01),
    (MIXED, {"no_bn": True}, 0.01),
    (MIXED, {"no_bn": True, "activation": "tanh"}, 0.01),
    (MIXED, {"use_se": True}, 0.03),
    ("ConvKX(3,32,3,1)BN(32)RELU(32)MaxPool(32,3,2)ConvKX(32,64,3,1)BN(64)RELU(64)MaxPool(64,2,2)", {}, 0.015),
    ("ConvKX(3,32,3,1)BN(32)RELU(32)MaxPool(32,3,2)ConvKX(32,64,3,1)BN(64)RELU(64)", {}, 0.005),
    ("ConvKX(3,32,3,1)BN(32)RELU(32)AvgPool(32,2,2)ConvKX(32,64,3,1)BN(64)RELU(64)", {}, 0.015),
    ("ConvKX(3,32,3,1)BN(32)RELU(32)ConvKXG4(32,64,3,1)BN(64)RELU(64)ConvKXG8(64,64,3,2)BN(64)RELU(64)", {}, 0.007),
    ("ConvKX(3,32,3,1)BN(32)ConvKX(32,64,3,1)BN(64)RELU(64)ConvKX(64,64,1,1)BN(64)", {}, 0.005),
    ("ConvKX(3,32,3,1)BN(32)RELU(32)MultiSumBlock(ConvKX(32,64,3,1)BN(64);ConvKX(32,64,1,1)BN(64))RELU(64)", {}, 0.01),
    (
        "ConvKX(3,32,3,1)BN(32)RELU(32)MultiCatBlock(ConvKX(32,64,3,1)BN(64)RELU(64);ConvKX(32,16,1,1)BN(16)RELU(16))"
        "ConvKX(80,64,3,2)BN(64)RELU(64)",
        {},
        0.007,
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("structure", "network", "tolerance"), VARIANTS)
def test_every_kind_of_layer_against_monte_carlo(structure, network, tolerance):
    from plainnet.proxies.sampled.zen_mc import zen_mc

    variant = Variant(**network)
    drawn = zen_mc(structure, resolution=32, batch=16, repeats=8, seed=3, network=variant)
    assert zen_score(structure, 32, network=variant) == pytest.approx(drawn.mean, rel=tolerance)


@pytest.mark.slow
def test_the_table_of_monte_carlo_values_is_what_is_drawn():
    from plainnet.proxies.sampled.zen_mc import zen_mc

    for text in sorted(DATA["random"], key=len)[:3]:
        mean, error = DATA["random"][text][:2]
        drawn = zen_mc(text, resolution=32, batch=16, repeats=8, seed=1)
        assert abs(drawn.mean - mean) < 5 * math.hypot(error, drawn.stderr)


def test_a_score_does_not_depend_on_what_was_scored_before():
    texts = sorted(DATA["held_out"])[:12]
    zen._forget()
    first = [zen_score(text) for text in texts]
    zen._forget()
    again = [zen_score(text) for text in reversed(texts)]
    assert first == again[::-1] == [zen_score(parse(text)) for text in texts]


def test_forgetting_changes_nothing(monkeypatch):
    scorer = ZenScorer(32)
    before = [scorer(text) for text in sorted(DATA["held_out"])[:5]]
    monkeypatch.setattr(zen, "STATES", 3)
    assert [scorer(text) for text in sorted(DATA["held_out"])[:5]] == before


def test_maps_of_any_shape_and_shortcuts():
    tall = zen_score(START, (48, 32))
    assert zen_score(START, 32) < tall < zen_score(START, 48)
    assert zen_score(START) == zen_score(START, network=Variant(no_reslink=True))
    head = "AdaptiveAvgPool(128,1)Flatten(128)Linear(128,10,1)"
    assert zen_score(START + head) == zen_score(START)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zen_score(START, variant="papr"), "did you mean paper"),
        (lambda: zen_score(START, batch_size=0), "accepted: positive numbers"),
        (lambda: zen_score(START, gamma=0.0), "accepted: positive numbers"),
        (lambda: zen_score("RELU(3)AdaptiveAvgPool(3,1)"), "no convolution"),
        (lambda: zen_score("ConvKX(3,8,3,2)BN(8)", 2, batch_size=1), "more than 1 image"),
    ],
)
def test_settings_that_make_no_sense(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_an_input_that_does_not_fit_is_located():
    with pytest.raises(StructureError, match="column"):
        zen_score("ConvKX(3,8,3,1)BN(8)ConvKX(8,8,4,2)BN(8)", 1)


def test_torch_stays_out():
    code = (
        "import sys; from plainnet.proxies.closed.zen import zen_score; from plainnet.blocks import Variant\n"
        f"zen_score({START!r}); zen_score({START!r}, network=Variant(activation='silu')); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.usefixtures("own_registry")
def test_a_map_times_its_own_mean_has_no_score() -> None:
    class MeanGate(PlainNetBasicBlockClass):
        """A gate that is the mean of a normalised map, and so nothing but noise around zero."""

        in_channels: Channels
        out_channels: Channels

        def layers(self) -> Layers:
            return (Conv(self.out_channels, 3), Norm(), Scale((AdaptivePool(1),)))

    with pytest.raises(UnknownScoreError, match="multiplies"):
        zen_score("ConvKX(3,8,3,1)MeanGate(8,8)", 8)
    assert math.isfinite(zen_score("ConvKX(3,8,3,1)BN(8)", 8))
