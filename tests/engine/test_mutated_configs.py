"""Configurations of trainings that are wrong at random: they are read and run, or the error names the file or the key."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from plainnet.configs import dump_python
from plainnet.engine.run.training_run import load_config
from tests.mutations import command, faults, places, wrong_json, wrong_text

NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
NAME, PYTHON = "wrong.yaml", "wrong.py"
SOURCE = {
    "_base_": "quick",
    "model": {"structure": NET},
    "data": {
        "augment": [{"type": "RandomCrop", "padding": 1}],
        "mixup": 0.2,
        "batch_size": 719,
        "val_batch_size": 360,
    },
    "evaluators": [{"type": "F1"}],
    "optim": {"groups": [{"match": "@no_decay", "weight_decay": 0}, {"match": "head.*", "lr": 0.2}]},
    "schedule": {"type": "cosine", "warmup": 0.5},
    "train": {"epochs": 2, "ema": 0.9, "freeze": [{"match": "blocks.0.*", "until": 1}], "clip_norm": 5.0},
    "checkpoint": {"best": "f1"},
    "log": {"tensorboard": False, "watch": ["head"]},
    "hooks": [{"type": "StepTimer"}],
    "device": "cpu",
}
"""Something of every section."""
FEW = (
    "train.by=epoch",
    "train.epochs=1",
    "train.iterations=null",
    "data.batch_size=719",
    "data.workers=0",
    "store=false",
)


def make_config(folder: Path) -> str:
    """A sound configuration, every key written out, as JSON."""
    del folder
    return json.dumps({key: value for key, value in load_config(SOURCE).plain().items() if key != "derived"})


@pytest.fixture(scope="module")
def config() -> str:
    return make_config(Path())


def readers(file: Path) -> Iterator[Callable[[], object]]:
    yield command("config", "show", file)
    yield command("config", "show", file, "--json")
    yield command("config", "explain", file)
    yield command("config", "check", file)
    yield command("train", file, "--dry-run", "--json", "data.workers=0")


def slow_readers(file: Path) -> list[Callable[[], object]]:
    """Those of which one is tried at a time."""
    return [
        command("train", file, *FEW, f"run={file.with_name('run')}"),
        command("data", "check", file, "--limit", 10, "--json"),
        command("config", "show", file, "--plot", "lr"),
    ]


def check(sound: str, folder: Path, seeds: Iterable[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    in_python = dump_python(json.loads(sound))
    for seed in seeds:
        draw = random.Random(seed)
        file = folder / (PYTHON if seed % 4 == 3 else NAME)
        file.write_bytes(wrong_text(in_python, draw) if file.suffix == ".py" else wrong_json(sound, draw))
        if names_code(file):
            continue
        shutil.rmtree(folder / "run", ignore_errors=True)
        found = faults([*readers(file), draw.choice(slow_readers(file))], file.name, *(f"{key}." for key in SOURCE))
        assert found == [], (seed, *found)


def names_code(file: Path) -> bool:
    """Whether a configuration names other code than sound ones do: that may be run."""
    if file.suffix == ".py":
        return is_code(file.read_bytes().decode("utf-8", "replace"))
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return False
    return any("type" in path[-1:] or "imports" in path for path in places(value) if is_code(at(value, path)))


def is_code(value: Any) -> bool:
    return isinstance(value, str) and any(word in value for word in ("os.", "os:", "trap"))


def at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize(
    "seeds",
    [
        (*range(3), 41_000_000, 97_007_005, 97_033_006, 97_094_003),
        *(pytest.param(range(first, first + 50), marks=pytest.mark.tail) for first in range(3, 303, 50)),
    ],
    ids=["short", "3", "53", "103", "153", "203", "253"],
)
def test_wrong_configurations_are_run_or_named(config: str, tmp_path: Path, seeds: Sequence[int]) -> None:
    check(config, tmp_path / "wrong", seeds)
