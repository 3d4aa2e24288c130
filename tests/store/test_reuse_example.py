"""The example that takes a backbone for a second task."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "reuse_a_backbone.py"


@pytest.mark.slow
def test_a_backbone_of_the_store_begins_another_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "none"))  # it sets its own, which is undone
    example = runpy.run_path(str(EXAMPLE))
    example["main"](tmp_path, epochs=1, scenes=64)
    out, err = capsys.readouterr()
    said = " ".join((out + err).split())
    assert "added networks/cls/digits_backbone.digits_r8 to the store" in said
    assert "loaded 18 of 26 tensors" in said
    assert "the backbone new: best mean IoU" in said
    assert "the backbone reused: best mean IoU" in said
    assert 0 < example["moved"](tmp_path) < 0.1, "one update of AdamW away from where it began, not drawn anew"
