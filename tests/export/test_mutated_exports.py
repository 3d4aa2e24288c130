"""Exported folders in which one file is wrong at random: they are read, or named, and nothing outside of them is touched."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from plainnet.naming import resolve
from tests.mutations import command, faults, wrong_json

NET = "SuperConvK3BNRELU(3,4,2,1)SuperConvK1BNRELU(4,8,1,1)"


def make_export(folder: Path) -> Path:
    """An exported folder."""
    command("export", NET, "--to", "pytorch", "--resolution", 16, "--num-classes", 3, "--out", folder)()
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_export(tmp_path_factory.mktemp("exported") / "sound")


def readers(folder: Path) -> Iterator[Callable[[], object]]:
    """What reads an exported folder."""
    yield lambda: resolve(str(folder))
    yield command("analyze", folder, "--no-latency", "--no-zen", "--json")
    yield command("export", folder, "--to", "plainnet", "--out", folder.with_name("again"), "--force")
    yield command("export", NET, "--to", "pytorch", "--resolution", 16, "--out", folder, "--force")


def check(sound: Path, place: Path, seeds: Iterable[int]) -> None:
    for seed in seeds:
        draw = random.Random(seed)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(sound, place / "wrong")
        (place / "x").write_text("of somebody else", encoding="utf-8")
        file = place / "wrong" / "provenance.json"
        file.write_bytes(wrong_json(file.read_text(encoding="utf-8"), draw))
        found = faults(readers(place / "wrong"), "wrong")
        assert found == [], (seed, *found)
        assert (place / "x").read_text(encoding="utf-8") == "of somebody else", seed


@pytest.mark.parametrize(
    "seeds", [range(6), pytest.param(range(6, 300), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_wrong_exports_are_read_or_named(exported: Path, tmp_path: Path, seeds: range) -> None:
    check(exported, tmp_path / "place", seeds)
