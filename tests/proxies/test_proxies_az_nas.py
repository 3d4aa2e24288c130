"""AZ-NAS against slow, obvious implementations of its formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from plainnet.network.plain_net import PlainNet
from plainnet.proxies.sampled.az_nas import (
    az_complexity,
    az_expressivity,
    az_nas,
    az_progressivity,
    az_trainability,
    block_features,
    jacobian_norm,
    rank_product,
    spectral_entropy,
)
from plainnet.proxies.score import score_all

TEXT = "SuperConvK3BNRELU(3,6,1,1)SuperResK3K3(6,8,2,6,2)SuperConvK1BNRELU(8,12,1,1)"


def network() -> PlainNet:
    torch.manual_seed(0)
    return PlainNet(TEXT, num_classes=4, resolution=12, init="kaiming").double().train()


def images(number: int = 4, size: int = 12) -> torch.Tensor:
    return torch.randn(number, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def slow_entropies(module: PlainNet) -> list[float]:
    found, x = [], images()
    for block in module.blocks.children():
        x = block(x)
        rows = x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()
        eigenvalues = np.linalg.eigvalsh(np.cov(rows.T, bias=True))
        shares = eigenvalues / eigenvalues.sum()
        found.append(-sum(float(p) * math.log(p) for p in shares if p > 0))
    return found


def test_expressivity_and_progressivity() -> None:
    module = network()
    expected = slow_entropies(module)
    assert az_expressivity(module, images()) == pytest.approx(sum(expected))
    steps = [expected[1] - expected[0], expected[2] - expected[1]]
    assert az_progressivity(module, images()) == pytest.approx(min(steps))


def test_entropy_of_white_and_of_constant_maps() -> None:
    white = torch.randn(4, 5, 100, 100, generator=torch.Generator().manual_seed(0))
    assert spectral_entropy(white) == pytest.approx(math.log(5), abs=1e-3)
    assert spectral_entropy(torch.ones(2, 5, 3, 3)) == 0.0
    assert math.isnan(spectral_entropy(torch.full((2, 5, 3, 3), math.nan)))


@pytest.mark.parametrize(("size", "out"), [((6, 6), (6, 6)), ((6, 8), (3, 4)), ((7, 5), (4, 3))])
def test_the_jacobians_norm_by_loops(size: tuple[int, int], out: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(3)
    back = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
    signs = torch.randint(2, (2, 4, *out), generator=generator).double() * 2 - 1
    strides = [math.ceil(a / b) for a, b in zip(size, out, strict=True)]
    total = np.zeros((3 * strides[0] * strides[1], 4))
    for n, h, w in np.ndindex(2, *out):
        incoming = [
            float(back[n, c, h * strides[0] + i, w * strides[1] + j])
            if h * strides[0] + i < size[0] and w * strides[1] + j < size[1]
            else 0.0
            for c, i, j in np.ndindex(3, *strides)
        ]
        total += np.outer(incoming, signs[n, :, h, w].numpy())
    expected = np.linalg.svd(total / (2 * out[0] * out[1]))[1].max()
    assert jacobian_norm(back, signs) == pytest.approx(expected)


def test_the_norm_of_a_linear_block_is_that_of_its_matrix() -> None:
    """With many positions the estimate is the spectral norm of a 1x1 convolution's weights."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 1, bias=False), nn.Conv2d(6, 6, 1, bias=False))
    sigma = float(torch.linalg.matrix_norm(module[1].weight.detach().view(6, 6), 2))
    value = az_trainability(module, torch.randn(8, 3, 64, 64), seed=0)
    assert value == pytest.approx(-sigma - 1 / sigma + 2, abs=0.05)


def test_trainability_is_the_mean_over_blocks() -> None:
    module, seed = network(), 7
    features = block_features(module, images())
    generator = torch.Generator().manual_seed(seed)
    scores = []
    for earlier, later in itertools.pairwise(features):
        signs = torch.empty_like(later).bernoulli_(0.5, generator=generator) * 2 - 1
        (back,) = torch.autograd.grad((later * signs).sum(), earlier, retain_graph=True)
        sigma = jacobian_norm(back, signs)
        scores.append(-sigma - 1 / sigma + 2)
    assert az_trainability(module, images(), seed) == pytest.approx(sum(scores) / 2)


def test_the_parts_are_the_four_proxies() -> None:
    module = network()
    parts = az_nas(module, images(), (3, 12, 12), 7)
    assert parts == {
        "expressivity": pytest.approx(az_expressivity(module, images())),
        "progressivity": pytest.approx(az_progressivity(module, images())),
        "trainability": pytest.approx(az_trainability(module, images(), 7)),
        "complexity": az_complexity(module, (3, 12, 12)),
    }


def test_the_combination_is_a_sum_of_log_ranks() -> None:
    values = [(1.0, 5.0, 0.1, 10.0), (2.0, 4.0, 0.1, 30.0), (3.0, 6.0, 0.3, 20.0)]
    names = ("expressivity", "progressivity", "trainability", "complexity")
    found = rank_product([dict(zip(names, row, strict=True)) for row in values])
    ranks = [(1, 2, 1.5, 1), (2, 1, 1.5, 3), (3, 3, 3, 2)]
    assert found == pytest.approx([sum(math.log(rank / 3) for rank in row) for row in ranks])


def test_networks_are_ranked_among_each_other() -> None:
    small = "SuperConvK3BNRELU(3,4,1,1)SuperConvK3BNRELU(4,4,1,1)"
    found = score_all([TEXT, small], "az_nas", resolution=12, batch=4, repeats=2)
    assert all(len(result.values) == 2 and len(result.parts) == 4 for result in found)
    for k in range(2):
        assert {round(value / math.log(0.5), 6) for value in (found[0].values[k], found[1].values[k])} <= {
            0,
            1,
            2,
            3,
            4,
        }
        assert found[0].values[k] + found[1].values[k] == pytest.approx(4 * math.log(0.5))
    assert score_all([TEXT], "az_nas", resolution=12, batch=4, repeats=2)[0].values == (0.0, 0.0)
