"""The parts of the mean-field theory against quadrature, samples and loops."""

import math
from random import Random

import numpy as np
import pytest

from plainnet.blocks.rows.layer_arguments import Axis
from plainnet.blocks.rows.layers import ACTIVATIONS
from plainnet.proxies.closed.meanfield import borders
from plainnet.proxies.closed.meanfield.activations import affine, compose, gated, identity, max_of, nonlinearity, relu
from plainnet.proxies.closed.meanfield.borders import root_mean, taps, view, window_sizes
from plainnet.proxies.closed.meanfield.convolutions import convolve
from plainnet.proxies.closed.meanfield.mean_field_layers import initial, moments, settled
from plainnet.proxies.closed.meanfield.quadrature import FUNCTIONS, from_function

CORRELATIONS = (0.0, 0.3, 0.9, 0.9999)


def sample(correlation, count=400_000, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=count)
    return z, correlation * z + math.sqrt(1 - correlation**2) * rng.normal(size=count)


def test_relu_in_closed_form_is_relu_by_quadrature():
    drawn = from_function("relu", FUNCTIONS["relu"], homogeneous=True)
    assert drawn.moments == pytest.approx(relu().moments, rel=1e-5)
    assert drawn.exponents == pytest.approx(relu().exponents, abs=1e-6)
    assert (drawn.mean_power, drawn.square_power) == pytest.approx((0.5, 1.0))
    assert drawn.slope == pytest.approx(relu().slope)
    for c in CORRELATIONS:
        assert drawn.kernel(c) == pytest.approx(relu().kernel(c), rel=1e-3)
        assert drawn.difference(c) == pytest.approx(relu().difference(c), rel=3e-3)


def test_every_activation_has_a_function():
    assert set(FUNCTIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.99])
def test_correlation_maps_against_samples(kind, correlation):
    unit = nonlinearity(kind)
    z, other = sample(correlation)
    f, g = FUNCTIONS[kind](z), FUNCTIONS[kind](other)
    assert unit.kernel(correlation) == pytest.approx(np.mean(f * g), abs=0.006)
    assert unit.difference(correlation) == pytest.approx(np.mean(np.abs(f - g)), abs=0.004)
    assert unit.moments == pytest.approx([np.mean(f**p) for p in (1, 2, 3, 4)], abs=0.06)


def test_nearly_equal_inputs_keep_their_digits():
    for kind in ACTIVATIONS:
        unit = nonlinearity(kind)
        ratio = (unit.square - unit.kernel(1 - 1e-6)) / 1e-6
        z = np.linspace(-8, 8, 100_001)
        weight = np.exp(-z * z / 2)
        slope = np.gradient(FUNCTIONS[kind](z), z)
        assert ratio == pytest.approx(float((weight * slope**2).sum() / weight.sum()), rel=0.01)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_max_pooling_against_samples(correlation):
    unit = max_of(9, relu())
    rng = np.random.default_rng(1)
    z = rng.normal(size=(200_000, 9))
    other = correlation * z + math.sqrt(1 - correlation**2) * rng.normal(size=z.shape)
    f, g = np.maximum(z.max(1), 0), np.maximum(other.max(1), 0)
    assert unit.mean == pytest.approx(f.mean(), abs=0.005)
    assert unit.kernel(correlation) == pytest.approx(np.mean(f * g), abs=0.01)
    assert unit.difference(correlation) == pytest.approx(np.mean(np.abs(f - g)), rel=0.03)


def test_composition_gates_and_affine_maps():
    assert compose("relu", identity()) is relu()
    shifted = compose("relu", affine(0.5, 2.0))
    z, other = sample(0.4)
    f, g = np.maximum(0.5 + 2 * z, 0), np.maximum(0.5 + 2 * other, 0)
    assert shifted.kernel(0.4) == pytest.approx(np.mean(f * g), rel=0.01)
    gate = gated(relu(), nonlinearity("sigmoid"))
    assert gate.mean == pytest.approx(relu().mean / 2)
    assert gate.kernel(0.4) == pytest.approx(relu().kernel(0.4) * nonlinearity("sigmoid").kernel(0.4))


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(8, 3, 1), (7, 5, 2), (4, 7, 1), (2, 7, 2), (1, 3, 1), (5, 1, 2)]
)
def test_windows_against_loops(size, kernel, stride):
    """Of a flat map: square counts the taps inside, product the squares of how often each is."""
    padding = (kernel - 1) // 2
    outputs = (size + 2 * padding - kernel) // stride + 1
    inside = [[0 <= out * stride + tap - padding < size for out in range(outputs)] for tap in range(kernel)]
    often = [sum(row) / outputs for row in inside]
    count = sum(often) ** 2
    axes = (Axis(kernel, stride, padding),) * 2
    seen = view((size, size), 0.0, axes=axes, unit=relu(), share=1.0)
    assert taps(size, size, axes) == pytest.approx(count)
    assert seen.square == pytest.approx(count)
    assert seen.product == pytest.approx(sum(share * share for share in often) ** 2)
    assert sum(window_sizes(size, outputs, kernel, stride)) == pytest.approx(outputs * sum(often))


def test_borders_grow_and_large_maps_feel_them_less():
    variances = []
    for size in (8, 32):
        variance = 0.0
        for _ in range(10):
            variance = view((size, size), variance, axes=(Axis(3, 1, 1),) * 2, unit=relu(), share=1.0).variance
        variances.append(variance)
    assert variances[0] > 2 * variances[1] > 0
    assert 0.9 < root_mean((8, 8), variances[0], relu()) < 1


def forget_families():
    borders._family.cache_clear()
    borders._member_view.cache_clear()


@pytest.mark.parametrize("number", range(6))
def test_long_maps_are_computed_by_their_borders_and_one_middle(number, monkeypatch):
    """The middle of a map of more than `LONG` places a side is left out, and counted: nothing changes by it."""
    random = Random(number)
    size = (random.choice([60, random.randint(513, 560)]), random.randint(513, 560))
    axes = tuple(Axis(random.choice([1, 3, 5]), random.randint(1, 4), random.randint(0, 2), 2) for _ in range(2))
    short = (*view(size, 2e-3, axes=axes, unit=relu(), share=0.6), root_mean(size, 2e-3, relu()))
    assert borders._family(*size, relu(), centred=True).profiles[0].size < size[0] * size[1]
    forget_families()
    monkeypatch.setattr(borders, "LONG", 10**9)
    whole = (*view(size, 2e-3, axes=axes, unit=relu(), share=0.6), root_mean(size, 2e-3, relu()))
    forget_families()
    assert short == pytest.approx(whole, rel=1e-9)


def test_narrow_convolutions_spread_the_scale_and_wide_ones_do_not():
    start = initial(16, 16)
    narrow, _, _ = convolve(start, 4, groups=1, axes=(Axis(1, 1, 0),) * 2, norm_samples=4096)
    wide, _, _ = convolve(start, 4000, groups=1, axes=(Axis(1, 1, 0),) * 2, norm_samples=4096)
    assert narrow.spread == pytest.approx(2 / 4)
    assert narrow.pair == pytest.approx(1 / 4)
    assert wide.spread < 0.001
    assert moments(narrow).square == pytest.approx(1.0)


def test_settled_states_are_near_and_meet():
    state = initial(16, 16)._replace(spread=0.12345, power=3.21, pair=0.0312)
    near = settled(state)
    assert near.spread == pytest.approx(state.spread, abs=1 / 256)
    assert near.power == pytest.approx(state.power, rel=0.03)
    assert settled(near) == near == settled(state._replace(spread=0.1233))
