"""Folders of trainings in which one file is wrong at random: commands and pages read them, or name the file."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from plainnet.dashboard.kept import Kept
from plainnet.dashboard.views import compared, view_of
from plainnet.engine.run.training_run import load_config, train
from tests.mutations import command, faults, wrong_json

NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
FILES = ("summary.json", "log.jsonl", "changes.jsonl")
CHANGE = '{"after_update": 4, "changed": {"optim.lr": {"from": 0.1, "to": 0.2}}, "at": "2030-01-01T00:00:00+00:00"}\n'


def make_training(folder: Path) -> Path:
    """A finished run of two epochs, with a change in it."""
    options = ["model.structure=" + repr(NET), "train.epochs=2", "log.tensorboard=false", f"run={folder}", "device=cpu"]
    train(load_config({"_base_": "quick"}, overrides=options), console=Console(quiet=True))
    (folder / "changes.jsonl").write_text(CHANGE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training(tmp_path_factory.mktemp("trained") / "sound")


def readers(folder: Path) -> Iterator[Callable[[], object]]:
    """What reads the files of a training."""
    run, store = folder / "wrong", folder / "models"
    yield command("runs", "show", run)
    yield command("runs", "show", run, "--json")
    yield command("runs", "list", folder)
    yield command("report", run, "-o", folder / "page.html")
    yield command("report", folder, "-o", folder / "pages.html")
    yield lambda: view_of(Kept(folder), "wrong", live="")
    yield lambda: compared(Kept(folder), ["wrong", "sound"], live="")
    yield command("store", "add", run, "--store", store, "--name", "net", "--tag", "one")
    yield command("train", run)


def check(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    run = folder / "wrong"
    for seed in seeds:
        draw = random.Random(seed)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder / "sound")
        shutil.copytree(sound, run)
        file = run / draw.choice(FILES)
        file.write_bytes(wrong_json(file.read_text(encoding="utf-8"), draw))
        found = faults(readers(folder), "wrong")
        assert found == [], (seed, file.name, *found)
        lines = [json.loads(line) for line in command("runs", "list", folder, "--json")().splitlines()]
        assert {Path(line["run"]).name for line in lines} == {"wrong", "sound"}, seed
        assert {entry.path for entry in Kept(folder).entries()} >= {"wrong", "sound"}, seed


@pytest.mark.parametrize(
    "seeds", [range(2), pytest.param(range(2, 200), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_wrong_logs_are_read_or_named(training: Path, tmp_path: Path, seeds: range) -> None:
    check(training, tmp_path / "runs", seeds)
