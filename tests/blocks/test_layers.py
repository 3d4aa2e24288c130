"""Layers are values, and equal leaves are one object."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from plainnet.blocks import parse
from plainnet.blocks.rows.layers import Act, Conv, LayerError, Norm, Pool


def test_equal_leaves_are_one_object() -> None:
    assert Conv(8, 3) is Conv(8, 3)
    assert Norm() is Norm()
    assert Conv(8, 3, stride=2) == Conv(8, 3, 2)
    assert Conv(8, 3) is not Conv(8, 5)
    assert Conv(8, bias=True) != Conv(8)


@pytest.mark.parametrize("layer", [Conv(8, 3, 2, bias=True), Act("silu"), Pool("avg", 2, 2, ceil_mode=True)])
def test_copies_are_equal(layer: object) -> None:
    assert copy.deepcopy(layer) == layer
    assert pickle.loads(pickle.dumps(layer)) == layer
    assert hash(pickle.loads(pickle.dumps(layer))) == hash(layer)


def SuperResK3K3(*values: int) -> Any:
    """The block, with integers of any type as they are."""
    block = copy.copy(parse("SuperResK3K3(8,16,2,8,2)").blocks[0])
    fields = ("in_channels", "out_channels", "stride", "bottleneck_channels", "sub_layers")
    vars(block).update(zip(fields, values, strict=True))
    return block


class Named(int):
    """An integer that means more than its value."""


def test_an_integer_that_carries_a_name_keeps_it() -> None:
    plain, named = SuperResK3K3(8, 16, 2, 8, 2), SuperResK3K3(8, Named(16), 2, Named(8), 2)
    assert plain.layers() == named.layers()
    for layers, kind in ((named.layers(), Named), (plain.layers(), int)):
        assert type(layers[0].main[0].out_channels) is kind
        assert type(layers[0].skip[0].out_channels) is kind
    assert type(Conv(Named(8)).out_channels) is Named


def test_bodies_are_shared_by_blocks_that_differ_elsewhere() -> None:
    one, two = SuperResK3K3(8, 16, 1, 8, 2).layers(), SuperResK3K3(24, 16, 1, 8, 5).layers()
    assert one[0].main is two[0].main
    assert one[0].skip is two[0].skip


@pytest.mark.parametrize("value", [True, 1.0, 0, "1"])
def test_what_equals_a_number_is_no_number_of_channels(value: object) -> None:
    assert Conv(1).out_channels == 1
    with pytest.raises(LayerError, match="out_channels"):
        Conv(value)  # type: ignore[arg-type]
