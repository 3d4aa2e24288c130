"""AZ-NAS: four proxies from one pass, put together by their ranks.

Source: Lee & Ham, AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, CVPR 2024, arXiv:2403.19232. Blocks
are a structure's blocks; in a module of the user's own, its parts with weights, Sequentials opened. All logarithms are natural.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from plainnet.errors import UsageError
from plainnet.proxies.closed import baselines
from plainnet.proxies.contract import proxy

__all__ = ["az_complexity", "az_expressivity", "az_nas", "az_progressivity", "az_trainability"]

PARTS = ("expressivity", "progressivity", "trainability", "complexity")


def rank_product(parts: Sequence[Mapping[str, float]]) -> list[float]:
    """sum over parts of log(rank / N) for each of N networks, rank 1 being the lowest.

    Equals share the mean rank, and NaN stays NaN.
    """
    totals = [0.0] * len(parts)
    for name in PARTS:
        values = torch.tensor([part[name] for part in parts], dtype=torch.float64)
        below, same = (values[:, None] > values).sum(1), (values[:, None] == values).sum(1)
        logs = ((below + (same + 1) / 2) / len(parts)).log()
        logs = torch.where(values.isnan(), values, logs)
        totals = [total + float(value) for total, value in zip(totals, logs, strict=True)]
    return totals


@proxy(cost="1 forward, 1 backward", combine=rank_product)
def az_nas(module: nn.Module, images: Tensor, input_shape: tuple[int, int, int], seed: int) -> Mapping[str, float]:
    """The four AZ-NAS proxies by rank: sum of log(rank / N) among the N networks that are scored together.

    Expressivity, progressivity, trainability and complexity are the proxies az_expressivity, ... of this file. The score
    of a network depends on the others: for one alone it is 0. Source: Lee & Ham, CVPR 2024, arXiv:2403.19232, eq. 10.
    """
    features = block_features(module, images)
    entropies = [spectral_entropy(feature) for feature in features]
    values = (
        sum(entropies),
        _smallest_increase(entropies),
        _trainability(features, seed),
        az_complexity(module, input_shape),
    )
    return dict(zip(PARTS, values, strict=True))


@proxy(cost="1 forward")
def az_expressivity(module: nn.Module, images: Tensor) -> float:
    """How evenly features fill their space: sum over blocks of the entropy of the features' normalised spectrum.

    -sum p log p, p = lambda / sum(lambda), lambda the eigenvalues of the C x C covariance of a block's output over the
    N H W positions. Source: Lee & Ham, CVPR 2024, arXiv:2403.19232, section 3.2.
    """
    with torch.no_grad():
        return sum(spectral_entropy(feature) for feature in block_features(module, images))


@proxy(cost="1 forward")
def az_progressivity(module: nn.Module, images: Tensor) -> float:
    """How steadily features gain: the smallest increase of a block's spectral entropy over the block before it.

    Source: Lee & Ham, CVPR 2024, arXiv:2403.19232, section 3.2.
    """
    with torch.no_grad():
        return _smallest_increase([spectral_entropy(feature) for feature in block_features(module, images)])


@proxy(cost="1 forward, 1 backward")
def az_trainability(module: nn.Module, images: Tensor, seed: int) -> float:
    """How well gradients keep their length: mean over blocks of -sigma - 1/sigma + 2.

    sigma is the spectral norm of a block's Jacobian, estimated as that of E[g_in g_out^T] over images and positions, g_out
    random signs at the block's output, g_in what comes back at its input. Where a block strides, the input positions of one
    output position count as channels of their own. Source: Lee & Ham, CVPR 2024, arXiv:2403.19232, section 3.2.
    """
    return _trainability(block_features(module, images), seed)


@proxy(cost="none")
def az_complexity(module: nn.Module, input_shape: tuple[int, int, int]) -> float:
    """FLOPs: 2 multiply-accumulates of convolutions and linear layers for one image, a structure's without classifier."""
    from plainnet.network.counting.module_counts import count_module
    from plainnet.network.plain_net import PlainNet

    if isinstance(module, PlainNet):
        return 2.0 * baselines.macs(module.structure, (input_shape[1], input_shape[2]), variant=module.variant)
    return 2.0 * count_module(module, (1, *input_shape)).macs


