"""The oracle of exported source: the module that it makes is the network, to the last bit."""

from __future__ import annotations

import torch

from plainnet.blocks import Variant
from plainnet.export import Network
from plainnet.testing import torch_counts
from tests.export.conftest import images, net_class, scrambled

VARIANTS = [
    Variant(),
    Variant(use_se=True),
    Variant(no_reslink=True),
    Variant(no_bn=True),
    Variant(activation="silu"),
    Variant(use_se=True, no_bn=True, no_reslink=True, activation="gelu"),
]


def check_same(network: Network, *, seed: int = 3) -> None:
    """The same keys, the same weights for the same seed, and the same outputs to the last bit, trained or not."""
    torch.manual_seed(seed)
    plain = network.build()
    torch.manual_seed(seed)
    exported = net_class(network).Net()
    expected, found = plain.state_dict(), exported.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    exported.load_state_dict(scrambled(plain).state_dict())
    batch = images(2, *network.shape)
    for training in (False, True):
        torch.manual_seed(seed)  # dropout
        wanted = plain.train(training)(batch)
        torch.manual_seed(seed)
        # what overflows has to overflow in both
        torch.testing.assert_close(exported.train(training)(batch), wanted, rtol=0, atol=0, equal_nan=True)
    if not network.structure.output_names:
        counts = torch_counts(exported, network.shape)
        assert (counts.params, counts.macs) == (network.counts.params, network.counts.macs)
