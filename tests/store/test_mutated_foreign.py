"""What comes into a store from elsewhere made wrong at random - tensors, rules, classes, components, a folder of the hub: it is
taken, or named.
"""

from __future__ import annotations

import io
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from plainnet.network.plain_net import PlainNet
from plainnet.store import hub as hub_module
from tests.mutations import command, faults, wrong_bytes, wrong_json, wrong_text, wrong_weights

NET = "SuperConvK3BNRELU(3,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
RULES = "theirs\\.(.*) -> \\1 # what they put before each\n(.*)\\.running_var -> \\1.running_var\n"
CLASSES = "cat\ndog\nbird\n"
COMPONENTS = """\
backbone: SuperConvK3BNRELU(3,4,2,1)SuperConvK3BNRELU(4,8,2,1)
neck: {type: fpn, from: [backbone.c1, backbone.c2], channels: 6}
heads:
  masks: {type: dense, from: neck.p1, num_classes: 3}
  boxes: {type: anchor_free, from: [neck.p1, neck.p2], num_classes: 2}
resolution: 16
"""
FACTS = ("--as", NET, "--name", "net", "--resolution", 8)


def make_foreign(folder: Path) -> Path:
    """A file of each kind, and a stored network as it lies on the hub."""
    folder.mkdir(parents=True)
    state = {f"theirs.{name}": value for name, value in PlainNet(NET, num_classes=3, resolution=8).state_dict().items()}
    save_file(state, folder / "wrong.safetensors", metadata={"format": "pt", "about": '{"epoch": 3}'})
    stream = io.BytesIO()
    torch.save({"epoch": 3, "state_dict": state}, stream)
    (folder / "wrong.pth").write_bytes(stream.getvalue())
    for name, text in (("rules.txt", RULES), ("classes.txt", CLASSES), ("parts.yaml", COMPONENTS)):
        (folder / name).write_text(text, encoding="utf-8")
    store = folder / "store"
    command("store", "import", folder / "wrong.pth", *FACTS, "--map", folder / "rules.txt", "--store", store)()
    shutil.copytree(store / "networks" / "cls" / "net.imported", folder / "hub")
    shutil.rmtree(store)
    return folder


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_foreign(tmp_path_factory.mktemp("foreign") / "sound")


def readers_of_weights(folder: Path, weights: str = "wrong.pth") -> Iterator[Callable[[], object]]:
    given = ("--map", folder / "rules.txt", "--classes", folder / "classes.txt", "--store", folder / "models")
    yield command("store", "import", folder / weights, *FACTS, *given, "--dry-run")
    yield command("store", "import", folder / weights, *FACTS, *given)


def readers_of_safetensors(folder: Path) -> Iterator[Callable[[], object]]:
    yield from readers_of_weights(folder, "wrong.safetensors")
    yield command("analyze", folder / "wrong.safetensors", "--no-latency", "--no-zen")


def readers_of_components(folder: Path) -> Iterator[Callable[[], object]]:
    yield command("store", "compose", folder / "parts.yaml", "--task", "detection", "--store", folder / "models")
    yield command("analyze", folder / "parts.yaml", "--no-latency", "--no-zen")


def readers_of_hub(folder: Path) -> Iterator[Callable[[], object]]:
    yield command("store", "pull", "somebody/net", "--store", folder / "models")


PLACES = {
    "wrong.safetensors": readers_of_safetensors,
    "wrong.pth": readers_of_weights,
    "rules.txt": readers_of_weights,
    "classes.txt": readers_of_weights,
    "parts.yaml": readers_of_components,
    "hub/model.json": readers_of_hub,
    "hub/config.json": readers_of_hub,
    "hub/model.safetensors": readers_of_hub,
}
WRONG = {".safetensors": wrong_weights, ".pth": wrong_bytes}


class Hub:
    """A hub on this disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snapshot_download(self, repository: str, *, local_dir: str, **options: Any) -> None:  # noqa: ARG002
        shutil.copytree(self.folder, local_dir, dirs_exist_ok=True)


def check(sound: Path, folder: Path, seeds: Iterable[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_module, "_hub", lambda *_: Hub(folder / "hub"))
        for seed in seeds:
            draw = random.Random(seed)
            place = draw.choice(list(PLACES))
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(sound, folder)
            file = folder / place
            if file.suffix in WRONG:
                file.write_bytes(WRONG[file.suffix](file.read_bytes(), draw))
            else:
                wrong = wrong_json if file.suffix == ".json" else wrong_text
                file.write_bytes(wrong(file.read_text(encoding="utf-8"), draw))
            found = faults(PLACES[place](folder), file.name, "wrong.", "classes.txt", "somebody/net")
            assert found == [], (seed, place, *found)


@pytest.mark.parametrize(
    "seeds", [(*range(8), 93_032_000), pytest.param(range(8, 400), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_what_comes_from_elsewhere_is_taken_or_named(foreign: Path, tmp_path: Path, seeds: Sequence[int]) -> None:
    check(foreign, tmp_path / "wrong", seeds)


def test_sound_ones_are_taken(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fuzzer begins with is taken: else it would try nothing."""
    monkeypatch.setattr(hub_module, "_hub", lambda *_: Hub(foreign / "hub"))
    shutil.copytree(foreign, tmp_path / "sound")
    for place in ("wrong.pth", "wrong.safetensors", "parts.yaml", "hub/model.json"):
        shutil.rmtree(tmp_path / "sound" / "models", ignore_errors=True)
        for action in list(PLACES[place](tmp_path / "sound"))[: 2 if place != "parts.yaml" else None]:
            action()
