"""Multiply-accumulates of a step of training: the fold over rows, the count by operator, and torch's own."""

from random import Random
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import plainnet
from plainnet.blocks.rows.layers import Conv
from plainnet.blocks.rows.shapes import Shape
from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.network.counting.training_counts import count_training
from plainnet.network.plain_net import PlainNet
from plainnet.testing.graphs import sample_graph

SHAPE = Shape(3, 17, 19)
CHAIN = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,2)SuperResIDWE2K3(16,24,2,16,2)"


def of_torch(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of forward and backward, from the sum of all that is put out."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        out = net(torch.empty(shape))
        sum(each.sum() for each in (out.values() if isinstance(out, dict) else [out])).backward()
    return int(counter.get_total_flops()) // 2


def grouped(structure: Any) -> bool:
    return any(isinstance(row.layer, Conv) and row.layer.groups > 1 for row in structure.rows(SHAPE, expand=True))


@pytest.mark.parametrize("start", [0, *[pytest.param(n, marks=pytest.mark.tail) for n in range(20, 400, 20)]])
def test_random_graphs(start: int) -> None:
    compared = 0
    for seed in range(start, start + 20):
        structure = plainnet.parse(sample_graph(Random(seed), more=seed % 2 == 1))
        found = plainnet.analyze_model(
            structure, resolution=(17, 19), num_classes=5, latency=False, zen=False, training=True
        ).training
        with torch.device("meta"):
            net = PlainNet(structure, num_classes=5, resolution=(17, 19), init="default").eval()
        if not any(parameter.requires_grad for parameter in net.parameters()):
            continue
        assert found == count_training(net, (1, *SHAPE)).as_dict(), structure
        if not grouped(structure):
            assert found is not None
            assert found["step_macs"] == of_torch(net, (1, *SHAPE)), structure
            compared += 1
    assert compared


def test_groups_cost_what_as_many_convolutions_cost() -> None:
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 12, 3)
            self.parts = nn.ModuleList(nn.Conv2d(4, 2, 3, stride=2, padding=1) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            parts = zip(self.parts, self.first(x).chunk(3, dim=1), strict=True)
            return torch.cat([part(each) for part, each in parts], dim=1)

    whole = nn.Sequential(nn.Conv2d(3, 12, 3), nn.Conv2d(12, 6, 3, stride=2, padding=1, groups=3))
    shape = (2, 3, 13, 11)
    assert count_training(whole, shape) == count_training(Split(), shape)
    assert count_training(Split(), shape).step_macs == of_torch(Split().to("meta"), shape)


def test_what_is_before_the_first_weight_needs_no_gradient() -> None:
    found = count_training(nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)), (1, 3, 8, 8))
    assert (found.forward_macs, found.backward_macs) == (16 * (12 + 20), 16 * (12 + 2 * 20))


def test_frozen_weights_have_no_gradient() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    net[0].requires_grad_(False)
    assert count_training(net, (1, 3, 4, 4)).backward_macs == 16 * 20
    with pytest.raises(UsageError, match="nothing to train"):
        count_training(net.requires_grad_(False), (1, 3, 4, 4))


def test_recurrent_layers_step_by_step() -> None:
    """W x and U h at each of 5 steps; the gradient of h exists from the second step on, that of x not at all."""
    found = count_training(nn.LSTM(8, 16), (5, 1, 8))
    assert (found.forward_macs, found.backward_macs) == (5 * 64 * 24, 5 * 64 * 24 + 4 * 64 * 16)
    assert found.uncounted == ()


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resizes_have_no_products(mode: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=2, mode=mode), nn.Conv2d(4, 5, 1))
    found = count_training(net, (1, 3, 4, 4))
    assert (found.forward_macs, found.backward_macs) == (16 * 12 + 64 * 20, 16 * 12 + 2 * 64 * 20)
    assert found.uncounted == ()


class Attending(nn.Module):
    """Attention of what one layer puts out, with scores that are masked, dropped, or neither."""

    def __init__(self, *, device: str, **how: Any) -> None:
        super().__init__()
        self.layer, self.device, self.how = nn.Linear(16, 52), device, how

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.layer(x) if self.device == "any" else self.layer(x).to(self.device)).split([16, 16, 20], dim=-1)
        q, k, v = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in parts)
        out: Tensor = nn.functional.scaled_dot_product_attention(q, k, v, **self.how)
        return out


@pytest.mark.parametrize("device", ["any", "cpu"])
@pytest.mark.parametrize(
    "how", [{}, {"is_causal": True}, {"dropout_p": 0.1}, {"attn_mask": torch.zeros(5, 5)}], ids=lambda how: "".join(how)
)
def test_attention_is_the_same_whatever_kernel_runs_it(device: str, how: dict[str, Any]) -> None:
    """A module with a mask of its own, or that names the CPU, runs there, where torch has fused kernels."""
    counts = count_training(Attending(device=device, **how), (3, 5, 16))
    layer, attention = 3 * 5 * 16 * 52, 3 * 5 * 5 * (16 + 20)
    assert (counts.forward_macs, counts.backward_macs) == (layer + attention, layer + 2 * attention)
    assert not counts.uncounted


def test_an_operator_that_nobody_knows_is_named() -> None:
    @torch.library.custom_op("plainnet_training::twice", mutates_args=())
    def twice(x: Tensor) -> Tensor:
        return x + x

    torch.library.register_autograd("plainnet_training::twice", lambda _, gradient: twice(gradient))
    twice.register_fake(torch.empty_like)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = twice(self.conv(x))
            return out

    assert count_training(Net(), (1, 3, 4, 4)).uncounted == ("plainnet_training.twice",)


def test_the_module_stays_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    count_training(net, (2, 3, 4, 4))
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_command_says_the_step() -> None:
    words = ["analyze", CHAIN, "--resolution", "32", "--no-latency", "--no-zen"]
    result = CliRunner().invoke(cli, [*words, "--training"])
    assert result.exit_code == 0, result.output
    net = PlainNet(CHAIN, num_classes=1000, resolution=32, init="default").eval()
    found = count_training(net, (1, 3, 32, 32))
    assert f"forward {found.forward_macs:,} macs, backward {found.backward_macs:,}" in result.output
    assert "backward" not in CliRunner().invoke(cli, words).output
