"""The notebook of the examples: it runs, and shows what it has stored."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="extra: test")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def shown(notebook: Any) -> list[list[tuple[str, tuple[str, ...]]]]:
    """The kinds of output of each cell with code."""
    return [
        [(output.output_type, tuple(sorted(output.get("data", ())))) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def read(path: Path) -> Any:
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_stored_with_what_it_showed(path: Path) -> None:
    notebook = read(path)
    assert all(shown(notebook))
    html = [output.data["text/html"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output
            and "text/html" in output.data]  # fmt: skip
    assert sum("<table" in each for each in html) >= 3
    assert not any(kind == "error" for cell in shown(notebook) for kind, _ in cell)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    stored = read(path)
    again = copy.deepcopy(stored)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the kernel's own libraries say of each other
        from nbclient import NotebookClient

        NotebookClient(again, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert shown(again) == shown(stored)
