"""Files of weights and checkpoints that somebody else wrote: they name no code; faults are said by file and field."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from plainnet.engine import Predictor
from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.training_run import load_config, resume, train
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.files.tensor_files import read_tensors, write_tensors

NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
MINE = """
import os
from os import system
from torch import nn
class Net(nn.Sequential):
    def __init__(self, *, classes):
        super().__init__(nn.Flatten(), nn.Linear(64, classes))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that stopped after its second update."""
    folder = tmp_path_factory.mktemp("run") / "run"
    stop = f"{Path(__file__).parent}/engine_models.py:StopAfter"
    source = {
        "_base_": "quick",
        "model": {"_delete_": True, "type": "PlainNet", "structure": NET},
        "data": {"batch_size": 719},
        "train": {"epochs": 2},
        "log": {"tensorboard": False},
        "device": "cpu",
        "hooks": [{"type": stop, "updates": 3}],
        "run": str(folder),
    }
    train(load_config(source), console=Console(quiet=True))
    return folder


@pytest.fixture
def crafted(run: Path, tmp_path: Path) -> Callable[..., Path]:
    """The weights of the run with other metadata: None takes one away."""

    def write(**about: str | None) -> Path:
        weights, metadata = read_tensors(run / "last.safetensors", ours=True)
        changed = {**metadata, **about}
        path = tmp_path / "crafted.safetensors"
        write_tensors(path, weights, metadata={key: value for key, value in changed.items() if value is not None})
        return path

    return write


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "os:system",
        "posix.system",
        "builtins.eval",
        "subprocess.Popen",
        "plainnet.engine.run.training_run.train",
        "plainnet.engine.checkpoints.checkpoint:clear",
        "shutil:rmtree",
        "torch.load",
        "torch.nn.Module.load_state_dict",
        "torch.nn:functional",
        "mine.py:Net",
        "/tmp/mine.py:Net",
        "mine.Net",
        "__import__",
        "eval",
        "..",
        ":",
        ".system",
        "os.",
        "",
    ],
)
@pytest.mark.parametrize("field", ["model", "task", "nested"])
def test_a_file_names_no_code(
    crafted: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, field: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{MINE}")
    spec: dict[str, Any] = {"type": name, "command": f"touch {tmp_path / 'ran'}"}
    if field == "nested":
        spec, field = {"type": "PlainNet", "structure": NET, "limits": spec}, "model"
    with pytest.raises((UsageError, RunError), match=r"crafted.safetensors"):
        Predictor(crafted(**{field: json.dumps(spec)}))
    assert not (tmp_path / "ran").exists()


def test_what_the_user_names_may_be_named(tmp_path: Path) -> None:
    """By the file that it was trained from, wherever that lies now; only what the file itself defines."""
    file = tmp_path / "elsewhere" / "named.py"
    file.parent.mkdir()
    file.write_text(MINE)
    registry = Registry([str(file)])
    for name in ("named.py:Net", "old/place/named.py:Net", "named.Net", "Net"):
        assert registry.find_from_data("model", name).__name__ == "Net"
    for name in ("named.py:system", "named.py:os", "named.py:nn", "named.system", "other.py:Net"):
        with pytest.raises(UsageError, match=r"a file cannot name code"):
            registry.find_from_data("model", name)
    for name in (
        "torch.nn.ReLU",
        "torch.nn:SiLU",
        "ReLU",
        "plainnet.network.plain_net:PlainNet",
        "plainnet.net:PlainNet",
    ):
        assert issubclass(registry.find_from_data("part", name), torch.nn.Module)


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("model", None, "does not say which network"),
        ("task", None, "is damaged: its metadata do not say task"),
        ("classes", None, "is damaged: its metadata do not say classes"),
        ("model", "{", "is damaged: model: Invalid JSON"),
        ("model", "[" * 100_000, "is damaged: model: Invalid JSON"),
        ("model", "[]", "is damaged: model"),
        ("model", "{}", "is damaged: model.type"),
        ("model", '{"type": 3}', "is damaged: model.type"),
        ("model", '{"type": "PlainNet"}', "is damaged: its network cannot be made"),
        ("model", '{"type": "PlainNet", "structure": 7}', "is damaged: its network cannot be made"),
        ("model", '{"type": "PlainNet", "structure": "SuperConv("}', "is damaged: its network cannot be made"),
        ("model", f'{{"type": "PlainNet", "structure": "{NET}", "num_classes": 1e9}}', "num_classes"),
        ("model", f'{{"type": "PlainNet", "structure": "{NET}", "num_classes": 999999999}}', "head.weight"),
        ("model", f'{{"type": "PlainNet", "structure": "{NET}", "colour": 1}}', "colour"),
        ("model", '{"type": "PlainNet", "structure": "SuperConvK3BNRELU(1,1000000,1,1)"}', "is damaged"),
        ("model", '{"type": "timm", "name": "resnet18", "pretrained": true}', "model: a file of weights fetches none"),
        ("model", '{"type": "timm", "name": "resnet18", "checkpoint_path": "x"}', "fetches none: checkpoint_path"),
        ("model", '{"type": "timm", "name": "hf-hub:someone/net"}', "fetches none: name"),
        ("task", '{"type": "Classification", "colour": 1}', "colour"),
        ("task", '{"type": "Distillation", "features": 3}', "is damaged"),
        ("classes", "3", "is damaged: classes"),
        ("classes", "[]", "is damaged: classes"),
        ("classes", "[1, 2]", "is damaged: classes.0"),
        ("shape", "[1, 8]", "is damaged: shape"),
        ("shape", "[1, 8, 8.5]", "is damaged: shape.2"),
        ("shape", "[1, 8, -8]", "is damaged: shape.2"),
        ("shape", "[1, 8, 1000000000]", "is damaged: shape.2"),
        ("shape", "[3, 8, 8]", "is damaged"),
        ("mean", "[NaN]", "is damaged: mean"),
        ("mean", '["0.5"]', "is damaged: mean.0"),
        ("mean", "[0.1, 0.2]", "is damaged: mean: 2 means and 1 stds"),
        ("std", "[0]", "is damaged: std.0"),
        ("reader", '{"path": "/etc/passwd"}', "is damaged: reader.path"),
        ("reader", '{"crop": 0}', "is damaged: reader.crop"),
        ("reader", '{"invert": "yes"}', "is damaged: reader.invert"),
    ],
)
def test_wrong_metadata_are_named(crafted: Callable[..., Path], field: str, text: str | None, said: str) -> None:
    with pytest.raises(PlainnetError) as caught:
        Predictor(crafted(**{field: text}))
    assert "crafted.safetensors" in str(caught.value)
    assert said in str(caught.value)
    assert isinstance(caught.value, RunError)


def test_other_weights_than_the_network_has(run: Path, tmp_path: Path) -> None:
    weights, metadata = read_tensors(run / "last.safetensors", ours=True)
    first = next(iter(weights))
    bad: list[tuple[dict[str, torch.Tensor], str]] = [
        ({name: tensor for name, tensor in weights.items() if name != first}, "Missing key"),
        ({**weights, "more": torch.ones(1)}, "Unexpected key"),
        ({**weights, first: torch.ones(3)}, rf"{first} is \[3\] where"),
        (
            {**weights, first: torch.zeros_like(weights[first], dtype=torch.int64)},
            rf"{first} torch.int64 where torch.float32",
        ),
    ]
    for tensors, said in bad:
        write_tensors(tmp_path / "w.safetensors", tensors, metadata=metadata)
        with pytest.raises(RunError, match=rf"w.safetensors is damaged: .*{said}"):
            Predictor(tmp_path / "w.safetensors")


# ---- checkpoints: everything is crafted with a digest that is right ----


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in children:
        yield from places(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: replaced(item, rest, new) if key == first else item for key, item in value.items()}
    return type(value)(replaced(item, rest, new) if number == first else item for number, item in enumerate(value))


@pytest.fixture
def attacked(run: Path, tmp_path: Path) -> Callable[[Any], str]:
    """What a resume of the run says whose checkpoint has this state ("" where it goes on)."""
    folder = tmp_path / "attacked"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    weights, _ = load_checkpoint(checkpoints(run / "checkpoints")[-1])
    number = [0]

    def attack(state: Any) -> str:
        number[0] += 1
        save_checkpoint(folder / "checkpoints", 3 + number[0], model=weights, state=state)
        try:
            resume(folder, overrides=["train.epochs=2"], console=Console(quiet=True))
        except PlainnetError as error:
            assert "Traceback" not in str(error)
            return str(error)
        return ""

    return attack


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("position",), None, "state.json is damaged: position"),
        (("position", "epoch"), -1, "state.json is damaged: position.epoch"),
        (("position", "batch"), "many", "state.json is damaged: position.batch"),
        (("position", "iteration"), 1.5, "state.json is damaged: position.iteration"),
        (("history",), {}, "state.json is damaged: history"),
        (("optimizer", "state"), [], "state.json is damaged: optimizer.state"),
        (("optimizer", "param_groups"), [], "does not fit this run"),
        (
            ("optimizer", "param_groups", 0, "lr"),
            "fast",
            "does not fit this run: optimizer.param_groups.0.lr is 'fast'",
        ),
        (
            ("optimizer", "state", 0, "momentum_buffer"),
            torch.ones(2),
            "momentum_buffer is a tensor of",
        ),
        (("scheduler",), None, "does not fit this run"),
        (("scheduler", "last_epoch"), "x", "does not fit this run"),
        (("hooks",), [], "state.json is damaged: hooks"),
        (("hooks", "ConfigHook.0"), 3, "state.json is damaged: hooks.ConfigHook.0"),
        (("hooks", "ConfigHook.0", "config"), 3, "state.json is damaged: hooks.ConfigHook.0.config"),
        (("hooks", "CheckpointHook.0", "best"), 3, "state.json is damaged: hooks.CheckpointHook.0.best"),
        (
            ("hooks", "CheckpointHook.0", "validations"),
            "x",
            "state.json is damaged: hooks.CheckpointHook.0.validations",
        ),
        (("hooks", "RecordingHook.0", "lines"), -3, "state.json is damaged: hooks.RecordingHook.0.lines"),
        (
            ("hooks", "ConfigHook.0", "config", "seed"),
            torch.ones(2),
            "state.json is damaged: hooks.ConfigHook.0.config",
        ),
        (("hooks", "ConfigHook.0", "config", "optim"), {}, "which parameter is in which group cannot change"),
        *(
            (("hooks", "ConfigHook.0", "config", "optim", *place), value, "hooks.ConfigHook.0.config.optim")
            for place, value in [
                ((), None),
                (("lr",), {}),
                (("lr",), {"type": "os.system", "command": "touch ran"}),
                (("lr",), ["x"]),
                (("lr",), -1.0),
                (("momentum",), [{"type": "os.system", "command": "touch ran"}]),
                (("groups",), 3),
                (("groups",), [{"match": "*", "lr": {"type": "os.system", "command": "touch ran"}}]),
            ]
        ),
        (("processes", 0, "means", "counts"), {"other": 1}, "state.json is damaged: processes.0.means"),
        (("hooks", "ConfigHook.0", "data"), 3, "state.json is damaged: hooks.ConfigHook.0.data"),
        (("processes",), [], "state.json is damaged: processes"),
        (("processes", 0, "random", "torch"), torch.ones(3), "does not fit this run"),
        (("processes", 0, "random", "python"), None, "does not fit this run"),
        (("processes", 0, "means", "sums"), {"loss": "x"}, "state.json is damaged: processes.0.means.sums.loss"),
        ((), None, "state.json is damaged"),
        ((), [], "state.json is damaged"),
    ],
)
def test_a_crafted_state_is_named(
    run: Path, attacked: Callable[[Any], str], place: tuple[Any, ...], value: Any, said: str
) -> None:
    _, state = load_checkpoint(checkpoints(run / "checkpoints")[-1])
    assert said in attacked(replaced(state, place, value))


ODD = [None, -1, 3, 2**70, float("inf"), "x", "", [], {}, [[]], {"__proto__": 1}, True, (), torch.ones(2), 1e308]


def fuzz(run: Path, attacked: Callable[[Any], str], *, count: int, seed: int) -> None:
    draw = random.Random(seed)
    _, state = load_checkpoint(checkpoints(run / "checkpoints")[-1])
    everywhere = list(places(state))
    said = []
    for _ in range(count):
        place = draw.choice(everywhere)
        said.append(attacked(replaced(copy.deepcopy(state), place, copy.deepcopy(draw.choice(ODD)))))
    assert sum(map(bool, said)) > count // 10


def test_mutations_of_a_state_give_a_run_or_an_error_of_ours(run: Path, attacked: Callable[[Any], str]) -> None:
    fuzz(run, attacked, count=12, seed=0)


@pytest.mark.tail
@pytest.mark.parametrize("seed", range(1, 4))
def test_many_mutations_of_a_state(run: Path, attacked: Callable[[Any], str], seed: int) -> None:
    fuzz(run, attacked, count=40, seed=seed)


def test_mutations_of_the_structure_are_damaged(run: Path, tmp_path: Path) -> None:
    """The text of state.json itself, with a digest that fits: references to tensors that are not there, other shapes of JSON."""
    from plainnet.engine.checkpoints import checkpoint

    source = checkpoints(run / "checkpoints")[-1]
    tensors, _ = read_tensors(source / "state.safetensors", ours=True)
    good = (source / "state.json").read_text()
    path = tmp_path / "000000003"
    path.mkdir()
    (path / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    for bad in (
        good[:-1],
        good.replace('"__tensor__": "0"', '"__tensor__": "nine"'),
        good.replace('"__tensor__": "0"', '"__tensor__": ["0"]'),
        good.replace('"__items__": [', '"__items__": [3, '),
        good.replace('"__items__": [[', '"__items__": [[{"__tuple__": [[]]}, 1], ['),
        good.replace('"__tuple__": [', '"__tuple__": 3, "x": ['),
        "[" * 100_000,
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ):
        assert bad != good
        (path / "state.json").write_text(bad, encoding="utf-8")
        write_tensors(path / "state.safetensors", tensors, metadata={checkpoint.STRUCTURE: checkpoint._digest(bad)})
        with pytest.raises(RunError, match=r"000000003 is not a readable checkpoint: .*state.json is damaged"):
            load_checkpoint(path)
