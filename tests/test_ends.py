"""What is declared of the environment agrees with itself; `make test-ends` runs a smoke set at the low end."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

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


def test_everything_that_is_kept_goes_into_a_source_distribution() -> None:
    """By folders and files at the top; `.ci/run` compares every file with what was built."""
    if not (ROOT / ".git").exists():
        pytest.skip("an unpacked source distribution knows of no other files")
    said = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    named = {name for line in said if line.split()[:1] in (["include"], ["graft"]) for name in line.split()[1:]}
    always = {"MANIFEST.in", "README.md", "LICENSE", "pyproject.toml", "setup.py", "plainnet"}
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in kept.splitlines()} - named - always == set()
