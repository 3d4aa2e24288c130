"""The pictures of pages in the documents: few, small, all of them shown, and what the command that makes them makes."""

from __future__ import annotations

import ast
import re
import struct
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"


def test_the_pictures_are_those_of_the_command_and_of_the_documents() -> None:
    tree = ast.parse((ROOT / "docs" / "screenshots.py").read_text())
    (shots,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "SHOTS"
    )
    assert isinstance(shots, ast.Dict)
    made = {f"{ast.literal_eval(key)}.png" for key in shots.keys if key is not None}
    assert {path.name for path in PICTURES.iterdir()} == made
    texts = [(ROOT / name).read_text() for name in ("README.md", "docs/pages.md")]
    shown = {name for text in texts for name in re.findall(r"!\[[^\]]{20,}\]\((?:docs/)?pictures/([^)]*)\)", text)}
    assert shown == made, "each with a text for those who cannot see it"


def test_pictures_are_small() -> None:
    for path in PICTURES.iterdir():
        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert len(data) < 150_000, path.name
        assert (width, 300 < height < 1_600) == (1_180, True), path.name
