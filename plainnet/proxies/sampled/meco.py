"""MeCo: the smallest eigenvalues of correlations between feature maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.proxies.contract import proxy

__all__ = ["meco"]


@proxy(cost="1 forward")
def meco(module: nn.Module, images: Tensor) -> float:
    """How independent channels are: sum over modules of the smallest eigenvalue of their channels' correlation.

    Modules are those without parts that put out a map (N, C, H, W); the correlation is the Pearson correlation, C x C, of the
    channels of the first image's map over its H W positions. A channel that is constant correlates with nothing, itself
    included (a row of zeros). Where there are no more positions than channels the smallest eigenvalue is 0.

    Source: Jiang et al., MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum Eigenvalue of Correlation,
    NeurIPS 2023.
    """
    smallest: list[float] = []

    def see(part: nn.Module, inputs: object, out: object) -> None:  # noqa: ARG001
        if isinstance(out, Tensor) and out.dim() == 4:
            smallest.append(smallest_eigenvalue(out[0]))

    hooks = [part.register_forward_hook(see) for part in module.modules() if not list(part.children())]
    try:
        with torch.no_grad():
            module(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not smallest:
        raise UsageError("meco looks at feature maps, and this network has none")
    return sum(smallest)


def smallest_eigenvalue(feature_map: Tensor) -> float:
    """The smallest eigenvalue of the correlation of the channels of one map (C, H, W)."""
    rows = feature_map.flatten(1).double()
    if not bool(rows.isfinite().all()):
        return float("nan")
    rows = rows - rows.mean(1, keepdim=True)
    scale = rows.norm(dim=1, keepdim=True)
    rows = torch.where(scale > 0, rows / scale, torch.zeros_like(rows))
    channels, positions = rows.shape
    if positions <= channels:
        # centred rows of P positions have a rank of P - 1 at most
        return 0.0
    return float(torch.linalg.eigvalsh(rows @ rows.T)[0])
