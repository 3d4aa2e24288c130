"""`plainnet train CONFIG --help` lists what the engine and a trainer of yours take."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from plainnet.cli.train import train_command

MINE = """
from plainnet.engine import EpochBasedTrainer

class Mine(EpochBasedTrainer):
    def __init__(self, *, warmth: float = 0.5, tries: int = 3, **options):
        super().__init__(**options)
"""


def test_both_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    Path("own.yaml").write_text(
        "_base_: quick\ntrain: {epochs: 7, type: 'mine.py:Mine', arguments: {tries: 5}}\n", encoding="utf-8"
    )
    text = CliRunner().invoke(train_command, ["own.yaml", "--help"]).stdout
    for part in (
        "--processes",
        "Keys of own.yaml:",
        "train.epochs=7",
        "train.arguments.tries=5",
        "Largest norm of the",
    ):
        assert part in text
    assert "train.arguments.warmth=..." in text
    Path("own.yaml").write_text("_base_: quick\ntrain: {epoch: 7}\n")
    assert "cannot be read: " in CliRunner().invoke(train_command, ["own.yaml", "--help"]).stdout
    assert "Keys of" not in CliRunner().invoke(train_command, ["--help"]).stdout
