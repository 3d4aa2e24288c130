"""The residual sensitivity against the recursions that it stands for."""

import math

import pytest
import torch
from torch import nn

from plainnet import PlainNet
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


def sampled(text: str, *, gamma: float, resolution: int = 16, repeats: int = 4) -> float:
    """The same of networks with random weights: the mean over weights of log(1 - correlation of the last map)."""
    found = []
    for seed in range(repeats):
        torch.manual_seed(seed)
        net = PlainNet(text, num_classes=0, resolution=resolution, init="gaussian", norm_eps=1e-8)
        for part in net.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(part.weight)
        images = torch.randn(16, 3, resolution, resolution)
        with torch.no_grad():
            pair = [net.forward_features(x).double() for x in (images, images + gamma * torch.randn_like(images))]
        first, second = (out - out.mean((0, 2, 3), keepdim=True) for out in pair)
        together = (first * second).sum() / (first.square().sum() * second.square().sum()).sqrt()
        found.append(math.log(1 - float(together)))
    return sum(found) / repeats


@pytest.mark.parametrize(
    "body",
    [
        "ConvKXBNRELU(64,64,1,1)",
        "MultiSumBlock(ConvKXBN(64,64,1,1);MaxPool(64,3,1))",
        "Upsample(64,2,1)",
        "ConvTranspose(64,64,2,2)BN(64)RELU(64)",
        "ConvTranspose(64,64,4,2)BN(64)RELU(64)",
        "ConvTranspose(64,64,3,3)ConvKXBNRELU(64,64,1,1)",
        "ConvTranspose(64,64,3,1)BN(64)RELU(64)",
    ],
)
def test_the_closed_form_is_near_what_random_networks_do(body: str) -> None:
    """A transposed convolution has weights of its own for each place of its window: means differ from place to place there."""
    text = f"ConvKXBNRELU(3,64,3,1){body}ConvKXBNRELU(64,64,3,1)ConvKX(64,64,3,1)"
    assert residual_sensitivity(text, resolution=16, gamma=0.3) == pytest.approx(sampled(text, gamma=0.3), abs=0.12)


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
