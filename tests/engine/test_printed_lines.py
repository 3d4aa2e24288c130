"""Lines that a training prints: broken between words on a terminal, whole in a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from plainnet.engine.run.run_files import print_line

PATH = "/a/folder/" + "deep/" * 20 + "run"
HEADLINE = (
    f"PlainNet of 1,234,567 parameters on digits-scenes (20,000 training and 10,000 validation images), cpu, run {PATH}"
)


@pytest.mark.parametrize("columns", [40, 80])
def test_a_line_is_broken_between_words_and_a_path_is_whole(columns: int) -> None:
    file = io.StringIO()
    print_line(Console(file=file, width=columns, force_terminal=True, color_system=None), HEADLINE)
    lines = file.getvalue().splitlines()
    assert len(lines) > 1
    assert all(len(line) <= columns for line in lines if line.strip() != PATH)
    assert " ".join(line.strip() for line in lines) == HEADLINE


def test_a_line_in_a_file_is_whole() -> None:
    file = io.StringIO()
    print_line(Console(file=file, width=80), f"note: [red]{HEADLINE}")
    assert file.getvalue() == f"note: [red]{HEADLINE}\n"
