"""Responses of activation functions to a normal signal."""

import math

import pytest
from scipy.special import roots_hermitenorm

from plainnet.blocks.rows.layers import ACTIVATIONS
from plainnet.proxies.closed.responses import NATS_PER_RELU, respond

torch = pytest.importorskip("torch")


def oracle(kind, mean, deviation):
    """The same moments by torch's own function, sampled at 200,001 points of the normal density."""
    function = torch.nn.Identity() if kind == "identity" else getattr(torch.nn.functional, kind)
    z = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    weight = torch.exp(-z * z / 2)
    weight /= weight.sum()
    y = function(mean + deviation * z)
    first = float((weight * y).sum())
    variance = float((weight * y * y).sum()) - first**2
    return first, variance, float((weight * y * z).sum()) ** 2 / variance


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.7, 2.5), (-0.4, 0.09)])
def test_moments_are_those_of_torchs_function(kind, mean, variance):
    assert respond(kind, mean, variance) == pytest.approx(oracle(kind, mean, math.sqrt(variance)), rel=2e-4, abs=1e-6)


def test_a_centred_relu_keeps_what_is_known():
    response = respond("relu", 0.0, 1.0)
    assert response.mean == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert response.variance == pytest.approx(0.5 - 1 / (2 * math.pi))
    assert -math.log(response.linear_share) == pytest.approx(NATS_PER_RELU)
    assert pytest.approx(0.309967, abs=1e-6) == NATS_PER_RELU


def test_relu_is_linear_far_above_zero_and_dead_far_below():
    assert respond("relu", 40.0, 1.0) == pytest.approx((40.0, 1.0, 1.0))
    assert respond("relu", -60.0, 1.0).linear_share == 0.0
    assert respond("relu", -3.0, 0.0) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("mean", [-50.0, -1.0, 0.0, 1.0, 50.0])
@pytest.mark.parametrize("variance", [1e-12, 1e-3, 1.0, 1e6])
def test_shares_are_shares_everywhere(kind, mean, variance):
    _, spread, share = respond(kind, mean, variance)
    assert 0 <= share <= 1
    assert spread >= 0


def test_the_trapezoid_agrees_with_gauss_hermite_on_a_smooth_function():
    nodes, weights = roots_hermitenorm(64)
    weights = weights / weights.sum()
    y = [math.tanh(0.3 + 0.8 * z) for z in nodes]
    mean = sum(weights * y)
    assert respond("tanh", 0.3, 0.64).mean == pytest.approx(mean, abs=1e-9)
