"""Stores in which one file is wrong at random: it is named, and hides nothing of what lies beside it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import save_file

from plainnet.network.plain_net import PlainNet
from plainnet.platforms.conversion import read_conversion, verify
from tests.mutations import command, faults, wrong_bytes, wrong_json, wrong_weights

NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
PLACE = Path("models", "networks", "cls")
WRONG, SOUND = PLACE / "wrong.one", PLACE / "sound.one"
NECK = Path("models", "necks", "plainnet", "wrong.one")
PARTS = """
backbone: SuperConvK3BNRELU(1,4,2,1)SuperConvK3BNRELU(4,8,2,1)
neck: {type: fpn, from: [backbone.c1, backbone.c2], channels: 4}
heads: {masks: {type: dense, from: neck.p1, num_classes: 2}}
resolution: 8
"""
CONVERSION = WRONG / "conversions" / "torchscript"


def make_store(folder: Path) -> Path:
    """A home with two stored networks, one with a conversion, and a table of support."""
    folder.mkdir(parents=True)
    save_file(PlainNet(NET, num_classes=3, resolution=8).state_dict(), folder / "weights.safetensors")
    store = ("--store", folder / "models")
    for name in ("sound", "wrong"):
        facts = ("--as", NET, "--name", name, "--tag", "one", "--resolution", 8, "--label", "small")
        command("store", "import", folder / "weights.safetensors", *facts, *store)()
    command("store", "convert", "wrong.one", "--to", "torchscript", *store)()
    (folder / "net.yaml").write_text(PARTS, encoding="utf-8")
    command("store", "compose", folder / "net.yaml", "--name", "sound", "--tag", "parts", "--task", "dense", *store)()
    for name in ("sound", "wrong"):
        command("store", "promote", "sound.parts", "--part", "neck", "--name", name, "--tag", "one", *store)()
    command("store", "list", *store)()  # which makes the index
    command("support", "scan", NET, "--file", folder / "support.json")()
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "sound")


def listed(home: Path) -> list[str]:
    """The names that a list of the store shows."""
    return [each["name"] for each in json.loads(command("store", "list", "--store", home / "models", "--json")())]


def readers_of_record(home: Path) -> Iterator[Callable[[], object]]:
    store = ("--store", home / "models")
    yield command("store", "show", "wrong.one", *store)
    yield command("store", "show", "wrong.one", "--json", *store)
    yield command("store", "find", 'params > 0 and "small" in tags', *store)
    yield command("store", "verify", *store)
    yield command("store", "reindex", *store)
    yield command("store", "list", *store)
    yield command("analyze", "store:wrong.one", "--no-latency", "--no-zen")
    yield command("runs", "list", home)


def readers_of_neck(home: Path) -> Iterator[Callable[[], object]]:
    """A neck is read as an entry, as a component of another network, as weights, and as a line of the table of support."""
    store, name = ("--store", home / "models"), "necks/plainnet/wrong.one"
    yield command("store", "show", name, *store)
    yield command("store", "verify", name, *store)
    yield command("store", "find", 'kind == "neck"', *store)
    built = ("--name", "built", "--task", "dense", "--dry-run", "backbone=store:networks/dense/sound.parts")
    yield command("store", "build", *built, f"neck=store:{name}", "head.type=dense", "head.num_classes=2", *store)
    out = home / "out.safetensors"
    yield command(
        "store", "load", name, "--part", "neck", "--into", home / "net.yaml", "-o", out, "--fresh", "*", *store
    )
    yield command("analyze", f"store:{name}", "--no-latency", "--no-zen")
    yield command("support", "scan", f"store:{name}", "--platforms", "torch", "--file", home / "necks.json")


def readers_of_conversion(home: Path) -> Iterator[Callable[[], object]]:
    yield lambda: read_conversion(home / CONVERSION)
    yield lambda: verify(home / CONVERSION)
    yield command("store", "verify", "--store", home / "models")


def readers_of_support(home: Path) -> Iterator[Callable[[], object]]:
    file = ("--file", home / "support.json")
    for form in ((), ("--md",), ("--html",), ("--csv",)):
        yield command("support", "table", *form, *file)
    yield command("support", "history", "#541ebce5667b", *file)
    yield command("support", "priority", *file)
    yield command("support", "scan", *file)


READERS = {
    WRONG / "model.json": readers_of_record,
    WRONG / "config.json": readers_of_record,
    WRONG / "model.safetensors": readers_of_record,
    NECK / "model.json": readers_of_neck,
    NECK / "config.json": readers_of_neck,
    NECK / "model.safetensors": readers_of_neck,
    CONVERSION / "conversion.json": readers_of_conversion,
    CONVERSION / "samples.safetensors": readers_of_conversion,
    Path("support.json"): readers_of_support,
    Path("models", "index.sqlite"): readers_of_record,
}


def make_wrong(file: Path, draw: random.Random) -> None:
    if file.suffix == ".json":
        file.write_bytes(wrong_json(file.read_text(encoding="utf-8"), draw))
    else:
        wrong = wrong_weights if file.suffix == ".safetensors" else wrong_bytes
        file.write_bytes(wrong(file.read_bytes(), draw))


def check(sound: Path, home: Path, seeds: Iterable[int]) -> None:
    for seed in seeds:
        draw = random.Random(seed)
        place = draw.choice(list(READERS))
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(sound, home)
        make_wrong(home / place, draw)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PLAINNET_HOME", str(home))
            patch.setattr(os, "fsync", lambda _: None)
            found = faults(READERS[place](home), "wrong.one", "wrong'", place.name)
            assert found == [], (seed, place, *found)
            assert "sound" in listed(home), (seed, place)


@pytest.mark.parametrize(
    "seeds",
    [
        (*range(8), 31_008_003, 31_027_006, 93_014_010, 93_016_012, 93_032_005, 93_043_012, 95_044_003, 95_059_001),
        pytest.param(range(8, 300), marks=pytest.mark.tail),
    ],
    ids=["short", "long"],
)
def test_one_wrong_file_is_named_and_hides_no_other(store: Path, tmp_path: Path, seeds: range) -> None:
    check(store, tmp_path / "wrong", seeds)
