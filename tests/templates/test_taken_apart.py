"""A network of components taken apart is put together again as it was."""

from __future__ import annotations

from typing import Any

import pytest

from plainnet.blocks.structure import parse
from plainnet.engine import load_config
from plainnet.errors import UsageError
from plainnet.templates.components import compose
from plainnet.templates.taken_apart import backbone_of, taken_apart

TRUNK = "ConvKXBNRELU(3,16,3,2)ConvKXBNRELU(16,32,3,2)ConvKXBNRELU(32,64,3,2)"
FPN = {"type": "fpn", "from": ["backbone.c2", "backbone.c3"], "channels": 24}
MASKS = {"type": "dense", "from": "neck.p2", "num_classes": 11}
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "one map": (None, {"masks": "ConvKXBias(64,11,1,1)"}),
    "a vector": (None, {"classes": {"type": "classification", "num_classes": 4}}),
    "a string as the neck": ("ConvKXBNRELU(64,8,3,1)", {"masks": {"type": "dense", "num_classes": 3}}),
    "a pyramid and two heads": (
        FPN,
        {"masks": MASKS, "boxes": {"type": "anchor_free", "from": ["neck.p2", "neck.p3"], "num_classes": 4}},
    ),
    "there and back": ({**FPN, "type": "pan"}, {"masks": {**MASKS, "from": "neck.n2"}}),
    "a decoder": (
        {"type": "unet_decoder", "from": ["backbone.c1", "backbone.c2", "backbone.c3"]},
        {"masks": {"type": "dense", "num_classes": 2}},
    ),
    "a head past the neck": (FPN, {"masks": MASKS, "deep": {"blocks": "ConvKXBias(64,2,1,1)", "from": "backbone.c3"}}),
    "several values taken by a string": (
        {
            "blocks": "From(c2)ConvKXBNRELU(32,64,3,2)MultiSumBlock(Identity(64);From(c3)Identity(64))",
            "from": ["backbone.c2", "backbone.c3"],
        },
        {"masks": {"type": "dense", "num_classes": 2}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_taken_apart_fits_together_again(case: str) -> None:
    neck, heads = CASES[case]
    text = compose(TRUNK, neck=neck, heads=heads, resolution=32)
    parts = taken_apart(parse(text), 32)
    assert list(parts) == ["backbone", *(["neck"] if neck else []), *(f"heads.{name}" for name in heads)]
    assert parts["backbone"]["from"] == []
    again = compose(
        parts["backbone"]["blocks"],
        neck=parts.get("neck"),
        heads={name: parts[f"heads.{name}"] for name in heads},
        resolution=32,
    )
    assert again == text, "with all names, and so with the names of all tensors"
    assert parse(backbone_of(parse(text))) == parse(TRUNK)


def test_a_part_says_what_it_takes() -> None:
    neck, heads = CASES["a pyramid and two heads"]
    parts = taken_apart(parse(compose(TRUNK, neck=neck, heads=heads, resolution=32)), 32)
    assert parts["neck"]["from"] == ["backbone.c3", "backbone.c2"]
    assert parts["heads.masks"] == {"blocks": "From(p2)ConvKXBias(24,11,1,1)", "from": ["neck.p2"]}
    assert parts["heads.boxes"]["blocks"].endswith("Outputs(places_p2,places_p3)")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TRUNK, "in the parts none"),
        ("ConvKXBNRELU(backbone.a|3,8,3,1)ConvKXBNRELU(neck.a|8,8,3,1)", "accepted: a backbone and heads"),
        (
            "ConvKXBNRELU(backbone.a|3,8,3,1)ConvKXBNRELU(heads.x|8,8,3,1)ConvKXBNRELU(backbone.b|8,8,3,1)",
            "do not stand together",
        ),
        ("ConvKXBNRELU(backbone.a|3,8,3,1)ConvKXBNRELU(8,8,3,1)ConvKXBNRELU(heads.x|8,8,3,1)", "has no name"),
        (
            "ConvKXBNRELU(backbone.a|3,8,3,1)ConvKXBNRELU(heads.x.y|8,8,3,1)From(in)ConvKXBNRELU(heads.x.z|3,8,3,1)",
            "cannot be put together again",
        ),
    ],
)
def test_what_cannot_be_taken_apart_is_said(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        taken_apart(parse(text), 32)


@pytest.mark.parametrize("name", ["detect", "segment"])
def test_a_part_may_begin_with_what_is_before_it_unsaid(name: str) -> None:
    """`From(c3)` behind the block `c3` is nothing: the networks of the recipes leave it out."""
    text = load_config({"_base_": name}).value.model.arguments["structure"]
    found = taken_apart(parse(text), 64)
    assert list(found)[:2] == ["backbone", "neck"]
    assert found["neck"]["from"][0] == "backbone.c3"
