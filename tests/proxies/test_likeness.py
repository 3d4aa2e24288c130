"""Independent elements: correlations between neighbours against exact covariances and against sampled maps."""

import math

import numpy as np
import pytest

from plainnet.blocks.rows.map_layers import Resize
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import INPUT, Row
from plainnet.proxies.closed.composite import composite_parts
from plainnet.proxies.closed.felt_depth import INPUT_SIGNAL, signals
from plainnet.proxies.closed.meanfield.borders import window_sizes
from plainnet.proxies.closed.meanfield.likeness import (
    WHITE,
    Likeness,
    averaged,
    bent,
    independent_share,
    mean_likeness,
    share_of_bilinear,
    share_of_means,
    spread,
    strided,
)

KEPT = 0.25 / (0.5 - 0.5 / math.pi)


def windows(size, kernel_size, stride):
    """The averages along one axis as a matrix, no window over the edge."""
    starts = range(0, size - kernel_size + 1, stride)
    return np.array([[float(first <= place < first + kernel_size) for place in range(size)] for first in starts])


def correlations(*pools, size=40):
    """r(d, e) in the middle of a map of white noise behind average pools, from the covariance matrix of one axis."""
    matrix = np.eye(size)
    for kernel_size, stride in pools:
        matrix = windows(len(matrix), kernel_size, stride) @ matrix
    covariance = matrix @ matrix.T
    middle = len(matrix) // 2 - 2
    row = covariance[middle, middle:] / covariance[middle, middle]
    return {(d, e): row[d] * row[e] for d in range(len(row)) for e in range(len(row)) if (d, e) != (0, 0)}


@pytest.mark.parametrize("pools", [[(3, 1)], [(2, 1)], [(3, 2)], [(5, 2)], [(3, 1), (3, 1)], [(3, 1), (3, 2)], [(5, 1), (2, 1)],
                                   [(2, 2)], [(3, 3), (3, 1)]], ids=str)  # fmt: skip
def test_averages_of_noise_against_their_covariances(pools):
    likeness = WHITE
    for kernel_size, stride in pools:
        likeness = averaged(likeness, kernel_size, stride)
    found = {(d, e): r for d, e, r in likeness}
    for place, expected in correlations(*pools).items():
        assert found.get(place, 0.0) == pytest.approx(expected, abs=1.2e-3)


def test_windows_that_do_not_overlap_are_independent():
    assert averaged(WHITE, 2, 2) == averaged(WHITE, 3, 4) == averaged(WHITE, 1, 1) == WHITE


def test_a_stride_keeps_every_second_neighbour():
    assert strided(Likeness.of([(0, 1, 0.5), (0, 2, 0.25), (2, 2, 0.1)]), 2) == Likeness.of([(0, 1, 0.25), (1, 1, 0.1)])
    assert list(strided(Likeness.of([(0, 1, 0.5)]), 1)) == [(0, 1, 0.5)]


@pytest.mark.parametrize("r", [0.05, 0.2, 0.444, 0.667, 0.9])
def test_the_relu_against_its_exact_correlation_map(r):
    kernel = (math.sqrt(1 - r * r) + r * (math.pi - math.acos(r))) / (2 * math.pi)
    exact = (kernel - 0.5 / math.pi) / (0.5 - 0.5 / math.pi)
    ((_, _, found),) = bent(Likeness.of([(0, 1, r)]), KEPT)
    assert found == pytest.approx(exact, abs=0.012)


@pytest.mark.parametrize("pools", [[(3, 1)], [(5, 2)], [(3, 1), (3, 1)]], ids=str)
def test_the_share_is_the_participation_number_of_the_covariance(pools):
    """(trace C)^2 / |C|^2 independent elements, for the stationary covariance of a small map."""
    likeness = WHITE
    for kernel_size, stride in pools:
        likeness = averaged(likeness, kernel_size, stride)
    known = {(d, e): r for d, e, r in likeness} | {(0, 0): 1.0}
    height, width = 6, 4
    places = [(y, x) for y in range(height) for x in range(width)]
    covariance = np.array([[known.get((abs(y - v), abs(x - u)), 0.0) for v, u in places] for y, x in places])
    expected = np.trace(covariance) ** 2 / (covariance**2).sum() / len(places)
    assert independent_share(likeness, Shape(8, height, width)) == pytest.approx(expected)
    assert independent_share(WHITE, Shape(8, height, width)) == 1


def test_sums_and_concatenations_mix_by_variance():
    smooth = averaged(WHITE, 3, 1)
    half = {(d, e): r for d, e, r in mean_likeness([(1.0, smooth), (1.0, WHITE)])}
    assert half == pytest.approx({(d, e): r / 2 for d, e, r in smooth}, abs=1e-4)
    assert mean_likeness([(1.0, WHITE), (3.0, WHITE)]) == mean_likeness([(0.0, smooth)]) == WHITE


def test_pooling_leaves_less_to_the_convolutions_behind_it():
    """An average over overlapping windows, then a maximum, then windows side by side."""
    stem, conv = "SuperConvK3BNRELU(3,8,1,1)", "ConvKX(8,8,1,1)BN(8)RELU(8)"
    plain, averages, maxima = (
        composite_parts(stem + pool + conv, 16).octaves[0][1] for pool in ("", "AvgPool(8,3,1)", "MaxPool(8,3,1)")
    )
    own = 8 * 256 * math.log(8)
    assert plain == maxima
    share = (averages - (plain - own)) / own
    assert 0.2 < share < 0.3
    side_by_side = composite_parts(stem + "AvgPool(8,2,2)" + conv, 16).octaves[1][1]
    assert side_by_side == pytest.approx(own / 4)


