"""The calibrated score: its features against what they are by hand, its model against a plain twin, its file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from torch.nn import functional

import plainnet
from plainnet.blocks.rows.gates import gate_rows
from plainnet.blocks.rows.layers import Act, Add, Concat, Conv, Leaf, Norm, Pool, Sum
from plainnet.blocks.rows.map_layers import ConvTranspose, Zero
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import walk
from plainnet.errors import UnknownScoreError, UsageError
from plainnet.proxies.calibrated.calibration import Calibration, read_calibration
from plainnet.proxies.calibrated.features import FEATURES, Features, features_of_rows, network_features
from plainnet.proxies.calibrated.flow import _bilinear_share as bilinear_share
from plainnet.proxies.calibrated.independence import independent_parts
from plainnet.proxies.calibrated.model import SETTINGS, GaussianModel
from plainnet.proxies.calibrated.names import pinned
from plainnet.templates.nas_bench_macro import network_of_code, trained_networks
from plainnet.testing import sample_case, shipped_blocks
from plainnet.testing.graphs import sample_graph

UNIT = (Conv(8, 3), Norm(), Act())


def features(*layers: object, size: int = 16) -> Features:
    shape = Shape(8, size, size)
    rows, _ = walk(layers, shape, expand=True)  # type: ignore[arg-type]
    return features_of_rows(rows, shape)


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_a_chain_has_the_features_that_follow_from_its_depth(depth: int) -> None:
    found = features(*UNIT * depth)
    elements = depth * 8 * 16 * 16
    assert math.exp(found.params) == pytest.approx(depth * (8 * 8 * 9 + 16))
    assert math.exp(found.macs) == pytest.approx(elements * 72)
    assert math.exp(found.elements) == pytest.approx(elements)
    assert math.exp(found.entropy) == pytest.approx(elements * math.log(72))
    assert math.exp(found.live_entropy) == pytest.approx(elements * math.log(72))
    assert found.octave_inputs == pytest.approx(math.log(elements * 72))
    assert found.octave_slope == 0
    for name in ("felt_depth", "activations", "depth"):
        assert math.exp(getattr(found, name)) == pytest.approx(depth), name
    assert math.exp(found.narrowness) == pytest.approx(depth / 8)
    assert math.exp(found.kernel) == pytest.approx(3)
    seen = [min(256, (1 + 2 * number) ** 2) for number in range(1, depth + 1)]
    assert math.exp(found.pixels) == pytest.approx(sum(seen) / depth)
    # a centred ReLU keeps 1/2 of a change and (1 - 1/pi) / 2 of a variance; the batch norm takes out the mean
    assert found.sensitivity == pytest.approx(depth * math.log(math.pi / (math.pi - 1)))
    # and so gradients grow by pi / (pi - 1) from layer to layer, but at the first, whose input has no mean
    steps = np.minimum(np.arange(depth), max(0, depth - 2)) * math.log(math.pi / (math.pi - 1))
    assert found.gradient_spread == pytest.approx(float(steps.std()))


def test_linear_maps_that_are_added_are_one() -> None:
    merged = features(Add((Conv(8, 3), Norm()), (Conv(8, 1), Norm())), Act())
    apart = features(Add((Conv(8, 3), Norm(), Act()), (Conv(8, 1), Norm(), Act())))
    assert math.exp(merged.entropy) == pytest.approx(8 * 256 * math.log(72))  # of the same input: the larger window
    assert math.exp(apart.entropy) == pytest.approx(8 * 256 * (math.log(72) + math.log(8)))
    other = features(*UNIT, Add((Conv(8, 3), Norm()), (Act("tanh"), Conv(8, 1), Norm())), Act())
    assert math.exp(other.entropy) == pytest.approx(8 * 256 * (math.log(72) + math.log(80)))  # of two inputs


def test_an_identity_shortcut_shares_the_variance_and_the_ways() -> None:
    found = features(*UNIT, Add((*UNIT[:2],)), Act())
    variance = (1 - 1 / math.pi) / 2
    body = 1 / (1 + variance)
    assert math.exp(found.activations) == pytest.approx(
        1 + 1
    )  # both ways passed the first activation, and then the last
    longer = features(*UNIT, Add((*UNIT, *UNIT[:2])), Act())
    assert math.exp(longer.activations) == pytest.approx(1 + body + 1)
    assert math.exp(longer.narrowness) == pytest.approx((1 + body + 1) / 8)


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_windows_that_overlap_leave_fewer_independent_positions(kind: str) -> None:
    rows, _ = walk((Pool(kind, 3, 1), Conv(8, 1), Act(), Pool(kind, 2, 2), Conv(8, 3)), Shape(8, 16, 16), expand=True)
    parts = independent_parts(rows)
    spectrum = np.abs(np.fft.fft([1, 1, 1] + [0] * 13)) ** 2
    share = spectrum / spectrum.sum()
    axis = math.exp(-(share[share > 0] * np.log(share[share > 0])).sum()) / 16
    assert parts[:3] == pytest.approx([axis**2] * 3)
    assert parts[2] < parts[3] < 1  # a stride takes of what is alike
    none, _ = walk((Pool(kind, 2, 2), Conv(8, 3)), Shape(8, 16, 16), expand=True)
    assert independent_parts(none) == [1.0, 1.0]


def test_independence_is_mixed_where_maps_meet_at_any_size() -> None:
    for size in (5, 8, 13):
        for join in (Sum, Concat):
            layers = (join(((Pool("max", 3, 1),), (Conv(8, 3),))), Pool("avg", 2, 1), Conv(4, 3, 2))
            rows, _ = walk(layers, Shape(8, size, size), expand=True)
            parts = independent_parts(rows)
            assert parts[0] < parts[2] < 1
            assert all(0 < part <= 1 for part in parts)


@pytest.mark.parametrize("cls", shipped_blocks(), ids=lambda cls: cls.__name__)
def test_every_network_with_a_convolution_has_finite_features(cls: type) -> None:
    for seed in range(4):
        block, shape = sample_case(cls, Random(seed))
        rows, _ = walk((block,), shape, expand=True)
        if not any(
            isinstance(row.layer, (Conv, ConvTranspose))
            for number, row in enumerate(rows)
            if number not in gate_rows(rows)
        ):
            with pytest.raises(UsageError, match="without convolutions"):
                features_of_rows(rows, shape)
            continue
        if any(isinstance(row.layer, Leaf) and not row.layer.has_theory for row in rows):
            with pytest.raises(UnknownScoreError):
                features_of_rows(rows, shape)
            continue
        found = features_of_rows(rows, shape)
        assert all(map(math.isfinite, found)), (str(block), found)


def test_a_transposed_convolution_of_stride_1_is_a_convolution() -> None:
    stem = "ConvKXBNRELU(3,16,3,1)"
    end = "BN(16)RELU(16)ConvKX(16,16,3,1)"
    ways = [f"{stem}{way}{end}" for way in ("ConvTranspose(16,16,3,1)", "ConvKX(16,16,3,1)")]
    assert network_features(ways[0], 16) == pytest.approx(network_features(ways[1], 16))


def test_a_window_counts_with_its_taps_whichever_way_it_lies() -> None:
    lying, standing, square = (
        network_features(f"ConvKXBNRELU(3,8,3,1){way}BN(8)RELU(8)ConvKX(8,8,3,1)", 32)
        for way in ("ConvHW(8,8,1,9,1)", "ConvHW(8,8,9,1,1)", "ConvHW(8,8,3,3,1)")
    )
    assert lying == pytest.approx(standing)
    for name in set(FEATURES) - {"pixels", "octave_information"}:  # what it sees has another form
        assert getattr(lying, name) == pytest.approx(getattr(square, name)), name
    assert math.exp(lying.pixels) == pytest.approx((9 + 3 * 11 + 5 * 13) / 3)
    assert math.exp(square.pixels) == pytest.approx((9 + 25 + 49) / 3)


@pytest.mark.parametrize(
    ("larger", "side", "maps"),
    [("Upsample(8,2,0)", 4, 0), ("Upsample(8,2,1)", 5, 0), ("ConvTranspose(8,8,2,2)", 4, 1)],
)
def test_places_of_larger_maps_are_closer(larger: str, side: int, maps: int) -> None:
    """On a map of twice the size, a window of three places sees one pixel more than one place does, not two."""
    found = network_features(f"ConvKX(3,8,3,1){larger}ConvKX(8,8,3,1)", 32)
    elements = [1, *[4] * maps, 4]
    seen = [9, *[9] * maps, side**2]
    assert math.exp(found.pixels) == pytest.approx(
        sum(map(math.prod, zip(elements, seen, strict=True))) / sum(elements)
    )


def test_bilinear_places_are_means_of_two_along_each_axis() -> None:
    for scale in (2, 3, 4):
        ones = torch.zeros(1, 1, 9, 9)
        ones[0, 0, 4, 4] = 1.0
        out = functional.interpolate(ones, scale_factor=scale, mode="bilinear")
        assert bilinear_share(scale) ** 2 == pytest.approx(float(out.square().sum()) / scale**2, rel=1e-5)


def test_zeros_bring_nothing() -> None:
    conv = Conv(8, 3)
    for way in ((conv, Act()), (conv, Pool("avg", 3, 1))):
        cut = features(conv, Act(), Sum(((Zero(1),), way)), conv)
        assert cut == pytest.approx(features(conv, Act(), Sum((way,)), conv))


def test_every_random_graph_has_features_or_a_reason() -> None:
    reasons: dict[str, int] = {}
    for seed in range(80):
        text = sample_graph(Random(seed), more=True)
        try:
            assert all(map(math.isfinite, network_features(text, 17))), text
        except UsageError as error:
            reasons[type(error).__name__] = reasons.get(type(error).__name__, 0) + 1
    assert reasons.keys() <= {"NoFeatureMapError", "UnknownScoreError"}
    assert sum(reasons.values()) < 50


def some(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 5)) * [1, 2, 0.1, 1, 1]
    return x, 90 + x[:, 0] - 0.5 * x[:, 1] ** 2 + 0.2 * rng.normal(size=count)


def twin(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the averaged model, written as it is defined, with plain inverses."""
    n, p = x.shape
    scale = np.sqrt((n * x.var(axis=0) + 0.01) / (n + 1))
    z, w = (np.clip((each - x.mean(axis=0)) / scale, -4, 4) for each in (x, at))
    median = np.median(y)
    spread = 1.4826 * np.median(abs(y - median))
    clipped = np.maximum((y - median) / spread, -3)
    t = (clipped - clipped.mean()) / clipped.std()
    logs, means, variances = [], [], []
    for a, r, length, v in SETTINGS:

        def k(first: np.ndarray, second: np.ndarray) -> float:
            return 100 + a * first @ second / p + r * math.exp(-((first - second) ** 2).sum() / (2 * p * length**2))  # noqa: B023

        inner = np.array([[k(one, two) for two in z] for one in z]) + v * np.eye(n)
        cross = np.array([[k(one, two) for two in z] for one in w])
        inverse = np.linalg.inv(inner)
        rate = 2 + t @ inverse @ t / 2
        logs.append(-0.5 * np.linalg.slogdet(inner)[1] - (2 + n / 2) * math.log(rate))
        means.append(cross @ inverse @ t)
        own = np.array([k(one, one) for one in w])
        variances.append(rate / (2 + n / 2) * (own - np.einsum("ij,jk,ik->i", cross, inverse, cross)))
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    mean = weights @ np.array(means)
    variance = weights @ (np.array(variances) + np.array(means) ** 2) - mean**2
    unit = spread * clipped.std()
    return median + spread * clipped.mean() + unit * mean, unit * np.sqrt(variance)


