"""Every proxy of tensors against a slow, obvious implementation of its formula."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from plainnet.network.plain_net import PlainNet
from plainnet.proxies.sampled.activation_codes import linear_regions, naswot, swap
from plainnet.proxies.sampled.gradients import fisher, grad_norm, grasp, snip, zico
from plainnet.proxies.sampled.jacobians import jacob_cov, ntk_cond
from plainnet.proxies.sampled.meco import meco
from plainnet.proxies.sampled.synflow import synflow

RESIDUAL = "SuperConvK3BNRELU(3,4,1,1)SuperResK3K3(4,6,2,4,1)"
GATED = "SuperConvK3BNRELU(3,4,2,1)SuperResIDWE2K3(4,6,1,4,1)SE(6)"
NETS = [RESIDUAL, GATED]
CLASSES = 3


def network(text: str, *, seed: int = 0, size: int = 8) -> nn.Module:
    torch.manual_seed(seed)
    return PlainNet(text, num_classes=CLASSES, resolution=size, init="kaiming").double().train()


def batch(number: int = 5, *, size: int = 8, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(number, 3, size, size, generator=generator, dtype=torch.float64)
    return images, torch.randint(CLASSES, (number,), generator=generator)


def relu_outputs(module: nn.Module, images: Tensor) -> list[Tensor]:
    found: list[Tensor] = []
    hooks = [
        part.register_forward_hook(lambda part, inputs, out: found.append(out.detach().clone()))  # noqa: ARG005
        for part in module.modules()
        if isinstance(part, nn.ReLU)
    ]
    with torch.no_grad():
        module(images)
    for hook in hooks:
        hook.remove()
    return found


def codes(module: nn.Module, images: Tensor) -> list[list[int]]:
    """The binary code of every image, as lists."""
    outs = relu_outputs(module, images)
    return [[int(value > 0) for out in outs for value in out[n].flatten().tolist()] for n in range(len(images))]


def slow_naswot(module: nn.Module, images: Tensor) -> float:
    rows = codes(module, images)
    kernel = [[sum(a * b + (1 - a) * (1 - b) for a, b in zip(c, d, strict=True)) for d in rows] for c in rows]
    return float(np.log(abs(np.linalg.det(np.array(kernel, dtype=float)))))


@pytest.mark.parametrize("text", NETS)
def test_naswot(text: str) -> None:
    module, (images, _) = network(text), batch()
    assert naswot(module, images) == pytest.approx(slow_naswot(module, images), rel=1e-9)


@pytest.mark.parametrize("text", NETS)
def test_linear_regions(text: str) -> None:
    images, _ = batch(6)
    images = torch.cat([images, images[:2], images[:1]])
    module = network(text)
    assert linear_regions(module, images) == len(set(map(tuple, codes(module, images)))) == 6


@pytest.mark.parametrize("number", [3, 5, 70])
def test_swap(number: int) -> None:
    module, (images, _) = network(RESIDUAL), batch(number)
    columns = list(zip(*codes(module, images), strict=True))
    assert swap(module, images) == len(set(columns))


def test_swap_regularised_for_size() -> None:
    module, (images, _) = network(RESIDUAL), batch()
    size = sum(p.numel() for p in module.parameters())
    expected = swap(module, images) * math.exp(-((size - 1000) ** 2) / 1e6)
    assert swap(module, images, mu=1000, sigma=1e6) == pytest.approx(expected)


def gradients(module: nn.Module, images: Tensor, labels: Tensor) -> dict[str, np.ndarray]:
    """dL/dtheta of convolutions and linear layers by name."""
    module.zero_grad()
    functional.cross_entropy(module(images), labels).backward()
    return {
        f"{name}.weight": part.weight.grad.numpy().copy()
        for name, part in module.named_modules()
        if isinstance(part, (nn.Conv2d, nn.Linear))
    }


def weights(module: nn.Module) -> dict[str, np.ndarray]:
    return {
        f"{name}.weight": part.weight.detach().numpy().copy()
        for name, part in module.named_modules()
        if isinstance(part, (nn.Conv2d, nn.Linear))
    }


@pytest.mark.parametrize("text", NETS)
def test_snip_and_grad_norm(text: str) -> None:
    module, (images, labels) = network(text), batch()
    found, theta = gradients(module, images, labels), weights(module)
    expected = sum(abs(g * t) for name in found for g, t in zip(found[name].flat, theta[name].flat, strict=True))
    assert snip(module, images, labels) == pytest.approx(expected, rel=1e-9)
    lengths = sum(math.sqrt(sum(float(g) ** 2 for g in found[name].flat)) for name in found)
    assert grad_norm(module, images, labels) == pytest.approx(lengths, rel=1e-9)


@pytest.mark.parametrize(
    "text", ["SuperConvK3BNRELU(3,4,1,1)SuperResK3K3(4,6,2,4,1)", "ConvKX(3,4,3,1)BN(4)Swish(4)ConvKX(4,4,3,2)GELU(4)"]
)
def test_grasp_against_differences_of_gradients(text: str) -> None:
    """H g is the derivative of the gradient along g."""
    module, (images, labels) = network(text), batch()
    found, theta = gradients(module, images, labels), weights(module)
    step = 1e-6

    def moved(sign: int) -> dict[str, np.ndarray]:
        for name, value in theta.items():
            module.get_parameter(name).data = torch.from_numpy(value + sign * step * found[name])
        return gradients(module, images, labels)

    ahead, behind = moved(1), moved(-1)
    expected = sum(float(-(theta[n] * (ahead[n] - behind[n]) / (2 * step)).sum()) for n in found)
    for name, value in theta.items():
        module.get_parameter(name).data = torch.from_numpy(value)
    assert grasp(module, images, labels) == pytest.approx(expected, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("text", NETS)
def test_fisher_against_gates(text: str) -> None:
    """sum_hw a dL/da is the derivative of the loss with respect to a factor on a channel of one image."""
    module, (images, labels) = network(text), batch()
    expected = 0.0
    for part in [p for p in module.modules() if isinstance(p, (nn.Conv2d, nn.Linear))]:
        gate = torch.ones(len(images), part.weight.shape[0], dtype=torch.float64, requires_grad=True)
        hook = part.register_forward_hook(
            lambda part, inputs, out, gate=gate: out * (gate if out.dim() == 2 else gate[:, :, None, None])  # noqa: ARG005
        )
        (slope,) = torch.autograd.grad(functional.cross_entropy(module(images), labels), gate)
        hook.remove()
        expected += sum(0.5 * float(slope[n, c]) ** 2 / len(images) for n, c in np.ndindex(*slope.shape))
    assert fisher(module, images, labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("text", NETS)
def test_zico(text: str) -> None:
    module, (images, labels) = network(text), batch(8)
    halves = [gradients(module, images[part], labels[part]) for part in (slice(0, 4), slice(4, 8))]
    expected = 0.0
    for name in halves[0]:
        ratios = [
            np.mean(np.abs(pair)) / np.std(pair)
            for pair in zip(halves[0][name].flat, halves[1][name].flat, strict=True)
            if np.std(pair) > 0
        ]
        expected += math.log(sum(ratios))
    assert zico(module, images, labels) == pytest.approx(expected, rel=1e-6)


def slow_flow(module: nn.Module) -> Callable[[], float]:
    """R of a network without batch norms and with absolute weights."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.forward = lambda x: x
    for parameter in module.parameters():
        parameter.data = parameter.data.abs()
    ones = torch.ones(1, 3, 6, 6, dtype=torch.float64)
    return lambda: float(module(ones).sum().detach())