def test_sampled_maps_agree():
    """White noise through 3x3 average, ReLU, 3x3 average: correlations of neighbours over 2,000 maps."""
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((2000, 16, 16))
    average = lambda x: np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2)).mean((-1, -2))  # noqa: E731
    maps = average(maps)
    maps = average(np.maximum(maps / maps.std(), 0))
    maps -= maps.mean()
    likeness = averaged(bent(averaged(WHITE, 3, 1), KEPT), 3, 1)
    for d, e, r in likeness:
        if d + e <= 4:
            sampled = (maps[:, d:, e:] * maps[:, : maps.shape[1] - d, : maps.shape[2] - e]).mean() / maps.var()
            assert r == pytest.approx(sampled, abs=0.02)


@pytest.mark.parametrize(
    ("scale", "mode"), [(2, "nearest"), (3, "nearest"), (2, "bilinear"), (3, "bilinear"), (4, "bilinear")]
)
def test_upsampled_noise(scale, mode):
    """Correlations of neighbours, the mean over the phases of the finer grid, over 500 maps."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.standard_normal((500, 1, 12, 12)))
    extra = {} if mode == "nearest" else {"align_corners": False}
    fine = torch.nn.functional.interpolate(maps, scale_factor=scale, mode=mode, **extra)[:, 0]
    fine = fine[:, 2 * scale : -2 * scale, 2 * scale : -2 * scale].numpy()
    row = Row("up", Resize(scale, mode), (INPUT,), Shape(1, 12, 12), Shape(1, 12 * scale, 12 * scale), 1)
    ((*_, likeness),) = signals([row], Shape(1, 12, 12), INPUT_SIGNAL)
    known = {(d, e): r for d, e, r in likeness}
    for d in range(5):
        for e in range(5):
            if d + e:
                sampled = (fine[:, d:, e:] * fine[:, : fine.shape[1] - d, : fine.shape[2] - e]).mean() / (
                    fine**2
                ).mean()
                assert known.get((d, e), 0.0) == pytest.approx(sampled, abs=0.05)


def test_independent_elements_between_those_of_a_coarser_map():
    assert list(spread(Likeness.of([(0, 1, 0.5), (1, 1, 0.2)]), 2)) == [(0, 2, 0.5), (2, 2, 0.2)]
    assert list(spread(Likeness.of([(0, 1, 0.5)]), 1)) == [(0, 1, 0.5)]
    block, size = "SuperConvK3BNRELU(3,8,2,1)ConvTranspose(8,8,2,2)BN(8)RELU(8)", 16
    assert composite_parts(block + "ConvKX(8,8,1,1)BN(8)", size).octaves[0][1] == pytest.approx(
        8 * 256 * math.log(8) * 2
    )


@pytest.mark.parametrize(("size", "kernel_size", "stride"), [(8, 3, 1), (8, 3, 2), (5, 5, 1), (4, 7, 1), (8, 2, 2)])
@pytest.mark.parametrize("alike", [0.0, 0.6, 1.0])
def test_what_is_left_of_means_of_windows_over_the_edge(size, kernel_size, stride, alike):
    """Against the covariance matrix of a map whose neighbours d places apart have the correlation alike^d."""
    padding = (kernel_size - 1) // 2
    starts = [start - padding for start in range(0, size + 2 * padding - kernel_size + 1, stride)]
    inside = np.array([[float(first <= place < first + kernel_size) for place in range(size)] for first in starts])
    means = inside / inside.sum(axis=1, keepdims=True)
    along = alike ** abs(np.subtract.outer(np.arange(size), np.arange(size)).astype(float))
    expected = (means @ along @ means.T).diagonal().mean() ** 2
    likeness = Likeness.of((d, e, alike ** (d + e)) for d in range(13) for e in range(13) if d or e)
    sizes = window_sizes(size, len(starts), kernel_size, stride)
    assert share_of_means(likeness, sizes, sizes) == pytest.approx(expected, rel=1e-3)  # correlations have four digits
    assert expected == pytest.approx(1) if alike == 1 else expected < 1


@pytest.mark.parametrize(("size", "scale"), [((8, 5), 2), ((4, 4), 3), ((1, 6), 4), ((2, 3), 2), ((3, 3), 1)])
@pytest.mark.parametrize("alike", [0.0, 0.6, 1.0])
def test_what_is_left_of_bilinear_means(size, scale, alike):
    """Against the covariance matrix of a map, taken through torch's own weights."""
    torch = pytest.importorskip("torch")
    cells = torch.eye(size[0] * size[1], dtype=torch.float64).reshape(-1, 1, *size)
    fine = torch.nn.functional.interpolate(cells, scale_factor=scale, mode="bilinear", align_corners=False)
    weights = fine.flatten(1).T.numpy()
    sides = [alike ** abs(np.subtract.outer(np.arange(side), np.arange(side)).astype(float)) for side in size]
    expected = (weights @ np.kron(*sides) @ weights.T).diagonal().mean()
    likeness = Likeness.of((d, e, alike ** (d + e)) for d in range(13) for e in range(13) if d or e)
    assert share_of_bilinear(likeness, size, scale) == pytest.approx(expected, rel=1e-3)
    assert expected == pytest.approx(1) if alike == 1 or scale == 1 else expected < 1
