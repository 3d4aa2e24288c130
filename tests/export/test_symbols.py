"""Integers that remember where they come from."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest

from plainnet.export.source.symbols import Symbol, expression

depth, width = Symbol(3, "depth"), Symbol(16, "width")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2 * depth - 1, "2 * depth - 1"),
        (depth - 1 + 1, "depth - 1 + 1"),
        (2 * (depth - 1), "2 * (depth - 1)"),
        (10 - (depth - 1), "10 - (depth - 1)"),
        (width // 2 // 2, "width // 2 // 2"),
        (width // (2 * depth), "width // (2 * depth)"),
        (width * depth + width, "width * depth + width"),
        (width - depth - 1, "width - depth - 1"),
        (1 * width, "width"),
        (width + 0, "width"),
        (sum([width, width]), "width + width"),
        (width - 0, "width"),
        (width // 1, "width"),
    ],
)
def test_an_expression_has_the_value_that_it_says(value: int, text: str) -> None:
    assert expression(value) == text
    assert eval(text, {"depth": 3, "width": 16}) == value


@pytest.mark.parametrize("value", [round(0.25 * width), int(width), -width, width % 3, 8])
def test_what_is_not_followed_is_a_plain_number(value: int) -> None:
    assert expression(value) is None


def test_a_symbol_is_the_number() -> None:
    assert width == 16
    assert hash(width) == hash(16)
    assert list(range(depth)) == [0, 1, 2]
    assert max(8, width) is width
    assert width * 0.5 == 8.0
    assert [str(width), repr(width), f"{width}", f"{width:>3}", json.dumps(width)] == ["16"] * 3 + [" 16", "16"]
    assert {"16": "found"}[str(width)] == "found"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda symbol: pickle.loads(pickle.dumps(symbol))])
def test_a_copy_of_a_symbol_keeps_its_name(copied: Callable[[int], int]) -> None:
    assert copied(depth) == 3
    assert expression(copied(2 * depth - 1)) == "2 * depth - 1"
