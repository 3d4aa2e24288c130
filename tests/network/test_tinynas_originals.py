"""TinyNAS's residual networks, written out in torch from their definition: the same outputs to the last bit."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from plainnet import PlainNet
from plainnet.network.published import find_published


def normed(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias and a batch norm with torch's epsilon."""
    return [nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False), nn.BatchNorm2d(outputs)]


class Bottleneck(nn.Module):
    """1x1, kxk with the stride, 1x1. The shortcut is pooled where the stride is 2, and projected where it is told to be."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, middle: int, *, projects: bool) -> None:
        super().__init__()
        first = [*normed(inputs, middle, 1), nn.ReLU(), *normed(middle, middle, kernel, stride), nn.ReLU()]
        self.main = nn.Sequential(*first, *normed(middle, outputs, 1))
        pool = [nn.AvgPool2d(2, 2)] if stride == 2 else []
        self.shortcut = nn.Sequential(*pool, *(normed(inputs, outputs, 1) if projects else []))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


def original(text: str, classes: int) -> nn.Sequential:
    """The network of a published string of `ConvKXBNRELU` and `SuperResK1KXK1` blocks."""
    parts: list[nn.Module] = []
    for name, arguments in re.findall(r"(\w+)\(([\d,]+)\)", text):
        inputs, outputs, kernel, stride, *more = map(int, arguments.split(","))
        if name == "ConvKXBNRELU":
            parts += [*normed(inputs, outputs, kernel, stride), nn.ReLU()]
        else:
            assert name == "SuperResK1KXK1"
            middle, depth = more
            parts.append(Bottleneck(inputs, outputs, kernel, stride, middle, projects=True))
            parts += [Bottleneck(outputs, outputs, kernel, 1, middle, projects=False) for _ in range(depth - 1)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(outputs, classes))


def scatter(module: nn.Module) -> None:
    """Weights and statistics as of a network that was trained."""
    generator = torch.Generator().manual_seed(3)
    for name, values in module.state_dict().items():
        if values.is_floating_point():
            drawn = torch.randn(values.shape, generator=generator)
            if values.ndim > 1:
                drawn *= (2 / values[0].numel()) ** 0.5
            values.copy_(drawn.abs() * 0.1 + 0.9 if name.endswith(("var", "weight")) and values.ndim == 1 else drawn)


NETWORKS = ["deepmad-R18", *(pytest.param(f"deepmad-R{n}", marks=pytest.mark.tail) for n in (34, 50))]


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_original(name: str) -> None:
    published = find_published(name)
    own = original(published.text, 10).eval()
    net = PlainNet(name, num_classes=10).eval()
    scatter(own)
    mine, theirs = net.state_dict(), own.state_dict()
    assert [value.shape for value in mine.values()] == [value.shape for value in theirs.values()]
    net.load_state_dict(dict(zip(mine, theirs.values(), strict=True)))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = net(images)
        assert found.std() > 0.1
        assert torch.equal(found, own(images))
        for module in own.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-3
        assert not torch.equal(found, own(images)), "the epsilon of the ZenNets is another"
    assert sum(each.numel() for each in PlainNet(name).parameters()) == sum(
        each.numel() for each in original(published.text, published.num_classes).parameters()
    )
