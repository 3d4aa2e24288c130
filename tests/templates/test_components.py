"""Networks of components: one string each, whose blocks know which part they belong to, with errors that name the component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plainnet import PlainNet, parse
from plainnet.blocks.parts import block_places, name_at, name_in_blocks, part_of, part_prefixes
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import PlainnetError, StructureError, UsageError
from plainnet.templates.components import compose
from plainnet.templates.necks import FOR_A_PLACE, anchor_free_head, dense_head, fpn
from plainnet.testing import torch_counts

BACKBONE = "ConvKXBNRELU(3,8,3,2)ConvKXBNRELU(8,16,3,2)ConvKXBNRELU(16,32,3,2)ConvKXBNRELU(32,64,3,2)"
FPN = {"type": "fpn", "from": ["backbone.c2", "backbone.c3", "backbone.c4"], "channels": 24}
MASKS = {"type": "dense", "from": "neck.p2", "num_classes": 11}
BOXES = {"type": "anchor_free", "from": ["neck.p3", "neck.p4"], "num_classes": 10}
KINDS = {"type": "classification", "num_classes": 5}

NETWORKS: dict[str, dict[str, Any]] = {
    "backbone and classifier": {"heads": {"kinds": KINDS}},
    "backbone and map": {"heads": {"masks": {"type": "dense", "num_classes": 4}}},
    "backbone, neck and head": {"neck": FPN, "heads": {"boxes": BOXES}},
    "a way back up": {"neck": {**FPN, "type": "pan"}, "heads": {"masks": {**MASKS, "from": "neck.n2"}}},
    "decoder": {
        "neck": {"type": "unet_decoder", "from": ["backbone.c1", "backbone.c2", "backbone.c3", "backbone.c4"]},
        "heads": {"masks": {"type": "dense", "num_classes": 2}},
    },
    "three heads": {"neck": FPN, "heads": {"masks": MASKS, "boxes": BOXES, "kinds": {**KINDS, "from": "backbone.c4"}}},
    "strings": {
        "neck": {
            "blocks": "From(c4)ConvKX(top|64,32,1,1)MultiSumBlock(Upsample(32,2,0);From(c3)ConvKX(32,32,1,1))",
            "from": ["backbone.c3", "backbone.c4"],
        },
        "heads": {"a": "ConvKX(32,4,1,1)", "b": {"blocks": "ConvKX(32,4,3,1)RELU(4)", "from": "neck.top"}},
    },
}


class OneOutput(nn.Module):
    """A network that runs whole and gives back the first of what it puts out, which is all that the counter looks at."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor | dict[str, Tensor] = self.net(x)
        return next(iter(found.values())) if isinstance(found, dict) else found


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_are_those_of_the_module(name: str) -> None:
    text = compose(BACKBONE, resolution=64, **NETWORKS[name])
    structure = parse(text)
    counts = structure.at(Shape(3, 64, 64)).counts(None)
    with torch.device("meta"):
        net = PlainNet(text, num_classes=None, init="default")
        found = torch_counts(OneOutput(net), Shape(3, 64, 64))
    assert counts.params == sum(each.numel() for each in net.parameters())
    assert counts.macs == found.macs


@pytest.mark.parametrize("name", NETWORKS)
def test_the_string_is_canonical_and_every_tensor_is_in_a_part(name: str) -> None:
    text = compose(BACKBONE, resolution=64, **NETWORKS[name])
    assert str(parse(text)) == text
    heads = tuple(f"heads.{head}." for head in NETWORKS[name]["heads"])
    keys = list(PlainNet(text, num_classes=None, init="default").state_dict())
    assert all(key.startswith(("backbone.", "neck.", *heads)) for key in keys)
    assert all(any(key.startswith(head) for key in keys) for head in heads)


