"""Proxies of the loss's gradients at initialisation.

L is the mean cross-entropy over the batch, theta the weights: every learnable tensor of two or more axes (those of
convolutions and linear layers, not biases and batch norms), as in Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS,
ICLR 2021, arXiv:2101.08134.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from plainnet.errors import UsageError
from plainnet.proxies.contract import proxy
from plainnet.proxies.sampled.operation_outputs import WEIGHTED, watch

__all__ = ["fisher", "grad_norm", "grasp", "snip", "weight_tensors", "zico"]


def weight_tensors(module: nn.Module) -> list[Tensor]:
    """The learnable tensors of two or more axes; `UsageError` if there are none."""
    found = [p for p in module.parameters() if p.dim() >= 2 and p.requires_grad]
    if not found:
        raise UsageError("this proxy reads the gradients of weights, and this network has none")
    return list(found)


def logits_of(module: nn.Module, images: Tensor) -> Tensor:
    """What a classifier puts out, (N, classes); `UsageError` for another output."""
    out = module(images)
    if not isinstance(out, Tensor) or out.dim() != 2:
        what = f"a tensor of {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
        raise UsageError(f"this proxy needs a classifier, with an output of (N, classes); this network puts out {what}")
    return out


def loss_of(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of a classifier."""
    logits = logits_of(module, images)
    if int(labels.max()) >= logits.shape[1]:
        raise UsageError(f"a label is {int(labels.max())}, and the network has {logits.shape[1]} classes")
    return functional.cross_entropy(logits, labels)


def _gradients(loss: Tensor, weights: Sequence[Tensor], *, differentiable: bool = False) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, weights, create_graph=differentiable, allow_unused=True, materialize_grads=True)


@proxy(cost="1 forward, 1 backward")
def snip(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How much of the loss hangs on the weights: sum |g theta|, g = dL/dtheta.

    Source: Lee et al., SNIP: Single-Shot Network Pruning based on Connection Sensitivity, ICLR 2019, arXiv:1810.02340.
    """
    weights = weight_tensors(module)
    gradients = _gradients(loss_of(module, images, labels), weights)
    return sum(float((g * w.detach()).abs().sum()) for g, w in zip(gradients, weights, strict=True))


@proxy(cost="1 forward, 1 backward")
def grad_norm(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The length of the gradients: sum over weight tensors of the L2 norm of dL/dtheta.

    Source: Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021, arXiv:2101.08134.
    """
    gradients = _gradients(loss_of(module, images, labels), weight_tensors(module))
    return sum(float(g.norm()) for g in gradients)


@proxy(cost="1 forward, 2 backward")
def grasp(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How the gradient's flow changes with the weights: sum of -theta (H g), H the Hessian of the loss.

    H g = d(g^T stop(g))/dtheta, a second backward pass. Source: Wang et al., Picking Winning Tickets Before Training by
    Preserving Gradient Flow (GraSP), ICLR 2020, arXiv:2002.07376 (there pruning keeps what has the lowest -theta H g).
    """
    weights = weight_tensors(module)
    gradients = _gradients(loss_of(module, images, labels), weights, differentiable=True)
    flow = torch.stack([(g * g.detach()).sum() for g in gradients]).sum()
    products = _gradients(flow, weights)
    return sum(float(-(w.detach() * product).sum()) for w, product in zip(weights, products, strict=True))


@proxy(cost="1 forward, 1 backward")
def fisher(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """What the loss would lose without each channel: sum over channels of 1/(2N) sum_n ( sum_hw a dL/da )^2.

    a are the outputs of convolutions and linear layers, n the images. Source: Turner et al., BlockSwap: Fisher-guided Block
    Substitution, ICLR 2020, arXiv:1906.04113, from Theis et al. 2018, arXiv:1801.05787.
    """
    outputs: list[Tensor] = []

    def see(out: Tensor, _: Tensor) -> Tensor:
        outputs.append(out)
        # what follows may work in place: on a copy
        return out.clone()

    loss = watch(lambda x: loss_of(module, x, labels), images, WEIGHTED, see)
    if not outputs:
        raise UsageError("fisher looks at convolutions and linear layers, and this network has none")
    total = 0.0
    for out, gradient in zip(outputs, _gradients(loss, outputs), strict=True):
        per_channel = (out.detach() * gradient).flatten(2).sum(2) if out.dim() > 2 else out.detach() * gradient
        total += float(per_channel.square().sum()) / (2 * len(images))
    return total


@proxy(cost="2 forward, 2 backward", batches=2)
def zico(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How large and how steady gradients are: sum over weight tensors of log sum( mean_b |g| / std_b(g) ), b two batches.

    Weights whose gradient does not differ between the batches (a standard deviation of 0) are left out, and so are tensors
    of which nothing is left. `images` holds both batches. Source: Li et al., ZiCo: Zero-shot NAS via Inverse Coefficient of
    Variation on Gradients, ICLR 2023, arXiv:2301.11300.
    """
    weights = weight_tensors(module)
    batches = zip(images.chunk(2), labels.chunk(2), strict=True)
    found = [_gradients(loss_of(module, x, y), weights) for x, y in batches]
    if len(found) < 2:
        raise UsageError("zico compares two batches; accepted: two images or more")
    total = 0.0
    for first, second in zip(*found, strict=True):
        spread = (first - second).abs() / 2
        ratio = (first.abs() + second.abs()) / 2 / spread
        kept = ratio[spread != 0]
        if len(kept):
            total += float(kept.sum(dtype=torch.float64).log())
    return total
