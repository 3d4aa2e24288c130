"""Lint says which blocks, and layers inside of blocks, nothing depends on."""

from __future__ import annotations

import pytest

from plainnet import parse
from plainnet.blocks.formats.lint import lint
from plainnet.blocks.rows.shapes import Shape


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("ConvKX(stem|3,8,3,1)ConvKX(8,16,3,1)From(stem)RELU(8)", {1: "on ConvKX(8,16,3,1):"}),
        ("ConvKX(3,8,3,1)Zero(8,1)RELU(8)", {0: "on ConvKX(3,8,3,1):"}),
        ("ConvKX(3,8,3,1)MultiSumBlock(ConvKX(8,8,3,1)Zero(8,1);BN(8))", {1: "on sum1.branch1.0.conv1 of Multi"}),
        ("ConvKX(a|3,8,3,1)ConvKX(b|8,16,3,1)ConvKX(16,8,1,1)Outputs(a,b)", {2: "on ConvKX(16,8,1,1):"}),
        ("ConvKX(a|3,8,3,1)ConvKX(8,8,3,1)MultiSumBlock(BN(8);From(a))", {}),
        ("ConvKX(3,8,3,1)BN(8)", {}),
    ],
)
def test_dead_blocks(text: str, dead: dict[int, str]) -> None:
    found = {each.block: each.message for each in lint(parse(text), Shape(3, 32, 32)) if each.rule == "dead"}
    assert found.keys() == dead.keys()
    assert all(part in found[block] for block, part in dead.items())
