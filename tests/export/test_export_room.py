"""The room itself: what it takes from other modules is public."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import plainnet.export

FILES = sorted(Path(plainnet.export.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_private_is_imported(file: Path) -> None:
    assert len(FILES) > 20
    imported = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imported if node.module != "__future__" for alias in node.names}
    assert not {name for name in names if name.startswith("_") and name != "__version__"}