def block_features(module: nn.Module, images: Tensor) -> list[Tensor]:
    """The maps (N, C, H, W) that the blocks put out, in the order of execution; `UsageError` for fewer than two."""
    found: list[Tensor] = []

    def see(part: nn.Module, inputs: object, out: object) -> Tensor | None:  # noqa: ARG001
        if not isinstance(out, Tensor) or out.dim() != 4:
            return None
        found.append(out)
        # what follows may work in place: on a copy
        return out.clone()

    hooks = [part.register_forward_hook(see) for part in _blocks(module)]
    try:
        module(images)
    finally:
        for hook in hooks:
            hook.remove()
    if len(found) < 2:
        raise UsageError(
            f"AZ-NAS compares the feature maps of blocks, and this network has {len(found)}; accepted: 2 or more"
        )
    return found


def _blocks(module: nn.Module) -> list[nn.Module]:
    from plainnet.network.plain_net import PlainNet

    return module.block_modules() if isinstance(module, PlainNet) else list(_parts_with_weights(module))


def _parts_with_weights(module: nn.Module) -> Iterator[nn.Module]:
    for part in module.children():
        if isinstance(part, (nn.Sequential, nn.ModuleList)):
            yield from _parts_with_weights(part)
        elif any(parameter.dim() >= 2 for parameter in part.parameters()):
            yield part


def spectral_entropy(feature: Tensor) -> float:
    """-sum p log p over the normalised eigenvalues of the channels' covariance; 0 for a constant map, NaN for NaN."""
    rows = feature.detach().transpose(0, 1).flatten(1).double()
    if not bool(rows.isfinite().all()):
        return float("nan")
    rows = rows - rows.mean(1, keepdim=True)
    eigenvalues = torch.linalg.eigvalsh(rows @ rows.T / rows.shape[1]).clamp_min_(0)
    total = eigenvalues.sum()
    if not float(total):
        return 0.0
    shares = eigenvalues / total
    return float(torch.special.entr(shares).sum())


def _smallest_increase(entropies: Sequence[float]) -> float:
    return min(later - earlier for earlier, later in itertools.pairwise(entropies))


def _trainability(features: Sequence[Tensor], seed: int) -> float:
    generator = Generator(features[0].device).manual_seed(seed)
    scores = []
    for earlier, later in itertools.pairwise(features):
        signs = torch.empty_like(later).bernoulli_(0.5, generator=generator).mul_(2).sub_(1)
        (back,) = torch.autograd.grad(later, earlier, signs, retain_graph=True, allow_unused=True)
        if back is not None:
            scores.append(_gain_score(jacobian_norm(back, signs)))
    if not scores:
        raise UsageError("az_trainability follows gradients from block to block, and no block feeds another here")
    return sum(scores) / len(scores)


def _gain_score(sigma: float) -> float:
    return -sigma - 1 / sigma + 2 if sigma else float("-inf")


def jacobian_norm(back: Tensor, signs: Tensor) -> float:
    """The spectral norm of E[g_in g_out^T] over images and output positions."""
    strides = tuple(-(-size // out) for size, out in zip(back.shape[2:], signs.shape[2:], strict=True))
    pads = [stride * out - size for stride, out, size in zip(strides, signs.shape[2:], back.shape[2:], strict=True)]
    back = functional.pad(back, (0, pads[1], 0, pads[0]))
    number, channels, height, width = signs.shape
    windows = back.reshape(number, -1, height, strides[0], width, strides[1])
    incoming = windows.permute(1, 3, 5, 0, 2, 4).reshape(-1, number * height * width)
    outgoing = signs.transpose(0, 1).reshape(channels, -1)
    if not bool(back.isfinite().all()):
        return float("nan")
    return float(torch.linalg.matrix_norm(incoming @ outgoing.T / incoming.shape[1], 2))
