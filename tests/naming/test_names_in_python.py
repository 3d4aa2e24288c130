"""Functions of the rooms below take every name that the commands take; what a data file names is read as data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

import plainnet
from plainnet.configs import InvalidConfigError
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.typed_values import Maker
from plainnet.errors import PlainnetError, UsageError
from plainnet.network.plain_net import PlainNet
from plainnet.profiler.analyze import analyze_model
from plainnet.profiler.verify import verify_counts
from plainnet.proxies.score import score, score_all
from plainnet.search import search
from tests.search.small import small_config

NET = "SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,16,1,1)"
SIZE, CLASSES = 16, 7


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search run (at 16x16 for 7 classes), a file with a structure, and a module."""
    folder = tmp_path_factory.mktemp("named")
    small = {"candidates": 100, "population": 8, "epoch": 50, "islands": 1, "ladder": ()}
    search(small_config(**small, resolution=SIZE, num_classes=CLASSES), folder / "run")
    (folder / "net.txt").write_text(NET)
    (folder / "mine.py").write_text("from torch import nn\ndef made():\n    return nn.Conv2d(3, 4, 3)\n")
    return folder


NAMES = ["run", "run:2", "net.txt", "resnet18", NET]
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "analyze": lambda network: analyze_model(network, latency=False, zen=False).structure,
    "score": lambda network: score(network, "params").structure,
    "score_all": lambda network: score_all([network, network], "depth")[1].structure,
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_taken(function: str, name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert FUNCTIONS[function](name) == str(plainnet.resolve(name).structure)
    assert FUNCTIONS[function](plainnet.resolve(name)) == str(plainnet.resolve(name).structure)


def test_what_is_known_goes_with_the_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    found = analyze_model("run:2", latency=False, zen=False)
    assert (found.input, found.num_classes) == ([3, SIZE, SIZE], CLASSES)
    assert analyze_model("run:2", latency=False, zen=False, resolution=32, num_classes=0).input == [3, 32, 32]
    assert score("run", "params").settings["resolution"] == SIZE
    with pytest.raises(UsageError, match="different resolutions"):
        score_all(["run", NET], "params")
    assert verify_counts("run", SIZE, CLASSES).ok
    assert analyze_model("mine.py:made", resolution=8, latency=False).params == 112
    assert score("mine.py:made", "synflow", resolution=8, repeats=1).structure is None


def test_a_plain_net_is_made_of_any_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    net = PlainNet("run:2")
    assert (str(net.structure), net.num_classes) == (str(plainnet.resolve("run:2").structure), CLASSES)
    assert PlainNet("net.txt", num_classes=None).num_classes == 0
    assert (PlainNet("net.txt").num_classes, PlainNet("net.txt", num_classes=3).num_classes) == (1000, 3)
    with pytest.raises(UsageError, match="a module, no structure"):
        PlainNet("mine.py:made")
    with pytest.raises(PlainnetError, match="did you mean resnet18"):
        PlainNet("resnet81")


@pytest.mark.slow
def test_a_trained_network_comes_with_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ["train.epochs=1", "log.tensorboard=false", "device=cpu", "run=trained"]
    plainnet.train("SuperConvK3BNRELU(1,4,2,1)", overrides=overrides, console=Console(quiet=True))
    net, again, new = PlainNet("trained"), PlainNet("trained/best.safetensors"), PlainNet("trained", init="zennas")
    assert net.num_classes == 10
    same = [bool((one == other).all()) for one, other in zip(net.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not all(bool((one == other).all()) for one, other in zip(net.parameters(), new.parameters(), strict=True))
    with pytest.raises(UsageError, match=r"does not fit this network \(head.weight, head.bias\)"):
        PlainNet("trained", num_classes=3)
    by_run, by_file = plainnet.evaluate("trained"), plainnet.evaluate("trained/best.safetensors", data="digits")
    assert by_run.metrics["accuracy"] == by_file.metrics["accuracy"]
    assert by_run.samples == 360
    with pytest.raises(InvalidConfigError, match=r"^--data: data.type: there is no data digit\n"):
        plainnet.evaluate("trained", data="digit")


def test_what_was_not_trained_is_not_evaluated() -> None:
    with pytest.raises(
        UsageError, match=r"^resnet18 names a network without trained weights; accepted: a training run"
    ):
        plainnet.evaluate("resnet18")


@pytest.mark.parametrize("shape", [None, (3, 8, 8)])
@pytest.mark.parametrize("named", ["mine.py:made", "mine.py:made()", "run", "net.txt", "-", "net(1).txt"])
def test_a_configuration_names_structures_and_published_networks_alone(
    named: str, shape: tuple[int, int, int] | None, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file of weights or a run says of its model is data: no run, no file, no code is read for it."""
    monkeypatch.chdir(place)
    (place / "net(1).txt").write_text(NET)
    monkeypatch.setattr("plainnet.naming.resolver._of_text", lambda *_: pytest.fail("the name was resolved"))
    maker = Maker(Registry(), shape=shape, num_classes=None if shape is None else 10)
    with pytest.raises(PlainnetError):
        maker.make("model", "PlainNet", {"structure": named})
    assert isinstance(maker.make("model", "PlainNet", {"structure": NET}), nn.Module)


@pytest.mark.parametrize("name", [*NAMES[:3], NET, "mine.py:made"])
def test_any_name_is_loaded_as_a_module(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    net = plainnet.load(name)
    assert not net.training
    assert (
        sum(p.numel() for p in net.parameters()) == analyze_model(name, resolution=16, latency=False, zen=False).params
    )
    assert plainnet.load(net) is net


def test_trained_weights_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trained = PlainNet(NET, num_classes=3).eval()
    from plainnet.files.tensor_files import write_tensors

    about = {"structure": NET, "num_classes": "3"}
    write_tensors(tmp_path / "w.safetensors", trained.state_dict(), metadata=about)
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(plainnet.load("w.safetensors")(images), trained(images))