@pytest.mark.parametrize(
    "text", ["SuperConvK3BNRELU(3,2,1,1)SuperResK3K3(2,3,2,2,1)", "SuperConvK3BNRELU(3,2,1,1)SE(2)"]
)
def test_synflow_against_differences(text: str) -> None:
    module = network(text, size=6)
    value = synflow(network(text, size=6).float(), (3, 6, 6), torch.device("cpu"))
    flow, total, step = slow_flow(module), 0.0, 1e-4
    with torch.no_grad():
        for part in [p for p in module.modules() if isinstance(p, (nn.Conv2d, nn.Linear))]:
            for weight in part.weight.view(-1):
                old = float(weight)
                weight.fill_(old + step)
                ahead = flow()
                weight.fill_(old - step)
                total += abs(old * (ahead - flow()) / (2 * step))
                weight.fill_(old)
    assert value == pytest.approx(math.log(total), rel=1e-5)


def test_synflow_of_a_chain_is_layers_times_flow() -> None:
    """Each layer of a chain passes on all that flows (Tanaka et al., theorem 1)."""
    text = "SuperConvK3BNRELU(3,6,1,1)SuperConvK3BNRELU(6,9,2,2)"
    value = synflow(network(text, size=6), (3, 6, 6), torch.device("cpu"))
    module = network(text, size=6)
    assert value == pytest.approx(math.log(4 * slow_flow(module)()), rel=1e-9)


def test_jacob_cov_against_differences() -> None:
    images, _ = batch(4, size=4)
    module, step = network("SuperConvK3BNRELU(3,6,1,1)Swish(6)", size=4), 1e-6

    def logits() -> float:
        return float(module(images).sum().detach())

    jacobians = np.zeros((4, images[0].numel()))
    for n in range(4):
        pixels = images[n].view(-1)
        for i in range(len(pixels)):
            old = float(pixels[i])
            pixels[i] = old + step
            ahead = logits()
            pixels[i] = old - step
            jacobians[n, i] = (ahead - logits()) / (2 * step)
            pixels[i] = old
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(jacobians)) + 1e-5
    expected = -sum(math.log(value) + 1 / value for value in eigenvalues)
    assert jacob_cov(module, images) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("text", NETS)
def test_ntk_cond(text: str) -> None:
    module, (images, _) = network(text), batch(4)
    rows = []
    for n in range(4):
        module.zero_grad()
        module(images)[n].sum().backward()
        rows.append(np.concatenate([p.grad.numpy().ravel() for p in module.parameters() if p.dim() > 1]))
    eigenvalues = np.linalg.eigvalsh(np.array([[a @ b for b in rows] for a in rows]))
    assert ntk_cond(module, images) == pytest.approx(eigenvalues[-1] / eigenvalues[0], rel=1e-6)


@pytest.mark.parametrize("text", NETS)
def test_meco(text: str) -> None:
    module, (images, _) = network(text), batch()
    maps: list[np.ndarray] = []
    for part in module.modules():
        if not list(part.children()):
            part.register_forward_hook(lambda part, inputs, out: maps.append(out.detach().numpy().copy()))  # noqa: ARG005
    with torch.no_grad():
        module(images)
    expected = 0.0
    for found in (m[0] for m in maps if m.ndim == 4 and m[0, 0].size > 1):
        with np.errstate(all="ignore"):
            correlation = np.nan_to_num(np.corrcoef(found.reshape(len(found), -1)).reshape(len(found), -1))
        expected += float(np.linalg.eigvals(correlation).real.min())
    for part in module.modules():
        part._forward_hooks.clear()
    assert meco(module, images) == pytest.approx(expected, rel=1e-6, abs=1e-9)
