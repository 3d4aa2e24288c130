"""Files of trained weights made wrong at random: every command that reads them reads them, or names the file."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from rich.console import Console

from plainnet.engine.run.schema import recipes
from plainnet.engine.run.training_run import load_config, train
from plainnet.errors import PlainnetError
from plainnet.files.tensor_files import read_metadata, read_tensors
from plainnet.naming import resolve
from tests.mutations import command, fault_of, faults, header_of, sealed, wrong_weights

NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
SCENES = ["data.train=12", "data.val=6", "data.batch_size=6", "data.val_batch_size=4"]
RUNS = {
    "quick": [f"model.structure='{NET}'"],
    "segment": [*SCENES, "model.structure='ConvKXBNRELU(1,8,3,2)ConvKX(mask|8,11,1,1)Outputs(mask)'"],
    "detect": [*SCENES, "model.structure='ConvKXBNRELU(1,8,3,4)ConvKX(a|8,15,1,1)ConvKX(b|15,15,3,2)Outputs(a,b)'"],
}
FEW = ("train.epochs=1", "data.batch_size=719", "log.tensorboard=false", "device=cpu")
CONFIG = """
_base_: quick
model: {{structure: "{net}"}}
task:
  _delete_: true
  type: Distillation
  teacher: {{structure: "{net}", weights: "{weights}"}}
  losses: [{{type: CrossEntropy}}, {{type: DistillLogits}}]
run: {run}
"""
NAME = "wrong.safetensors"
IMAGE = Path(__file__).parents[2] / "examples" / "data" / "digit-1.png"


def make_weights(folder: Path) -> list[Path]:
    """The weights of a small training of each task that reads images."""
    found = []
    for recipe, options in RUNS.items():
        common = ["train.epochs=1", "log.tensorboard=false", "device=cpu", f"run={folder / recipe}"]
        train(load_config(recipes()[recipe], overrides=[*options, *common]), console=Console(quiet=True))
        found.append(folder / recipe / "best.safetensors")
    return found


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_weights(tmp_path_factory.mktemp("trained"))


def readers(file: Path, out: Path) -> Iterator[Callable[[], object]]:
    """What reads a file of weights, quick ones first."""
    yield lambda: read_metadata(file)
    yield lambda: read_tensors(file, ours=True)
    yield lambda: resolve(str(file))
    yield command("analyze", file, "--no-latency", "--no-zen")
    yield command("predict", file, IMAGE, "--json")
    yield command("store", "import", file, "--as", NET, "--name", "net", "--store", out / "models", "--dry-run")


def slow_readers(file: Path, out: Path) -> list[Callable[[], object]]:
    """Those of which one is tried at a time."""
    return [
        command("evaluate", file),
        command("score", file, "--proxy", "composite"),
        command("export", file, "--to", "plainnet", "--out", out / "export", "--force"),
        command("export", file, "--to", "pytorch", "--out", out / "export", "--force"),
        taught(file, out),
        command("train", NET, *FEW, f"model.weights={file}", f"run={out / 'run'}"),
    ]


def taught(file: Path, out: Path) -> Callable[[], object]:
    """A training whose teacher has the weights of the file."""
    text = CONFIG.format(net=NET, weights=file, run=out / "run")

    def call() -> object:
        (out / "taught.yaml").write_text(text, encoding="utf-8")
        return command("train", out / "taught.yaml", *FEW)()

    return call


def check(weights: list[Path], folder: Path, seeds: Iterable[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        draw = random.Random(seed)
        file = folder / NAME
        shutil.rmtree(folder / "run", ignore_errors=True)
        file.write_bytes(wrong_weights(draw.choice(weights).read_bytes(), draw))
        found = faults([*readers(file, folder), draw.choice(slow_readers(file, folder))], NAME)
        assert found == [], (seed, *found)


@pytest.mark.parametrize(
    "seeds", [(*range(6), 5_005_005), pytest.param(range(6, 200), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_wrong_weights_are_read_or_named(weights: list[Path], tmp_path: Path, seeds: Sequence[int]) -> None:
    check(weights, tmp_path, seeds)


@pytest.mark.slow
def test_sound_weights_are_read_by_every_reader(weights: list[Path], tmp_path: Path) -> None:
    for number, read in enumerate([*readers(weights[0], tmp_path), *slow_readers(weights[0], tmp_path)]):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        read()
        assert (tmp_path / "run").exists() == (number in (10, 11)), number


@pytest.mark.slow
@pytest.mark.parametrize("key", ["task.teacher.weights", "model.weights"])
def test_wrong_weights_teach_nobody(weights: list[Path], tmp_path: Path, key: str) -> None:
    """Weights of a teacher, and those that a training begins with, are data like any others."""
    data, file = weights[0].read_bytes(), tmp_path / NAME
    header, behind = header_of(data)
    about = header["__metadata__"]
    for wrong in (
        data[:-1],
        sealed(
            {**header, "__metadata__": {**about, "model": '{"type": "os.system", "command": "touch x"}'}}, behind[:-4]
        ),
        sealed({name: entry for name, entry in header.items() if "weight" not in name}, behind),
        sealed({**header, "head.weight": {**header["head.weight"], "dtype": "I32"}}, behind),
    ):
        file.write_bytes(wrong)
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        read = taught(file, tmp_path)
        if key == "model.weights":
            read = command("train", NET, *FEW, f"model.weights={file}", f"run={tmp_path / 'run'}")
        with pytest.raises(PlainnetError, match=NAME):
            read()
        assert fault_of(read, NAME) == ""


def test_most_of_what_is_tried_is_refused(weights: list[Path], tmp_path: Path) -> None:
    """The fuzzer would find nothing in files that are as good as those that they were."""
    refused = 0
    for seed in range(40):
        (tmp_path / NAME).write_bytes(wrong_weights(weights[0].read_bytes(), random.Random(seed)))
        try:
            command("predict", tmp_path / NAME, IMAGE)()
        except Exception:
            refused += 1
    assert refused > 20
    assert torch.get_num_threads() == 1
