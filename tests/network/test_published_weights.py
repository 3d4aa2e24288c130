"""What was published with a network: the epsilon of its batch norms, and state dicts of ResNets in torchvision's layout."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from plainnet import PlainNet, StructureError, UsageError, Variant
from plainnet.network.published import NORM_EPS, find_published, published_networks
from plainnet.network.torchvision_weights import from_torchvision, looks_like_torchvision


def norms(net: nn.Module) -> set[float]:
    return {part.eps for part in net.modules() if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d))}


@pytest.mark.parametrize("network", published_networks().values(), ids=lambda network: network.name)
def test_every_published_network_has_its_own_epsilon(network) -> None:  # type: ignore[no-untyped-def]
    expected = 1e-3 if network.name.startswith(("zennet", "mobilenet_v3")) else 1e-5
    assert network.norm_eps == expected
    with torch.device("meta"):
        found = norms(PlainNet(network.name, init="default"))
    assert found == {expected} or (not found and "BN" not in network.text)


def test_an_epsilon_that_is_said_counts() -> None:
    text = "SuperConvK3BNRELU(3,8,1,1)"
    assert norms(PlainNet(text)) == {NORM_EPS}
    assert norms(PlainNet(text, norm_eps=1e-5)) == {1e-5}
    with torch.device("meta"):
        assert norms(PlainNet("resnet18", norm_eps=1e-3, init="default")) == {1e-3}


@pytest.mark.parametrize("value", [0, -1.0, 1.5, float("nan"), "1e-5", True, float("inf")])
def test_an_epsilon_that_is_none_is_an_error(value: object) -> None:
    with pytest.raises(UsageError, match=r"norm_eps is .*; accepted: a number above 0 and below 1"):
        PlainNet("SuperConvK3BNRELU(3,8,1,1)", norm_eps=value)  # type: ignore[arg-type]


def test_the_channels_come_from_the_string() -> None:
    for channels in (1, 2, 4):
        net = PlainNet(f"SuperConvK3BNRELU({channels},8,1,1)", num_classes=2)
        assert net(torch.zeros(1, channels, 4, 4)).shape == (1, 2)
        with pytest.raises(StructureError, match=f"takes {channels} channels, in_channels is 3"):
            PlainNet(f"SuperConvK3BNRELU({channels},8,1,1)", in_channels=3)
    assert PlainNet("RELU(3)")(torch.zeros(1, 3, 4, 4)).shape == (1, 1000)


def test_a_variant_is_given_in_the_form_of_every_function() -> None:
    text, gated = "SuperResK3K3(3,8,1,8,1)", Variant(use_se=True, activation="silu")
    net, other = PlainNet(text, variant=gated), PlainNet(text, use_se=True, activation="silu")
    assert net.variant == other.variant == gated
    assert list(net.state_dict()) == list(other.state_dict())
    with pytest.raises(UsageError, match="variant"):
        PlainNet(text, variant=gated, use_se=True)
    with pytest.raises(UsageError, match="variant"):
        PlainNet(text, variant="use_se")  # type: ignore[arg-type]


class Unit(nn.Module):
    """A residual unit under torchvision's names."""

    def __init__(self, inside: int, width: int, outside: int, stride: int) -> None:
        super().__init__()
        kernels = [(1, 1), (3, stride), (1, 1)] if outside == 4 * width else [(3, stride), (3, 1)]
        widths = [inside, *[width] * (len(kernels) - 1), outside]
        self.count = len(kernels)
        for number, (kernel, step) in enumerate(kernels, 1):
            conv = nn.Conv2d(widths[number - 1], widths[number], kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(widths[number]))
        self.downsample = None
        if stride > 1 or inside != outside:
            shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for number in range(1, self.count + 1):
            out = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(out))
            out = out if number == self.count else out.relu()
        return (out + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    """A ResNet under torchvision's names."""

    def __init__(self, depths: list[int], expansion: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inside = 64
        for stage, depth in enumerate(depths):
            units, width = [], 64 * 2**stage
            for unit in range(depth):
                units.append(Unit(inside, width, expansion * width, 2 if stage and not unit else 1))
                inside = expansion * width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*units))
        self.fc = nn.Linear(inside, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))


def randomised(net: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            spread = torch.rand(value.shape, generator=generator)
            value.copy_(0.5 + spread if value.dim() == 1 else (spread - 0.5) / (value[0].numel() ** 0.5))
        assert name
    return net.eval()


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "depths", "expansion"),
    [("resnet18", [2, 2, 2, 2], 1), ("resnet34", [3, 4, 6, 3], 1), ("resnet50", [3, 4, 6, 3], 4)],
)
def test_a_state_dict_of_torchvisions_gives_its_outputs(name: str, depths: list[int], expansion: int) -> None:
    theirs = randomised(ResNet(depths, expansion, 7))
    state = theirs.state_dict()
    assert looks_like_torchvision(state)
    ours = PlainNet(name, num_classes=7, init="default").eval()
    ours.load_state_dict(from_torchvision({f"module.{key}": value for key, value in state.items()}))
    images = torch.randn(1, 3, 65, 48, generator=torch.Generator().manual_seed(2))
    expected = theirs(images)
    assert torch.allclose(ours(images), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    other = PlainNet(name, num_classes=7, init="default", norm_eps=0.1).eval()
    other.load_state_dict(ours.state_dict())
    assert not torch.allclose(other(images), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(
    "key",
    ["conv2.weight", "layer5.0.conv1.weight", "layer1.0.se.fc1.weight", "layer1.0.downsample.2.weight", "fc.scale", ""],
)
def test_a_key_without_a_place_is_named(key: str) -> None:
    with pytest.raises(UsageError, match=f"^{key} has no place in a ResNet"):
        from_torchvision({"conv1.weight": torch.zeros(1), key: torch.zeros(1)})


def test_other_state_dicts_are_not_taken_for_torchvisions() -> None:
    assert not looks_like_torchvision(PlainNet("SuperConvK3BNRELU(3,8,1,1)").state_dict())
    assert find_published("resnet18").norm_eps == 1e-5
