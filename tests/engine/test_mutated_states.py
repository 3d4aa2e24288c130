"""Checkpoints in which one file is wrong at random: a run goes on from them, or says what is damaged."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from plainnet.engine.checkpoints import checkpoint
from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint
from plainnet.engine.run.training_run import load_config, train
from tests.mutations import command, faults, header_of, sealed, wrong_json, wrong_weights

NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"


def make_run(folder: Path) -> Path:
    """A finished run of an epoch of two updates."""
    options = ["train.epochs=1", "data.batch_size=719", "log.tensorboard=false", f"run={folder}", "device=cpu"]
    train(
        load_config({"_base_": "quick"}, overrides=[f"model.structure={NET!r}", *options]), console=Console(quiet=True)
    )
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("trained") / "sound")


def make_wrong(folder: Path, draw: random.Random) -> str:
    """Change one file of a checkpoint, and give it a digest that is right: anybody can compute it; which file it is."""
    name = draw.choice(["state.json"] * 3 + ["state.safetensors", "model.safetensors"])
    file, tensors = folder / name, folder / "state.safetensors"
    if name != "state.json":
        file.write_bytes(wrong_weights(file.read_bytes(), draw))
        return name
    data = wrong_json(file.read_text(encoding="utf-8"), draw)
    file.write_bytes(data)
    header, behind = header_of(tensors.read_bytes())
    digest = checkpoint._digest(data.decode("utf-8", "replace"))
    about = {**header["__metadata__"], checkpoint.STRUCTURE: digest}
    tensors.write_bytes(sealed({**header, "__metadata__": about}, behind))
    return name


def readers(folder: Path, state: Path) -> Iterator[Callable[[], object]]:
    yield lambda: load_checkpoint(state)
    yield command("train", folder, "train.epochs=2")
    yield command("store", "add", folder, "--store", folder.with_name("models"), "--name", "net", "--tag", "one")


def check(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    run = folder / "wrong"
    for seed in seeds:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, run)
        state = checkpoints(run / "checkpoints")[-1]
        name = make_wrong(state, random.Random(seed))
        found = faults(readers(run, state), "wrong")
        assert found == [], (seed, name, *found)


@pytest.mark.parametrize(
    "seeds",
    [(*range(2), 501_001, 6_001_002, 93_024_000), pytest.param(range(2, 150), marks=pytest.mark.tail)],
    ids=["short", "long"],
)
def test_wrong_checkpoints_are_gone_on_from_or_named(run: Path, tmp_path: Path, seeds: Sequence[int]) -> None:
    check(run, tmp_path / "runs", seeds)


def test_what_is_made_wrong_has_a_digest_that_is_right(run: Path, tmp_path: Path) -> None:
    """Or nothing behind the comparison of digests would be reached."""
    reached = 0
    for seed in range(20):
        shutil.rmtree(tmp_path, ignore_errors=True)
        shutil.copytree(run, tmp_path)
        state = checkpoints(tmp_path / "checkpoints")[-1]
        if make_wrong(state, random.Random(seed)) == "state.json":
            try:
                json.loads((state / "state.json").read_text(encoding="utf-8", errors="replace"))
                load_checkpoint(state)
            except Exception as error:
                assert "SHA-256" not in str(error)
            else:
                reached += 1
    assert reached > 3
