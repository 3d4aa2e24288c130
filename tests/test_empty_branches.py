"""Parts of a network that a variant leaves empty: they are the identity, in the module as in the counts."""

import pytest
import torch
from torch import Tensor

from plainnet.network.plain_net import PlainNet


def conv(net: PlainNet, x: Tensor) -> Tensor:
    return next(part for part in net.modules() if isinstance(part, torch.nn.Conv2d))(x)


CASES = {
    "BN(4)": lambda net, x: x,  # noqa: ARG005
    "ResBlock(BN(4))": lambda net, x: x + x,  # noqa: ARG005
    "ResBlockProj(BN(4))": lambda net, x: x + conv(net, x),
    "MultiSumBlock(BN(4);ConvKX(4,4,1,1))": lambda net, x: x + conv(net, x),
    "MultiCatBlock(BN(4);ConvKX(4,4,1,1);BN(4))": lambda net, x: torch.cat([x, conv(net, x), x], dim=1),
    "MultiSumBlock(BN(4);BN(4);BN(4))": lambda net, x: 3 * x,  # noqa: ARG005
    "Sequential(BN(4)BN(4))ConvKX(4,4,1,1)": conv,
}


@pytest.mark.parametrize("text", CASES)
def test_an_empty_branch_is_the_identity(text: str) -> None:
    net = PlainNet(text, in_channels=4, no_bn=True, init="default").eval()
    x = torch.randn(2, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(net.forward_features(x), CASES[text](net, x))


def test_feature_levels_count_empty_blocks() -> None:
    text = "BN(3)ConvKX(3,8,3,2)BN(8)ConvKX(8,16,3,2)RELU(16)BN(16)"
    net = PlainNet(text, features_only=True, no_bn=True)
    levels = net(torch.zeros(1, 3, 16, 16))
    assert [info.block for info in net.feature_info] == [0, 2, 5]
    assert [tuple(level.shape[1:]) for level in levels] == [(3, 16, 16), (8, 8, 8), (16, 4, 4)]
