"""Necks, decoders and heads: strings with the params of their papers' networks, which run."""

from __future__ import annotations

import pytest
import torch

from plainnet import PlainNet, parse
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import UsageError
from plainnet.templates.necks import classification_head, dense_head, fpn, pan, unet, unet_decoder
from plainnet.testing import torch_counts

BACKBONE = "ConvKXBNRELU(3,8,3,2)ConvKXBNRELU(c2|8,16,3,2)ConvKXBNRELU(c3|16,32,3,2)ConvKXBNRELU(c4|32,64,3,2)"
LEVELS = {"c2": 16, "c3": 32, "c4": 64}


def params(text: str) -> int:
    return parse(text).at(Shape(3, 64, 64)).counts(None).params


def test_a_pyramid_has_the_params_and_the_maps_of_the_paper() -> None:
    text = BACKBONE + fpn(LEVELS, 24) + "Outputs(p2,p3,p4)"
    own = sum(width * 24 + 24 for width in LEVELS.values()) + 3 * (24 * 24 * 9 + 24)
    assert params(text) - params(BACKBONE) == own
    maps = PlainNet(text, init="default").eval()(torch.zeros(1, 3, 64, 64))
    assert {name: tuple(each.shape[1:]) for name, each in maps.items()} == {
        "p2": (24, 16, 16),
        "p3": (24, 8, 8),
        "p4": (24, 4, 4),
    }


def test_a_pyramid_with_a_way_back_up() -> None:
    text = BACKBONE + pan(LEVELS, 24) + "Outputs(n2,n3,n4)"
    own = 4 * (24 * 24 * 9 + 2 * 24)
    assert params(text) - params(BACKBONE + fpn(LEVELS, 24) + "Outputs(p2,p3,p4)") == own
    maps = PlainNet(text, init="default").eval()(torch.zeros(1, 3, 64, 64))
    assert [tuple(each.shape[1:]) for each in maps.values()] == [(24, 16, 16), (24, 8, 8), (24, 4, 4)]


def test_a_unet_has_the_well_known_params() -> None:
    with torch.device("meta"):
        net = PlainNet(unet(2), num_classes=None, init="default")
    counts = parse(unet(2)).at(Shape(3, 64, 64)).counts(None)
    assert counts.params == sum(each.numel() for each in net.parameters()) == 31_037_698
    assert counts.feature_shape == Shape(2, 64, 64)
    small = unet(2, width=4, depth=2)
    with torch.device("meta"):
        found = torch_counts(PlainNet(small, num_classes=None, init="default"), Shape(3, 32, 32))
    assert found.macs == parse(small).at(Shape(3, 32, 32)).counts(None).macs


def test_a_unet_takes_a_step() -> None:
    net = PlainNet(unet(2, width=4, depth=2), num_classes=None)
    images, masks = torch.randn(2, 3, 16, 16), torch.randint(2, (2, 16, 16))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(4):
        loss = torch.nn.functional.cross_entropy(net.forward_features(images), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_heads_and_decoders_stand_behind_any_backbone() -> None:
    assert parse(BACKBONE + classification_head(64, 5)).at(Shape(3, 64, 64)).counts(None).output_shape == Shape(5, 0, 0)
    decoded = parse(BACKBONE + unet_decoder(LEVELS) + dense_head(16, 7)).at(Shape(3, 64, 64))
    assert decoded.out_shape == Shape(7, 16, 16)


@pytest.mark.parametrize(
    "call", [lambda: fpn({}, 8), lambda: fpn({"c2": 0}, 8), lambda: fpn({"c2": 8}, 0), lambda: unet(2, depth=0)]
)
def test_what_makes_no_sense_is_refused(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="accepted"):
        call()
