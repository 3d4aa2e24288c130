"""Proxies of how outputs change: with the input (jacob_cov), and with the weights (ntk_cond)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.proxies.contract import proxy
from plainnet.proxies.sampled.gradients import logits_of, weight_tensors

__all__ = ["jacob_cov", "ntk_cond"]


@proxy(cost="1 forward, 1 backward")
def jacob_cov(module: nn.Module, images: Tensor, *, k: float = 1e-5) -> float:
    """How differently the images' Jacobians point: -sum( log(lambda + k) + 1 / (lambda + k) ).

    lambda are the eigenvalues of the N x N correlation matrix of the rows J_n = d(sum of logits)/dx_n. Source: Mellor et al.,
    Neural Architecture Search without Training, arXiv:2006.04647v1, section 3 (2020).
    """
    _need_images(images, "jacob_cov")
    images = images.detach().requires_grad_(True)
    (jacobians,) = torch.autograd.grad(logits_of(module, images).sum(), images)
    correlation = torch.corrcoef(jacobians.flatten(1).double())
    if not bool(correlation.isfinite().all()):
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(correlation) + k
    return float(-(eigenvalues.log() + 1 / eigenvalues).sum())


@proxy(cost="1 forward, N backward", higher_is_better=False)
def ntk_cond(module: nn.Module, images: Tensor) -> float:
    """The condition number of the neural tangent kernel, lambda_max / lambda_min; lower is better.

    The kernel is the Gram matrix (N, N) of per-sample gradients of the sum of logits with respect to the weights; inf where
    its smallest eigenvalue is 0 in float64. Source: Chen et al., TE-NAS, ICLR 2021, arXiv:2102.11535.
    """
    _need_images(images, "ntk_cond")
    weights = weight_tensors(module)
    outputs = logits_of(module, images).sum(1)
    rows = []
    for number, output in enumerate(outputs):
        last = number + 1 == len(outputs)
        gradients = torch.autograd.grad(output, weights, retain_graph=not last, allow_unused=True)
        rows.append(torch.cat([g.reshape(-1) for g in gradients if g is not None]))
    gram = _gram(torch.stack(rows))
    if not bool(gram.isfinite().all()):
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(gram)
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    return largest / smallest if smallest > 0 else math.inf


def _gram(rows: Tensor, *, columns: int = 1 << 20) -> Tensor:
    """rows rows^T in float64, some columns at a time."""
    return torch.stack([part.double() @ part.double().T for part in torch.split(rows, columns, dim=1)]).sum(0)


def _need_images(images: Tensor, proxy_name: str) -> None:
    if len(images) < 2:
        raise UsageError(f"{proxy_name} compares images; accepted: a batch of 2 or more")