def test_a_component_is_what_its_template_writes() -> None:
    by_hand = (
        BACKBONE.replace("(8,16", "(c2|8,16").replace("(16,32", "(c3|16,32").replace("(32,64", "(c4|32,64")
        + fpn({"c2": 16, "c3": 32, "c4": 64}, 24)
        + "From(p2)"
        + dense_head(24, 11).replace("(", "(masks|", 1)
        + anchor_free_head({"p3": 24, "p4": 24}, 10).replace("Outputs(", "Outputs(masks,")
    )
    assert parse(compose(BACKBONE, neck=FPN, heads={"masks": MASKS, "boxes": BOXES})) == parse(by_hand)


def test_what_comes_out_is_called_as_its_head() -> None:
    text = compose(BACKBONE, resolution=64, **NETWORKS["three heads"])
    maps = PlainNet(text, num_classes=None).eval()(torch.zeros(1, 3, 64, 64))
    assert {name: tuple(each.shape[1:]) for name, each in maps.items()} == {
        "heads.masks": (11, 16, 16),
        "heads.boxes.places_p3": (FOR_A_PLACE + 10, 8, 8),
        "heads.boxes.places_p4": (FOR_A_PLACE + 10, 4, 4),
        "heads.kinds": (5,),
    }
    vector = PlainNet(compose(BACKBONE, heads={"kinds": KINDS})).eval()(torch.zeros(1, 3, 64, 64))
    assert vector.shape == (1, 5)


def test_names_of_levels_and_of_the_author() -> None:
    text = compose(
        "ConvKX(stem|3,8,3,1)ConvKX(8,8,3,2)ConvKX(8,8,3,1)ConvKX(last|8,8,3,2)",
        heads={"a": MASKS | {"from": "backbone.c1"}},
    )
    labels = [block.label for block in parse(text).blocks]
    assert labels[:4] == ["backbone.stem", None, "backbone.c1", "backbone.last"]


def test_which_part_a_label_means() -> None:
    said = [
        "backbone.c2",
        "neck.p3",
        "heads.masks",
        "heads.boxes.p3",
        "backbone",
        "neck",
        "heads",
        "heads.",
        "stem",
        None,
    ]
    assert [part_of(label) for label in said] == ["backbone", "neck", "heads.masks", "heads.boxes"] + 6 * [None]
    plain = parse("ConvKX(stem|3,8,3,1)ConvKX(backbone.x|8,8,3,1)")
    assert block_places(plain) == ("blocks.0", "blocks.1")
    assert part_prefixes(block_places(plain)) == {"backbone": "blocks."}


def test_names_of_tensors_with_and_without_parts() -> None:
    places = block_places(parse(compose(BACKBONE, **NETWORKS["three heads"])))
    plain = tuple(f"blocks.{number}" for number in range(len(places)))
    for number, place in enumerate(places):
        name = f"blocks.{number}.conv1.weight"
        assert name_at(name, places) == f"{place}.conv1.weight"
        assert name_in_blocks(name_at(name, places), places) == name
        assert name_at(name_at(name, places), places) == name_at(name, places)
    assert name_at("backbone.3.conv1.weight", plain) == "blocks.3.conv1.weight"
    assert name_at("head.weight", places) == "head.weight"
    assert name_at("blocks.99.conv1.weight", places) == "blocks.99.conv1.weight"


