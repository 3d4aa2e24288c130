"""The composite: values worked out by hand, a slow twin of each half, and what must not change it."""

import itertools
import math
import random
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import ndtr

from plainnet import StructureError, UsageError, Variant, parse
from plainnet.blocks.rows.layers import Act, AdaptivePool, Add, Concat, Conv, Flatten, Linear, Norm, Pool, Scale, Sum
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT
from plainnet.network.published import published_networks
from plainnet.proxies.closed.composite import VERSION, composite, composite_of_rows, composite_parts, octave_of
from plainnet.proxies.closed.felt_depth import INPUT_SIGNAL, propagate, signals
from plainnet.proxies.closed.live_positions import all_positions, live_positions, read_by_window
from plainnet.proxies.closed.meanfield.likeness import independent_share
from plainnet.proxies.closed.responses import NATS_PER_RELU

KEPT = 0.25 / (0.5 - 0.5 / math.pi)  # share of the variance that a centred ReLU leaves linear

STRUCTURES = {
    "plain": "SuperConvK3BNRELU(3,8,1,3)SuperConvK5BNRELU(8,16,2,2)",
    "residual": "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,3)SuperResK1K5K1(16,24,2,8,2)",
    "inverted": "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE4K5(8,16,2,8,2)SuperConvK1BNRELU(16,32,1,1)",
    "dropped positions": "SuperConvK3BNRELU(3,8,1,1)ConvKX(8,8,1,2)BN(8)ConvKX(8,16,1,2)BN(16)SuperConvK3BNRELU(16,8,1,1)",
    "sum": "SuperConvK3BNRELU(3,8,1,1)MultiSumBlock(ConvKX(8,8,3,2)BN(8)RELU(8);ConvKX(8,8,1,2)BN(8))RELU(8)",
    "concat": "SuperConvK3BNRELU(3,8,1,1)MultiCatBlock(ConvKX(8,8,3,2)BN(8);AvgPool(8,3,2);MaxPool(8,3,2))ConvKX(24,8,1,1)BN(8)",
    "gate": "SuperConvK3BNRELU(3,8,1,1)SE(8)ConvKX(8,8,3,2)BN(8)RELU(8)",
    "head": "SuperConvK3BNRELU(3,8,2,1)AdaptiveAvgPool(8,1)Flatten(8)Linear(8,10,1)",
    "averages": "SuperConvK3BNRELU(3,8,1,1)MultiSumBlock(AvgPool(8,3,1);ConvKX(8,8,3,1)BN(8))RELU(8)ConvKX(8,8,3,1)BN(8)RELU(8)"
    "AvgPool(8,3,2)ConvKX(8,8,3,1)BN(8)RELU(8)",
    "swish": "ConvKX(3,8,3,1)BN(8)Swish(8)ResBlock(8,1,ConvKX(8,8,3,1)BN(8)GELU(8))HardSwish(8)",
}


# By hand -----------------------------------------------------------------------------------------


def test_one_layer_by_hand():
    parts = composite_parts("SuperConvK3BNRELU(3,8,1,1)", 4)
    assert parts.live_activations == 8 * 16
    assert parts.live_macs == 8 * 16 * 27
    assert parts.live_entropy == pytest.approx(8 * 16 * math.log(27))
    assert parts.felt_depth == pytest.approx(1.0)
    assert parts.octaves == ((0, pytest.approx(8 * 16 * math.log(27) * (1 + math.log2(3)))),)
    assert parts.score == pytest.approx(math.log(2 * parts.octaves[0][1]))
    assert composite("SuperConvK3BNRELU(3,8,1,1)", 4, version=1) == pytest.approx(math.log(8 * 16 * math.log(27)))


