"""The straightforward Monte-Carlo Zen-score: the slow twin of `plainnet.proxies.sampled.zen_mc`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from plainnet.blocks.structure import Structure
from plainnet.network.plain_net import PlainNet

__all__ = ["slow_zen"]


def slow_zen(
    structure: Structure | str, *, resolution: int, batch: int, seed: int, variant: str = "paper", gamma: float = 0.01
) -> float:
    """Build the module, initialise it, and run it twice, in torch's default memory layout."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        net = PlainNet(structure, num_classes=None, resolution=resolution, no_reslink=True, init="gaussian").train()
        norms = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
        variances: list[Tensor] = []
        hooks = [
            part.register_forward_pre_hook(lambda _, inputs: variances.append(_variance(inputs))) for part in norms
        ]
        x = torch.randn(batch, net.structure.in_channels, resolution, resolution)
        first = net.forward_features(x)
        for hook in hooks:
            hook.remove()
        second = net.forward_features(x + gamma * torch.randn_like(x))
        if variant == "zennas":
            variances = [part.running_var for part in norms if part.running_var is not None]
        distance = float((first - second).abs().sum()) / batch
        return math.log(distance) + sum(0.5 * math.log(float(variance.mean())) for variance in variances)


def _variance(inputs: tuple[Tensor, ...]) -> Tensor:
    return inputs[0].var(dim=(0, 2, 3))
