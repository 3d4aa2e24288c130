"""Levels of features: strides are read from the layers, and hold at every size."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

import plainnet
from plainnet.blocks.levels import FeatureInfo, feature_levels, total_stride
from plainnet.blocks.rows.receptive_field import receptive_field
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import walk
from plainnet.errors import StructureError
from plainnet.network.published import published_networks
from plainnet.testing import sample_structure

FIVE = "".join(f"SuperConvK3BNRELU({before},8,2,1)" for before in (3, 8, 8, 8, 8))


@pytest.mark.parametrize("size", [(300, 300), (112, 112), (33, 33), (33, 500), (1, 7), (1, 1), (32, 1), (640, 384)])
def test_strides_are_the_same_at_every_size(size: tuple[int, int]) -> None:
    levels = feature_levels(plainnet.parse(FIVE), Shape(3, *size))
    assert [level.reduction for level in levels] == [2, 4, 8, 16, 32]
    assert [level.block for level in levels] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", published_networks())
def test_published_networks_have_the_strides_of_their_receptive_fields(name: str) -> None:
    structure = published_networks()[name].structure
    shape = Shape(structure.in_channels, 300, 300)
    seen = receptive_field(structure.rows(shape, expand=True))
    levels = feature_levels(structure, shape)
    adaptive = any(level.reduction is None for level in levels)  # a pooling to a size of its own has no stride
    strides = [level.reduction for level in levels if level.reduction is not None]
    assert strides[-1] == seen.stride
    assert all(after % before == 0 for before, after in pairwise(strides))
    assert adaptive or levels[-1].block == len(structure) - 1


@pytest.mark.parametrize("seed", range(40))
def test_random_structures_have_levels_that_do_not_depend_on_the_size(seed: int) -> None:
    structure = sample_structure(Random(seed))
    large = Shape(3, 257, 311)
    try:
        levels = feature_levels(structure, large)
    except StructureError:
        return
    assert feature_levels(structure, Shape(3, 32, 32)) == levels
    if levels and levels[-1].reduction is not None and levels[-1].block == len(structure) - 1:
        seen = receptive_field(structure.rows(large, expand=True))
        assert seen is None or seen.stride == levels[-1].reduction


@pytest.mark.parametrize("text", ["ResNetK3K3(8,8,2,8,3)", "Sequential(ConvKX(8,8,3,2)ConvKX(8,8,3,2))", "SE(8)"])
def test_compact_rows_have_the_stride_of_expanded_ones(text: str) -> None:
    blocks = plainnet.parse(text).blocks
    for side in (1, 31):
        compact, _ = walk(blocks, Shape(8, side, side))
        expanded, _ = walk(blocks, Shape(8, side, side), expand=True)
        assert total_stride(compact) == total_stride(expanded)


def test_a_map_of_one_size_is_a_level_without_a_stride() -> None:
    structure = plainnet.parse("ConvKX(3,8,3,2)ConvKX(8,8,3,2)AdaptiveAvgPool(8,7)ConvKX(8,16,3,2)")
    expected = (FeatureInfo(0, 8, 2), FeatureInfo(1, 8, 4), FeatureInfo(3, 16, None))
    assert feature_levels(structure, Shape(3, 28, 28)) == feature_levels(structure, Shape(3, 97, 224)) == expected
    assert plainnet.PlainNet(structure.text, features_only=True, resolution=33).feature_info == expected
