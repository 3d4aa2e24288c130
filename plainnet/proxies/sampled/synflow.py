"""Synaptic flow: a proxy of the weights alone."""

from __future__ import annotations

import torch
from torch import nn

from plainnet.proxies.contract import proxy
from plainnet.proxies.sampled.gradients import weight_tensors
from plainnet.proxies.sampled.operation_outputs import without_batch_norms
from plainnet.proxies.sampled.random_network import log

__all__ = ["synflow"]


@proxy(cost="1 forward, 1 backward")
def synflow(module: nn.Module, input_shape: tuple[int, int, int], device: torch.device) -> float:
    """The logarithm of what flows through the network: log sum |theta dR/dtheta|, R = 1^T (prod |theta|) 1.

    R is the sum of the outputs for an input of ones with every parameter replaced by its absolute value and batch norms
    off, in float64; the sum goes over the weights (tensors of two or more axes). The raw sum spans hundreds of orders of
    magnitude, so its natural logarithm is what is reported.

    Source: Tanaka et al., Pruning Neural Networks without any Data by Iteratively Conserving Synaptic Flow, NeurIPS 2020,
    arXiv:2006.05467.
    """
    module.to(torch.float64).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    weights = weight_tensors(module)
    ones = torch.ones(1, *input_shape, dtype=torch.float64, device=device)
    with without_batch_norms():
        flow = module(ones).sum()
    gradients = torch.autograd.grad(flow, weights, allow_unused=True, materialize_grads=True)
    return log(sum(float((w.detach() * g).abs().sum()) for w, g in zip(weights, gradients, strict=True)))
