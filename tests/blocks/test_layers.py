"""Layers are values, and equal leaves are one object."""

from __future__ import annotations

import copy
import pickle

import pytest

from plainnet.blocks.layers import Act, Conv, LayerError, Norm, Pool


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


@pytest.mark.parametrize("value", [True, 1.0, 0, "1"])
def test_what_equals_a_number_is_no_number_of_channels(value: object) -> None:
    assert Conv(1).out_channels == 1
    with pytest.raises(LayerError, match="out_channels"):
        Conv(value)  # type: ignore[arg-type]
