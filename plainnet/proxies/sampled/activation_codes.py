"""Proxies of the binary codes of activations: which neurons fire on which images.

The code of an image is one bit for each element of every rectifier's output (ReLU and its relatives, see
`plainnet.proxies.sampled.operation_outputs.RECTIFIERS`): 1 where it is above 0. Batch norms use the batch's statistics:
in evaluation mode a fresh network's codes, and with them the ranking, are others.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.proxies.contract import proxy
from plainnet.proxies.sampled.operation_outputs import RECTIFIERS, watch

__all__ = ["code_kernel", "linear_regions", "naswot", "swap"]

_WORD = 62
"""Bits of a code that one int64 holds."""
_EXACT_IN_FLOAT32 = 2**24


def code_kernel(module: nn.Module, images: Tensor) -> tuple[Tensor, int]:
    """K with K_ij = the number of neurons that agree on images i and j, (N, N) in float64, and the number of neurons.

    All of K is NaN if an activation is NaN: it has no sign.
    """
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    neurons = 0

    def see(out: Tensor, _: Tensor) -> None:
        nonlocal neurons
        codes = (out > 0).flatten(1)
        if out.isnan().any():
            kernel.fill_(math.nan)
        signs = codes.to(torch.float64 if codes.shape[1] >= _EXACT_IN_FLOAT32 else torch.float32).mul_(2).sub_(1)
        # the signs agree - differ = 2 agree - n
        kernel.add_((signs @ signs.T + codes.shape[1]) / 2)
        neurons += codes.shape[1]

    with torch.no_grad():
        watch(module, images, RECTIFIERS, see)
    _need_neurons(neurons)
    return kernel, neurons


def _need_neurons(neurons: int) -> None:
    if not neurons:
        raise UsageError("this proxy reads the signs of ReLUs (or their relatives), and this network has none")


@proxy(cost="1 forward")
def naswot(module: nn.Module, images: Tensor) -> float:
    """How differently the images fire the neurons: log |det K|.

    K = sum over rectifiers of c c^T + (1 - c)(1 - c)^T, c the binary codes (N, neurons): the number of neurons that agree
    on two images. Natural logarithm; -inf if two images have one code.

    Source: Mellor et al., Neural Architecture Search without Training, ICML 2021, arXiv:2006.04647.
    """
    kernel, _ = code_kernel(module, images)
    return float(torch.linalg.slogdet(kernel).logabsdet) if bool(kernel.isfinite().all()) else math.nan


@proxy(cost="1 forward")
def linear_regions(module: nn.Module, images: Tensor) -> float:
    """The number of linear regions that the images fall into: distinct codes, at most N.

    It tells networks apart only where images share regions: many of them (a large `batch`) and small ones.

    Source: Chen et al., Neural Architecture Search on ImageNet in Four GPU Hours (TE-NAS), ICLR 2021, arXiv:2102.11535.
    """
    kernel, neurons = code_kernel(module, images)
    if bool(kernel.isnan().any()):
        return math.nan
    same = (kernel == neurons).tril(-1)
    return float((~same.any(dim=1)).sum())


@proxy(cost="1 forward")
def swap(module: nn.Module, images: Tensor, *, mu: float | None = None, sigma: float | None = None) -> float:
    """The number of different sample-wise patterns: distinct rows of the sign matrix (neurons, N), at most 2^N.

    With `mu` and `sigma` it is regularised for size: times exp(-(P - mu)^2 / sigma), P the learnable scalars.

    Source: Peng et al., SWAP-NAS, ICLR 2024, arXiv:2403.04161.
    """
    if (mu is None) != (sigma is None) or (sigma is not None and not sigma > 0):
        raise UsageError(f"swap is regularised with mu and a positive sigma, not with mu={mu}, sigma={sigma}")
    patterns: list[Tensor] = []
    is_nan = False

    def see(out: Tensor, _: Tensor) -> None:
        nonlocal is_nan
        is_nan |= bool(out.isnan().any())
        patterns.append(_distinct(_words((out > 0).flatten(1))))

    with torch.no_grad():
        watch(module, images, RECTIFIERS, see)
    _need_neurons(len(patterns))
    if is_nan:
        return math.nan
    distinct = float(len(_distinct(torch.cat(patterns))))
    if mu is None or sigma is None:
        return distinct
    size = sum(parameter.numel() for parameter in module.parameters())
    return distinct * math.exp(-((size - mu) ** 2) / sigma)


def _distinct(words: Tensor) -> Tensor:
    """The distinct rows; a single column is sorted much faster than rows are."""
    single = words.shape[1] == 1
    distinct: Tensor = torch.unique(words[:, 0])[:, None] if single else torch.unique(words, dim=0)
    return distinct


def _words(codes: Tensor) -> Tensor:
    """The pattern of each neuron over the images, (neurons, ceil(N / 62)) of int64: a bit for each image."""
    number, neurons = codes.shape
    words = codes.new_zeros(neurons, -(-number // _WORD), dtype=torch.int64)
    for image, code in enumerate(codes):
        words[:, image // _WORD] += code.to(torch.int64) << (image % _WORD)
    return words
