"""Folders of searches over settings in which one file is wrong at random: they are read, or the file is named."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from plainnet.dashboard.kept import Kept
from plainnet.engine.run.training_run import load_config
from plainnet.engine.tuning import tuning
from plainnet.engine.tuning.tuning_folder import Asked, Trial, write_asked, write_line
from tests.mutations import command, faults, wrong_json, wrong_text

pytest.importorskip("optuna")
NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
VARY = ("optim.lr=1e-3:1:log", "train.ema=0.9:0.99", "optim.type=SGD,AdamW")
FILES = ("tune.json", "trials.jsonl", "best.yaml")


def make_tuning(folder: Path) -> Path:
    """A folder with two trials that are over, the second of which diverged, and one that was begun."""
    folder.mkdir(parents=True)
    options = ["model.structure=" + repr(NET), "train.epochs=1", "log.tensorboard=false", "device=cpu"]
    common = load_config({"_base_": "quick"}, overrides=options).plain()
    write_asked(
        folder, Asked(VARY, 5, 3, "accuracy", is_small=False), {k: v for k, v in common.items() if k != "derived"}
    )
    for number, value in enumerate((0.8, None, ...)):
        write_line(folder, trial=number, begun={"optim.lr": 0.1, "train.ema": 0.95, "optim.type": "SGD"})
        if value is not ...:
            write_line(folder, trial=number, value=value, round=None if value is None else 1)
    (folder / "best.yaml").write_text("_base_: trials/000/config.yaml\nrun: best\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tuning(tmp_path_factory.mktemp("tuned") / "sound")


def readers(folder: Path) -> Iterator[Callable[[], object]]:
    """What reads the folder of a search over settings."""
    run, quiet = folder / "wrong", Console(quiet=True)
    yield lambda: tuning.go_on_tuning(run, console=quiet)
    yield lambda: tuning.go_on_tuning(run, trials=1, console=quiet).as_dict()
    yield lambda: str(tuning.go_on_tuning(run, trials=4, console=quiet))
    yield command("tune", run, "--trials", 1)
    yield command("runs", "list", folder)
    yield command("runs", "show", run)
    yield command("report", run, "-o", folder / "page.html")
    yield lambda: list(Kept(folder).entries())
    yield command("config", "check", run / "best.yaml")


def check(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    run = folder / "wrong"

    def is_over(folder: Path, trial: Trial, console: Any) -> str:  # noqa: ARG001
        trial.is_over, trial.value, trial.round = True, 0.7, 1
        return "SIGTERM" if trial.number > 5 else ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "_train", is_over)
        for seed in seeds:
            draw = random.Random(seed)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(sound, run)
            file = run / draw.choice(FILES)
            wrong = wrong_text if file.suffix == ".yaml" else wrong_json
            file.write_bytes(wrong(file.read_text(encoding="utf-8"), draw))
            found = faults(readers(folder), "wrong")
            assert found == [], (seed, file.name, *found)


@pytest.mark.parametrize(
    "seeds", [(*range(4), 91_002_000), pytest.param(range(4, 300), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_wrong_tunings_are_read_or_named(tuned: Path, tmp_path: Path, seeds: Sequence[int]) -> None:
    check(tuned, tmp_path / "tunings", seeds)


def test_a_sound_one_goes_on(tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fuzzer begins with is read by all: else it would try nothing."""
    shutil.copytree(tuned, tmp_path / "wrong")
    monkeypatch.setattr(tuning, "_train", lambda *_: "SIGTERM")
    found = tuning.go_on_tuning(tmp_path / "wrong", console=Console(quiet=True))
    assert (found.stopped_by, found.best, len(found.trials)) == ("SIGTERM", 0, 3)
    assert found.as_dict()["trials"][2]["is_over"] is False
