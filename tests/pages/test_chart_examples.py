"""What is drawn is what was drawn before, to the character: who changes a drawing, looks at it, and draws the examples anew."""

from __future__ import annotations

import pytest

from tests.pages.chart_examples import FOLDER, drawings, split

DRAWN = drawings()


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_the_one_that_is_kept(name: str) -> None:
    assert split(DRAWN[name]) == (FOLDER / f"{name}.html").read_text(), "python -m tests.pages.chart_examples"


def test_no_other_drawing_is_kept() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(DRAWN)
