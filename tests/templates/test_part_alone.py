"""A part behind convolutions that stand in for what it takes."""

from __future__ import annotations

import pytest
import torch

import plainnet
from plainnet.blocks.structure import parse
from plainnet.errors import UsageError
from plainnet.templates.necks import anchor_free_head, classification_head, dense_head, fpn
from plainnet.templates.part_alone import part_alone, stand_in

LEVELS = {"c2": (16, 4), "c3": (32, 8)}


@pytest.mark.parametrize(
    ("blocks", "takes", "gives", "channels"),
    [
        (fpn({"c2": 16, "c3": 32}, 8), LEVELS, ["p2", "p3"], 16),
        (fpn({"c2": 16, "c3": 32}, 8), LEVELS, ["p2"], 8),
        (anchor_free_head({"c2": 16, "c3": 32}, 3), LEVELS, [], 16),
        (dense_head(16, 5), {"p2": (16, 4)}, [], 5),
        (classification_head(16, 7), {"out": (16, 2)}, [], 7),
        ("ConvKXBNRELU(16,4,3,1)", {"c5": (16, 32)}, [], 4),
    ],
)
def test_every_value_has_a_share_in_one_tensor(
    blocks: str, takes: dict[str, tuple[int, int]], gives: list[str], channels: int
) -> None:
    net = plainnet.PlainNet(
        part_alone(blocks, takes, gives=gives, resolution=(64, 64)), num_classes=0, resolution=64
    ).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        out = net(images)
    assert out.shape == (1, channels)
    assert bool((net(images * 2) != out).all()), "no channel is the same for every image"


def test_strides_follow_each_other() -> None:
    assert parse(stand_in({"a": (8, 32), "b": (4, 2)})).blocks[0].label == "b"
    with pytest.raises(UsageError, match="the stride 3 behind one of 2"):
        stand_in({"a": (8, 3), "b": (4, 2)})
    mixed = "From(c)ConvKXBias(m|4,4,1,1)AdaptiveAvgPool(4,1)Flatten(v|4)Outputs(m,v)"
    with pytest.raises(UsageError, match="vectors among them"):
        part_alone(mixed, {"c": (4, 2)}, resolution=(16, 16))