def test_octaves_are_averaged_by_the_octaves_of_the_image_that_they_tell_apart():
    parts = composite_parts("ConvKX(3,8,3,2)BN(8)RELU(8)ConvKX(8,8,1,2)BN(8)ConvKX(8,4,5,2)BN(4)", 32)
    per_element = math.log(27) * (1 + math.log2(3)), math.log(8), math.log(200) * (1 + math.log2(5))
    held = [
        8 * 8 * 8 * per_element[0],
        8 * 8 * 8 * per_element[1],
        4 * 4 * 4 * per_element[2],
    ]  # live: every second of 16
    assert parts.octaves == tuple((j, pytest.approx(value)) for j, value in enumerate(held, 1))
    mean = sum((j + 2) * math.log((j + 2) * value) for j, value in enumerate(held, 1)) / (3 + 4 + 5)
    assert parts.score == pytest.approx(mean + math.log(parts.felt_depth))


@pytest.mark.parametrize(("size", "image", "octave"), [(32, 32, 0), (64, 32, 0), (16, 32, 1), (17, 33, 1), (7, 224, 5),
                                                       (8, 225, 5), (1, 32, 5), (23, 32, 0), (22, 32, 1)])  # fmt: skip
def test_an_octave_is_the_nearest_number_of_halvings(size, image, octave):
    assert octave_of(size * size, image * image) == octave


def test_what_has_no_extent_is_of_nooctave_of():
    stem = "SuperConvK3BNRELU(3,8,1,1)"
    alone = composite_parts(stem, 8).octaves
    assert (
        composite_parts(stem + "AdaptiveAvgPool(8,1)ConvKX(8,64,1,1)BN(64)Flatten(64)Linear(64,10,1)", 8).octaves
        == alone
    )
    assert composite_parts(stem + "SE(8)", 8).octaves == alone
    assert composite_parts(stem + "SE(8)", 8).felt_depth > 1
    assert composite("AdaptiveAvgPool(3,1)Flatten(3)Linear(3,10,1)", 8) == -math.inf


def test_versions_are_named():
    text = STRUCTURES["residual"]
    assert composite(text) == composite(text, version=VERSION) != composite(text, version=1)
    parts = composite_parts(text, version=1)
    assert parts.score == pytest.approx(math.log(parts.live_entropy * parts.felt_depth))
    assert parts[1:] == composite_parts(text)[1:]
    with pytest.raises(UsageError, match="the composite has no version 3; accepted: 1, 2"):
        composite(text, version=3)


def test_plain_layers_are_felt_one_by_one():
    assert composite_parts("SuperConvK3BNRELU(3,8,1,7)", 8).felt_depth == pytest.approx(7)


def test_an_identity_shortcut_halves_then_thirds_the_body():
    unit = "ResBlock(8,1,ConvKX(8,8,3,1)BN(8)RELU(8)ConvKX(8,8,3,1)BN(8))"
    head = "ConvKX(3,8,3,1)BN(8)"
    depths = [composite_parts(head + n * unit, 8).felt_depth for n in range(4)]
    shares = np.cumprod([1.0] + [(n + KEPT) / (n + 1) for n in range(1, 4)])
    assert depths == pytest.approx(-np.log(shares) / NATS_PER_RELU)


def test_a_projection_counts_half_and_carries_no_loss():
    parts = composite_parts("ResBlockProj(3,1,ConvKX(3,8,3,1)BN(8)RELU(8)ConvKX(8,8,3,1)BN(8))", 8)
    assert parts.felt_depth == pytest.approx(-math.log((1 + KEPT) / 2) / NATS_PER_RELU)


def test_positions_that_nothing_reads_do_not_count():
    stem, drop = "SuperConvK3BNRELU(3,8,1,1)", "ConvKX(8,8,1,2)BN(8)"
    whole, dropped = composite_parts(stem, 8), composite_parts(stem + drop, 8)
    assert whole.live_activations == 8 * 64
    assert dropped.live_activations == 8 * 16 + 8 * 16


def test_a_feature_of_one_input_is_no_new_feature():
    stem = "SuperConvK3BNRELU(3,8,1,1)"
    assert composite_parts(stem + "ConvDW(8,1,1)BN(8)", 8).live_entropy == composite_parts(stem, 8).live_entropy


