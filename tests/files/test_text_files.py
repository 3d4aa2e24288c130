"""JSON that a user gives."""

from __future__ import annotations

import pytest

from plainnet.errors import UsageError
from plainnet.files.text_files import json_value


@pytest.mark.parametrize("number", ["1e999", "-1E+400", "1" * 400, "-" + "9" * 5000])
def test_numbers_beyond_all_floats_are_no_json_of_ours(number: str) -> None:
    """Or they would be infinite, or end whoever compares them with a number."""
    with pytest.raises(UsageError, match=r"^here: no JSON: .* is too large for a number$"):
        json_value(f'{{"a": [{number}]}}', "here")
    assert json_value(f'["{number}", 1e300, 1e-999]', "here") == [number, 1e300, 0.0]


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "no JSON"), ("NaN", "NaN is no number"), ("[" * 100_000, "nested too deep"), ('"\\ud800"', "no JSON")],
)
def test_what_is_no_json_is_said_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"^here: .*{why}"):
        json_value(text, "here")