DENSE = {"type": "dense", "num_classes": 3}
BAD: list[tuple[dict[str, Any], type[PlainnetError], str]] = [
    ({"heads": {}}, UsageError, "no head"),
    ({"heads": {f"h{number}": DENSE for number in range(101)}}, UsageError, "there are 101 heads; accepted: 1 to 100"),
    ({"heads": {"a": {**BOXES, "from": "backbone.c4", "depth": 10**9}}}, UsageError, "heads.a: depth is 1000000000"),
    ({"heads": {"a.b": DENSE}}, UsageError, "no name of a head"),
    (
        {"heads": {"a": {**DENSE, "type": "dens"}}},
        UsageError,
        "heads.a: there is no template 'dens'; did you mean dense",
    ),
    (
        {"heads": {"a": {"type": "dense", "classes": 3}}},
        UsageError,
        "heads.a: dense takes no classes; did you mean num_classes",
    ),
    ({"heads": {"a": {"type": "dense"}}}, UsageError, "heads.a: dense needs num_classes"),
    ({"heads": {"a": {**DENSE, "num_classes": 0}}}, UsageError, "heads.a: num_classes is 0"),
    ({"heads": {"a": {**DENSE, "blocks": "ConvKX(64,3,1,1)"}}}, UsageError, "either `type` or `blocks`"),
    ({"heads": {"a": 3}}, UsageError, "heads.a is 3"),
    (
        {"heads": {"a": {**DENSE, "from": "backbone.c9"}}},
        UsageError,
        "heads.a: there is no value backbone.c9; did you mean backbone.c",
    ),
    ({"heads": {"a": {**DENSE, "from": "heads.b"}, "b": DENSE}}, UsageError, "heads.a: heads.b is not there yet"),
    (
        {"neck": {**FPN, "from": ["neck.p3", "backbone.c3"]}, "heads": {"a": DENSE}},
        UsageError,
        "neck.p3 is not there yet",
    ),
    (
        {"heads": {"a": {**DENSE, "from": "neck.p3"}}},
        UsageError,
        "heads.a: there is no value neck.p3, as there is no neck",
    ),
    (
        {"neck": {"blocks": "ConvKX(64,8,1,1)", "from": "heads.a"}, "heads": {"a": DENSE}},
        UsageError,
        "neck: heads.a is not there yet",
    ),
    ({"heads": [DENSE]}, UsageError, "heads are [{'type': 'dense'"),
    ({"heads": {"a": {**DENSE, "from": ["backbone.c2", "backbone.c3"]}}}, UsageError, "takes one value"),
    ({"heads": {"a": {**DENSE, "from": []}}}, UsageError, "heads.a: from is"),
    ({"heads": {"a": "ConvKX(32,3,1,1)"}}, StructureError, "heads.a: ConvKX takes 32 channels and gets 64"),
    ({"heads": {"a": "ConvKX(64,3,1,1"}}, StructureError, "heads.a: the parenthesis"),
    ({"heads": {"a": "From(c9)ConvKX(64,3,1,1)"}}, UsageError, "heads.a: there is no value c9"),
    ({"heads": {"a": {**DENSE, "type": ["dense"]}}}, UsageError, "heads.a: there is no template ['dense']"),
    ({"heads": {"a": "From(c4)"}}, UsageError, "heads.a ends in nothing"),
    (
        {"neck": {**FPN, "from": ["backbone.c2", "backbone.c4"]}, "heads": {"a": DENSE}},
        UsageError,
        "neck: the levels of fpn are backbone.c2 of 16x16, backbone.c4 of 4x4; accepted: the largest map first",
    ),
    *(
        (
            {"neck": {"type": kind, **more, "from": ["backbone.c3", "backbone.c2"]}, "heads": {"a": DENSE}},
            UsageError,
            f"neck: the levels of {kind} are backbone.c3 of 8x8, backbone.c2 of 16x16",
        )
        for kind, more in (("fpn", {"channels": 8}), ("pan", {"channels": 8}), ("unet_decoder", {}))
    ),
    (
        {"neck": {"type": "dense", "num_classes": 2}, "heads": {"a": DENSE}},
        UsageError,
        "neck: there is no template 'dense'",
    ),
]


@pytest.mark.parametrize(("said", "kind", "message"), BAD)
def test_what_does_not_fit_is_said_of_its_component(
    said: dict[str, Any], kind: type[PlainnetError], message: str
) -> None:
    with pytest.raises(kind) as found:
        compose(BACKBONE, resolution=64, **said)
    assert message in str(found.value)


def test_a_backbone_that_is_none() -> None:
    call: Callable[[], str] = lambda: compose("ConvKX(3,8,3,1)ConvKX(16,8,3,1)", heads={"a": DENSE})  # noqa: E731
    with pytest.raises(StructureError, match="backbone: ConvKX takes 16 channels and gets 8"):
        call()


def test_a_head_that_torch_has_no_name_for() -> None:
    text = compose(BACKBONE, heads={"train": DENSE, "other": DENSE})
    with pytest.raises(UsageError, match=r"heads\.train cannot be built"):
        PlainNet(text)