def test_a_relu_behind_a_relu_is_not_felt():
    assert composite_parts("SuperConvK3BNRELU(3,8,1,1)RELU(8)MaxPool(8,3,1)RELU(8)", 8).felt_depth == pytest.approx(1)


def test_a_linear_network_has_no_felt_depth():
    parts = composite_parts("ConvKX(3,8,3,1)BN(8)ConvKX(8,8,3,2)BN(8)", 8)
    assert parts.felt_depth == 0
    assert parts.score == -math.inf


# Slow twins --------------------------------------------------------------------------------------

_NODES = np.linspace(-8, 8, 513)
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()
_FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "gelu": lambda x: x * ndtr(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def pair_through(rows, shape, correlation):
    """What becomes of two inputs of a correlation: (mean, variance, covariance), each activation by a double integral."""
    values = []
    for row in rows:
        inputs = [
            ((0.0, 1.0, correlation), shape) if i == INPUT else (values[i], rows[i].out_shape) for i in row.inputs
        ]
        (mean, variance, covariance), _ = inputs[0]
        layer = row.layer
        if isinstance(layer, (Conv, Linear, Norm)):
            out = (0.0, 1.0, covariance / variance)
        elif isinstance(layer, Act):
            out = _bent(_FUNCTIONS[layer.kind], mean, variance, covariance)
        elif isinstance(layer, (Pool, AdaptivePool, Flatten)):
            out = (mean, variance, covariance)
        elif isinstance(layer, (Add, Sum)):
            out = tuple(np.sum([value for value, _ in inputs], axis=0))
        elif isinstance(layer, Concat):
            weights = [shape.channels for _, shape in inputs]
            out = tuple(np.average([value for value, _ in inputs], axis=0, weights=weights))
        else:
            assert isinstance(layer, Scale)
            gate = inputs[1][0]
            product = mean * gate[0]
            raw = [(value + mean**2) * (other + gate[0] ** 2) - product**2
                   for value, other in ((variance, gate[1]), (covariance, gate[2]))]  # fmt: skip
            out = (product, *raw)
        values.append(out)
    return values[-1]


def _bent(function, mean, variance, covariance):
    first = math.sqrt(variance)
    slope = covariance / first
    rest = math.sqrt(max(0.0, variance - slope**2))
    y = function(mean + first * _NODES)
    other = function(mean + slope * _NODES[:, None] + rest * _NODES[None, :]) @ _WEIGHTS
    expected = float(_WEIGHTS @ y)
    return expected, float(_WEIGHTS @ y**2) - expected**2, float(_WEIGHTS @ (y * (other - other @ _WEIGHTS)))


@pytest.mark.parametrize("name", STRUCTURES)
def test_felt_depth_is_the_slope_of_the_correlation_map_at_zero(name):
    shape = Shape(3, 16, 16)
    rows = parse(STRUCTURES[name]).rows(shape, expand=True)
    (_, variance, up), (_, _, down) = (pair_through(rows, shape, c) for c in (0.04, -0.04))
    slope = (up - down) / 0.08 / variance
    assert math.exp(-propagate(rows, shape, INPUT_SIGNAL).loss) == pytest.approx(slope, rel=1e-2)


def obvious_positions(rows, shape, out_shape):
    """Which positions are read, position by position: (live positions of each row)."""
    live = {index: set() for index in range(-1, len(rows))}
    live[len(rows) - 1] = set(itertools.product(range(max(1, out_shape.height)), range(max(1, out_shape.width))))
    for index in range(len(rows) - 1, -1, -1):
        row = rows[index]
        for number, source in enumerate(row.inputs):
            before = shape if source == INPUT else rows[source].out_shape
            everything = set(itertools.product(range(max(1, before.height)), range(max(1, before.width))))
            one_for_all = isinstance(row.layer, Scale) and number == 1 and before.height == 1
            if isinstance(row.layer, (Conv, Pool)):
                offsets = range(-row.layer.padding, row.layer.kernel_size - row.layer.padding)
                reached = {
                    (y * row.layer.stride + dy, x * row.layer.stride + dx)
                    for y, x in live[index]
                    for dy in offsets
                    for dx in offsets
                }
                live[source] |= reached & everything
            elif isinstance(row.layer, (AdaptivePool, Flatten, Linear)) or one_for_all:
                live[source] |= everything
            else:
                live[source] |= live[index]
    return live


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("size", [(16, 16), (13, 9), (5, 7)])
def test_live_positions_agree_with_sets_of_positions(name, size):
    shape = Shape(3, *size)
    rows = parse(STRUCTURES[name]).rows(shape, expand=True)
    live, of_input = live_positions(rows, shape, all_positions(rows[-1].out_shape))
    expected = obvious_positions(rows, shape, rows[-1].out_shape)
    assert [positions.size for positions in live] == [len(expected[index]) for index in range(len(rows))]
    assert of_input.size == len(expected[-1])


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_fold_over_blocks_is_the_fold_over_rows(name):
    shape = Shape(3, 16, 16)
    rows = parse(STRUCTURES[name]).rows(shape, expand=True)
    live, _ = live_positions(rows, shape, all_positions(rows[-1].out_shape))
    entropy, octaves = 0.0, {}
    for row, positions, signal in zip(rows, live, signals(rows, shape, INPUT_SIGNAL), strict=True):
        if isinstance(row.layer, (Conv, Linear)):
            taps = row.layer.kernel_size**2 / row.layer.groups if isinstance(row.layer, Conv) else 1
            own = row.out_shape.channels * positions.size * math.log(row.in_shape.channels * taps)
            entropy += own
            if signal.likeness is not None:
                octave = round(math.log2(16 / row.out_shape.height))
                held = own * (1 + math.log2(row.layer.kernel_size)) * independent_share(signal.likeness, row.out_shape)
                octaves[octave] = octaves.get(octave, 0.0) + held
    depth = propagate(rows, shape, INPUT_SIGNAL).loss / NATS_PER_RELU
    parts = composite_parts(STRUCTURES[name], 16)
    assert parts.live_entropy == pytest.approx(entropy)
    assert parts.felt_depth == pytest.approx(depth)
    over_rows = composite_of_rows(rows, shape)
    assert over_rows[:5] == pytest.approx(parts[:5])
    assert composite_of_rows(rows, shape, 1).score == pytest.approx(composite(STRUCTURES[name], 16, version=1))
    assert dict(parts.octaves) == pytest.approx(octaves)
    weights = sum(octave + 2 for octave in octaves)
    mean = sum((octave + 2) * math.log((octave + 2) * held) for octave, held in octaves.items()) / weights
    assert parts.score == pytest.approx(mean + math.log(depth))
    assert composite(STRUCTURES[name], 16, version=1) == pytest.approx(math.log(entropy * depth))


def test_read_by_window_clips_at_the_edges():
    assert read_by_window(0b1, 5, 3, 1, 1) == 0b11
    assert read_by_window(0b100, 5, 1, 2, 0) == 0b10000
    assert read_by_window(0b1111, 4, 3, 1, 1) == 0b1111


# Invariances and monotony -----------------------------------------------------------------------


def test_cutting_a_network_into_other_blocks_changes_nothing():
    one = composite_parts("SuperConvK3BNRELU(3,8,1,3)", 16)
    two = composite_parts(
        "SuperConvK3BNRELU(3,8,1,1)Sequential(ConvKX(8,8,3,1)BN(8)RELU(8))SuperConvK3BNRELU(8,8,1,1)", 16
    )
    assert one[:5] == pytest.approx(two[:5])
    assert dict(one.octaves) == pytest.approx(dict(two.octaves))


def test_labels_and_known_blocks_change_nothing():
    text = STRUCTURES["residual"]
    first = composite_parts(text, 16)
    assert composite_parts(text, 16) == first
    assert composite_parts(text.replace("K3K3(8", "K3K3(name|8"), 16) == first


@pytest.mark.parametrize("block", ["SuperConvK{k}BNRELU(8,{c},1,{n})", "SuperResK{k}K{k}(8,{c},1,8,{n})",
                                   "SuperResIDWE2K{k}(8,{c},1,8,{n})"])  # fmt: skip
def test_more_of_anything_scores_more(block):
    def score(k=3, c=16, n=2, resolution=16):
        return composite("SuperConvK3BNRELU(3,8,1,1)" + block.format(k=k, c=c, n=n), resolution)

    assert score(k=3) < score(k=5) < score(k=7)
    assert score(c=8) < score(c=16) < score(c=64)
    assert score(n=1) < score(n=2) < score(n=8) < score(n=60)
    assert score(resolution=8) < score(resolution=16) < score(resolution=33)


@pytest.mark.parametrize("depth", [20, 100, 400, 2000])
def test_deep_and_wide_networks_stay_finite(depth):
    from plainnet import Limits

    for text in (
        f"SuperConvK3BNRELU(3,64,1,{depth})",
        f"SuperConvK3BNRELU(3,64,1,1)SuperResK3K3(64,2048,2,2048,{depth // 2})",
    ):
        structure = parse(text, limits=Limits(max_layers=10**6, max_params=10**15))
        parts = composite_parts(structure, 224)
        assert math.isfinite(parts.score)
        assert 1 < parts.felt_depth <= 2 * depth


def test_shortcuts_make_depth_less_felt():
    text = "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,16,1,16,12)"
    kept = composite_parts(text, 16).felt_depth
    assert kept < composite_parts(text, 16, variant=Variant(no_reslink=True)).felt_depth == pytest.approx(25)


def test_published_networks_have_finite_scores_that_follow_their_size():
    networks = published_networks()
    known = {name: network for name, network in networks.items() if "LN(" not in network.text}
    assert [*networks.keys() - known.keys()] == ["convnext_tiny"]  # layer norms are in no theory
    scores = {name: composite(network.structure, network.resolution) for name, network in known.items()}
    assert all(map(math.isfinite, scores.values()))
    latency = [scores[name] for name in sorted(scores) if name.startswith("zennet_imagenet1k_latency")]
    assert len(latency) >= 5
    assert latency == sorted(latency)
    assert scores["resnet18"] < scores["resnet34"] < scores["resnet50"]


def test_variants_are_scored_as_variants():
    text = STRUCTURES["residual"]
    plain = composite_parts(text, 16)
    gated = composite_parts(text, 16, variant=Variant(use_se=True))
    assert gated.felt_depth > plain.felt_depth
    smooth = composite_parts(text, 16, variant=Variant(activation="silu"))
    assert smooth.felt_depth < plain.felt_depth
    assert smooth.live_entropy == plain.live_entropy


def test_an_input_that_does_not_fit_is_said_with_its_place():
    with pytest.raises(StructureError, match="no output on a map"):
        composite("SuperConvK3BNRELU(3,8,1,1)ConvKX(8,8,4,1)", 1)


def test_random_structures_are_scored_alike_in_another_process():
    rng = random.Random(0)
    texts = [
        f"SuperConvK3BNRELU(3,{w},1,1)SuperResK{rng.choice((3, 5))}K{{k}}({w},{2 * w},2,{w},{rng.randint(1, 4)})".replace(
            "{k}", "3"
        )
        for w in (8, 16, 24)
    ]
    texts = [text.replace("K5K3", "K5K5") for text in texts]
    here = [composite(text) for text in texts]
    code = f"from plainnet.proxies.closed.composite import composite; print([composite(t) for t in {texts!r}])"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert eval(there.stdout) == here
