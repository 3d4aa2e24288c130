"""What the page for those who come from elsewhere shows of configurations is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from plainnet.engine.run.schema import TrainConfig
from plainnet.engine.run.training_run import load_config

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "coming-from.md"


def fragments() -> list[str]:
    """The settings in the right columns of the tables, but for those that name files of the reader's."""
    rows = [line.split(" | ", 1)[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    spans = [span for row in rows for span in re.findall(r"`([^`]+)`", row)]
    keys = "|".join(TrainConfig.model_fields)
    return [span for span in spans if re.match(rf"({keys})[\w.]*: ", span) and "mine.py" not in span]


def test_there_are_settings() -> None:
    assert len(fragments()) >= 10


@pytest.mark.parametrize("fragment", fragments())
def test_the_settings_are_right(fragment: str) -> None:
    said = YAML(typ="safe").load(fragment)
    (key,) = said
    load_config({"_base_": "quick", **said})
    assert key.partition(".")[0] in TrainConfig.model_fields


def rows() -> list[str]:
    """The rows of all tables, without their heads."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith(("| there |", "| --- |"))]


@pytest.mark.parametrize("row", rows())
def test_every_row_names_a_test_that_there_is(row: str) -> None:
    found = re.search(r"\| `(test_\w+\.py)::(test_\w+)` \|$", row)
    assert found is not None, "the third column says which test shows it"
    assert any(f"def {found[2]}(" in file.read_text(encoding="utf-8") for file in TESTS.rglob(found[1]))


def test_every_system_has_a_table() -> None:
    heads = re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert heads == ["MMEngine", "vision3d-engine", "video_analyst", "TorchPilot", "What is not here"]
    assert len(rows()) > 40
