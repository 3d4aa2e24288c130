"""Well-known image networks have the params and the MACs that everybody knows."""

from __future__ import annotations

import pytest

from plainnet.blocks.network_counts import count_network
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import UsageError
from plainnet.network.published import find_published, published_networks
from plainnet.templates.image_networks import mobilenet_v3, vgg

KNOWN = [net for net in published_networks().values() if "macs_G" in net.published]


@pytest.mark.parametrize("network", KNOWN, ids=lambda network: network.name)
def test_params_and_macs_are_the_published_ones(network) -> None:  # type: ignore[no-untyped-def]
    sums = count_network(network.structure, Shape(3, 224, 224), num_classes=1000).sums
    assert sums.params == network.published["params"]
    assert round(sums.macs / 1e9, 3) == network.published["macs_G"]


def test_the_figures_are_no_copies_of_the_counts() -> None:
    assert len(KNOWN) == 25
    assert find_published("mobilenet_v2").published["params"] == 3_504_872
    assert find_published("efficientnet_b0").published["params"] == 5_288_548
    assert find_published("densenet121").published["params"] == 7_978_856


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(UsageError, match="depth is 12; accepted: 11, 13, 16, 19"):
        vgg(12, norms=True)
    with pytest.raises(UsageError, match="size is 'medium'; accepted: large, small"):
        mobilenet_v3("medium")