@pytest.mark.parametrize("count", [4, 15, 40])
def test_the_model_is_what_its_definition_says(count: int) -> None:
    x, y = some(count)
    at, _ = some(10, seed=1)
    y[0] = 20.0  # a failure, clipped
    mean, deviation = twin(x, y, at)
    found = GaussianModel(x, y).predict(at)
    assert found.mean == pytest.approx(mean, abs=1e-6)
    assert found.deviation == pytest.approx(deviation, rel=1e-4)
    assert GaussianModel(x, y).expected(at) == pytest.approx(found.mean, rel=1e-12)
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()


def test_left_out_is_what_a_model_without_the_network_says() -> None:
    """With scales and weights of the whole, which a closed form cannot leave out: here of one setting, and a large n."""
    x, y = some(60)
    left_out, low, high, _ = GaussianModel(x, y).left_out
    for number in range(0, 60, 7):
        rest = np.arange(60) != number
        alone = GaussianModel(x[rest], y[rest]).predict(x[[number]])
        assert left_out[number] == pytest.approx(alone.mean[0], abs=0.35 * y.std())
    assert np.corrcoef(left_out, y)[0, 1] < np.corrcoef(GaussianModel(x, y).predict(x).mean, y)[0, 1]
    assert 0.75 <= ((low <= y) & (y <= high)).mean() <= 1


