"""The residual sensitivity against the recursions that it stands for."""

import math

import pytest

from plainnet.blocks import Variant
from plainnet.errors import UsageError
from plainnet.proxies.closed.residual import residual_sensitivity

GAMMA = 0.01
MEAN_SQUARE = 1 / (2 * math.pi)


def through_relu(c):
    kernel = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)
    return (kernel - MEAN_SQUARE) / (0.5 - MEAN_SQUARE)


def start():
    return 1 / math.sqrt(1 + GAMMA * GAMMA)


def test_a_plain_chain_is_one_relu_after_the_other():
    c = start()
    for _ in range(6):
        c = through_relu(c)
    found = residual_sensitivity("SuperConvK3BNRELU(3,16,1,1)SuperConvK3BNRELU(16,16,1,5)")
    assert found == pytest.approx(math.log(1 - c), rel=1e-3)


def test_identity_shortcuts_on_a_linear_stream():
    """ResBlock around a body that ends in a batch norm: c <- (q c + c_F) / (q + 1), q <- q + 1."""
    body = "ConvKX(16,16,3,1)BN(16)RELU(16)ConvKX(16,16,3,1)BN(16)"
    text = "ConvKX(3,16,3,1)BN(16)" + f"ResBlock(16,1,{body})" * 5
    c, q = start(), 1.0
    for _ in range(5):
        c, q = (q * c + through_relu(c)) / (q + 1), q + 1
    assert residual_sensitivity(text) == pytest.approx(math.log(1 - c), rel=1e-3)
    c = start()
    for _ in range(5):
        c = through_relu(c)
    plain = residual_sensitivity(text, network=Variant(no_reslink=True))
    assert plain == pytest.approx(math.log(1 - c), rel=1e-3)


def test_a_projection_weighs_as_much_as_the_body():
    text = "ConvKX(3,16,3,1)BN(16)ResBlockProj(16,1,ConvKX(16,16,3,1)BN(16)RELU(16)ConvKX(16,16,3,1)BN(16))"
    c = (start() + through_relu(start())) / 2
    assert residual_sensitivity(text) == pytest.approx(math.log(1 - c), rel=1e-3)


def test_sums_and_concatenations():
    branches = "ConvKX(16,16,3,1)BN(16)RELU(16)ConvKX(16,16,1,1)BN(16);ConvKX(16,16,1,1)BN(16)"
    stem = "ConvKX(3,16,3,1)BN(16)"
    c = (start() + through_relu(start())) / 2
    assert residual_sensitivity(f"{stem}MultiSumBlock({branches})") == pytest.approx(math.log(1 - c), rel=1e-3)
    assert residual_sensitivity(f"{stem}MultiCatBlock({branches})") == pytest.approx(math.log(1 - c), rel=1e-3)


def test_gates_and_other_activations_stay_finite():
    text = "SuperConvK3BNRELU(3,16,1,1)SuperResIDWE2K3(16,32,2,16,3)SuperResK3K3(32,32,2,16,6)"
    values = [
        residual_sensitivity(text, network=network)
        for network in (Variant(), Variant(use_se=True), Variant(activation="silu"), Variant(no_bn=True))
    ]
    assert all(-12 < value < 0 for value in values)
    assert len(set(values)) == 4


def test_gamma_must_be_positive():
    with pytest.raises(UsageError, match="gamma"):
        residual_sensitivity("ConvKX(3,8,3,1)", gamma=-1)


@pytest.mark.slow
def test_nas_bench_macro_ranks_as_published_in_the_documents():
    from scipy.stats import spearmanr

    from plainnet.templates.nas_bench_macro import network_of_code, trained_networks

    trained = trained_networks()[::7]
    scores = [residual_sensitivity(network_of_code(network.code)) for network in trained]
    assert spearmanr(scores, [network.accuracy for network in trained]).statistic > 0.89
