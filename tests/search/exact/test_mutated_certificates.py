"""Certificates and kept exact searches made wrong at random: they are read, refuted, or named."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.mutations import command, faults, wrong_json, wrong_value
from tests.search.exact.test_optimum import LIMITS, SMALL
from tests.search.resealed import reseal

NAME = "wrong.json"
STATE = "optimum"


def make_optimum(folder: Path) -> Path:
    """A folder with a space, a certificate, and the run that it is of."""
    folder.mkdir(parents=True)
    space = folder / "small.yaml"
    space.write_text(json.dumps(SMALL), encoding="utf-8")
    limits = [word for name, value in LIMITS.items() for word in (f"--max-{name}", value)]
    command("optimum", space, *limits, "--gap", "5%", "--certificate", folder / "proof.json", "--out", folder / "run")()
    return folder


@pytest.fixture(scope="module")
def optimum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_optimum(tmp_path_factory.mktemp("optimum") / "sound")


def check_certificates(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = (sound / "proof.json").read_text(encoding="utf-8")
    for seed in seeds:
        draw = random.Random(seed)
        if draw.random() < 0.5:
            data = wrong_json(text, draw)
        else:  # its configuration is JSON inside of JSON
            values = json.loads(text)
            values[0]["config"] = wrong_json(values[0]["config"], draw).decode("utf-8", "replace")
            data = json.dumps(values).encode()
        (folder / NAME).write_bytes(data)
        found = faults([command("optimum", "--verify", folder / NAME)], NAME, "IT DOES NOT HOLD")
        assert found == [], (seed, *found)


def run_readers(run: Path) -> Iterator[Callable[[], object]]:
    """What reads a kept exact search."""
    yield command("runs", "show", run)
    yield command("runs", "show", run, "--json")
    yield command("runs", "list", run.parent)
    yield command("report", run, "-o", run.with_name("page.html"))
    yield command("optimum", "--resume", run)


def check_runs(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    run = folder / "wrong"
    for seed in seeds:
        draw = random.Random(seed)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound / "run", run)
        with closing(sqlite3.connect(run / "run.sqlite")) as connection:
            (text,) = connection.execute("SELECT value FROM run WHERE key = ?", (STATE,)).fetchone()
            state = json.dumps(wrong_value(json.loads(text), draw))
            connection.execute("UPDATE run SET value = ? WHERE key = ?", (state, STATE))
            connection.commit()
        reseal(run / "run.sqlite")
        found = faults(run_readers(run), "wrong")
        assert found == [], (seed, *found)


@pytest.mark.parametrize(
    "seeds",
    [
        (*range(5), 9_010_025, 31_019_026, 51_009_005, 92_010_017, 95_099_008),
        pytest.param(range(5, 100), marks=pytest.mark.tail),
    ],
    ids=["short", "long"],
)
def test_wrong_certificates_are_read_or_named(optimum: Path, tmp_path: Path, seeds: Sequence[int]) -> None:
    check_certificates(optimum, tmp_path, seeds)


@pytest.mark.parametrize(
    "seeds",
    [(*range(5), 501_001, 31_028_004, 41_002_003), pytest.param(range(5, 100), marks=pytest.mark.tail)],
    ids=["short", "long"],
)
def test_wrong_exact_searches_are_read_or_named(optimum: Path, tmp_path: Path, seeds: Sequence[int]) -> None:
    check_runs(optimum, tmp_path / "runs", seeds)
