"""What `analyze --json` printed is a network again, as it was analysed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import plainnet
from plainnet.errors import PlainnetError
from tests.mutations import command

NET = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)"


def test_an_analysis_is_read_as_it_was_made(tmp_path: Path) -> None:
    asked = ("--no-latency", "--no-zen", "--json")
    file = tmp_path / "a.json"
    first = command("analyze", NET, "--use-se", "--resolution", "32x48", "--num-classes", 7, *asked)()
    file.write_text(first)
    again = json.loads(command("analyze", file, *asked)())
    for name in ("structure", "input", "variant", "num_classes", "params", "macs", "operations"):
        assert again[name] == json.loads(first)[name], name
    assert again["variant"] == {"use_se": True}
    smaller = plainnet.resolve(file).saying(resolution=16)
    assert (smaller.size, smaller.variant.value.use_se) == ((16, 16), True)


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": {"use_sex": True}},
        {"variant": None},
        {"input": [3, 32]},
        {"input": "abc"},
        {"num_classes": None},
        {"num_classes": -1},
        {"input": [3, 0, 8]},
    ],
    ids=str,
)
def test_a_damaged_analysis_is_named(tmp_path: Path, changes: dict[str, object]) -> None:
    file = tmp_path / "a.json"
    said = json.loads(command("analyze", NET, "--no-latency", "--no-zen", "--json")())
    file.write_text(json.dumps({**said, **changes}))
    with pytest.raises(PlainnetError, match=r"a\.json"):
        plainnet.resolve(file)


def test_other_reports_are_no_networks(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text(command("score", NET, "--use-se", "--resolution", 32, "--json")())
    with pytest.raises(PlainnetError, match=r"scores\.json is a report of a command's --json, and no structure"):
        plainnet.resolve(file)