def test_intervals_cover_what_they_say() -> None:
    covered = []
    for seed in range(12):
        x, y = some(80, seed=seed)
        found = GaussianModel(x[:25], y[:25]).predict(x[25:])
        covered.append(((found.low <= y[25:]) & (y[25:] <= found.high)).mean())
    assert 0.8 < np.mean(covered) < 0.98


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:3], y[:3]), "at least 4"),
        (lambda x, y: (x, np.where(np.arange(20) < 11, 50.0, y)), "more than half of the accuracies are the same"),
        (lambda x, y: (x, np.append(y[1:], math.nan)), "not finite"),
        (lambda x, y: (x, np.append(y[1:], 1e160)), "beyond 1e\\+100"),
        (lambda x, y: (np.append(x[1:], -1e160 * x[:1], axis=0), y), "beyond 1e\\+100"),
        (lambda x, y: (x[1:], y), "19 networks for 20"),
    ],
)
def test_a_model_of_nothing_is_refused(change: object, message: str) -> None:
    x, y = some(20)
    with pytest.raises(UsageError, match=message):
        GaussianModel(*change(x, y))  # type: ignore[operator]


def calibration(count: int = 16, resolution: tuple[int, int] = (32, 32)) -> Calibration:
    networks = trained_networks()[:: 6561 // count][:count]
    found = tuple(network_features(network_of_code(each.code), resolution) for each in networks)
    return Calibration(
        "some.csv",
        resolution,
        tuple(each.code for each in networks),
        found,
        tuple(each.accuracy for each in networks),
        {},
    )


def test_a_calibration_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    first = calibration()
    first.write(tmp_path / "c.json")
    again = read_calibration(tmp_path / "c.json")
    assert again == first
    text = str(network_of_code("12012012"))
    expected = first.predict([network_features(text, 32)]).mean[0]
    assert plainnet.score(text, f"calibrated:{tmp_path / 'c.json'}", resolution=32).mean == pytest.approx(expected)
    assert 80 < expected < 97
    with pytest.raises(UsageError, match="holds for inputs of 32, and 48x48 was asked"):
        plainnet.score(text, f"calibrated:{tmp_path / 'c.json'}", resolution=48)


def test_a_name_can_be_pinned_to_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    calibration().write(path)
    name = pinned(f"calibrated:{path}")
    assert pinned(name) == name
    calibration(17).write(path)
    with pytest.raises(UsageError, match="has changed since"):
        plainnet.score("SuperConvK3BNRELU(3,8,1,1)", name, resolution=32)
    with pytest.raises(UsageError, match="names no file"):
        pinned("calibrated:")
    with pytest.raises(UsageError, match="cannot be read"):
        plainnet.score("SuperConvK3BNRELU(3,8,1,1)", f"calibrated:{tmp_path / 'none.json'}", resolution=32)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("plainnet_calibration",), 2, "plainnet_calibration"),
        (("resolution",), [32], "resolution"),
        (("resolution",), [32, 0], "resolution.1"),
        (("features",), ["params"], "features are params"),
        (("networks",), [], "networks"),
        (("networks", 0, "features"), [1.0], "networks.0.features"),
        (("networks", 0, "features", 3), "1", "networks.0.features.3"),
        (("networks", 0, "accuracy"), None, "networks.0.accuracy"),
        (("networks", 0, "code"), "print()", "networks.0.code"),
    ],
)
def test_a_damaged_file_says_where(tmp_path: Path, place: tuple[str | int, ...], value: object, message: str) -> None:
    path = tmp_path / "c.json"
    content = json.loads(calibration().to_json())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=f"is damaged: .*{message}"):
        read_calibration(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "nan"])
def test_another_file_is_no_calibration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="holds no calibration"):
        read_calibration(path)


def test_the_names_of_the_features_are_those_of_the_page() -> None:
    assert len(FEATURES) == 16
