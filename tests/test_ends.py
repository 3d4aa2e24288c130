"""What is declared of the environment agrees with itself; `make test-ends` runs a smoke set at the low end."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOW = re.compile(r"^([\w.\-]+)(?:\[[\w,]+\])?>=([\w.]+)(?:,<([\w.]+))?$")


def test_every_dependency_says_its_oldest_version() -> None:
    extras = [requirement for extra in PROJECT["optional-dependencies"].values() for requirement in extra]
    assert [requirement for requirement in [*PROJECT["dependencies"], *extras] if not LOW.match(requirement)] == []


def test_the_pinned_torch_is_within_the_range() -> None:
    (pinned,) = re.findall(r"^torch==([\d.]+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    (torch,) = [requirement for requirement in PROJECT["dependencies"] if requirement.startswith("torch")]
    found = LOW.match(torch)
    assert found
    low, high = (tuple(map(int, part.split("."))) for part in found.groups()[1:])
    assert low <= tuple(map(int, pinned.split("."))) < high


def test_no_address_is_invented() -> None:
    assert "urls" not in PROJECT
