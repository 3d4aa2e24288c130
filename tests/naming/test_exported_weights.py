"""A folder that was exported with its weights is the network with them, whatever form they have there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import plainnet
from plainnet.cli.main import cli
from plainnet.engine import Predictor
from plainnet.errors import PlainnetError, UsageError

NET = "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"


@pytest.fixture(params=["pytorch", "lightning", "openmmlab", "timm", "plainnet"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    net = plainnet.PlainNet(NET, num_classes=10, resolution=8)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    size = ("--resolution", "8", "--num-classes", "10", "--weights", "w.pt", "--out", "net")
    done = CliRunner().invoke(cli, ["export", NET, "--to", request.param, *size])
    assert done.exit_code == 0, done.exception
    return tmp_path / "net"


def test_an_exported_folder_is_taken_with_its_weights(folder: Path) -> None:
    trained = torch.load("w.pt", weights_only=True)
    found = plainnet.PlainNet(str(folder)).state_dict()
    assert all(torch.equal(found[name], value) for name, value in trained.items())
    for command in (
        ["train", "net", "--recipe", "quick", "train.epochs=1", "device=cpu", "run=run"],
        ["support", "scan", "net", "--platforms", "torch"],
        ["support", "update", "--platforms", "torch"],
    ):
        done = CliRunner().invoke(cli, command)
        assert done.exit_code == 0, (command, done.exception)
    assert "1 made again, 0 failed" in done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained") / "run"
    values = [f"model.structure={NET}", "train.epochs=1", "device=cpu", f"run={place}"]
    done = CliRunner().invoke(cli, ["train", "quick", *values])
    assert done.exit_code == 0, done.exception
    return place


@pytest.mark.parametrize("target", ["pytorch", "lightning", "mmpretrain", "timm", "plainnet"])
def test_what_was_trained_predicts_and_is_evaluated_from_every_folder_with_weights(
    target: str, run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    plainnet.export_network(str(run), to=target, out=folder)
    for file in folder.glob("*.py"):  # none of it runs
        file.write_text("raise SystemExit(7)", encoding="utf-8")
    image = Image.linear_gradient("L").resize((11, 9))
    weights = plainnet.resolve(str(folder)).weights
    assert weights is not None
    assert Predictor(weights).predict([image]) == Predictor(run).predict([image])
    found = plainnet.evaluate(str(folder), data="digits").metrics
    assert found["accuracy"] == plainnet.evaluate(str(run)).metrics["accuracy"]


def test_the_story_goes_on_with_weights_that_torch_saved_unless_they_are_others(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    plainnet.export_network(str(run), to="pytorch", out=folder)
    plainnet.export_network(str(folder), to="pytorch", out=tmp_path / "again")
    assert (tmp_path / "again/data.py").read_text() == (folder / "data.py").read_text()
    tensors = torch.load(folder / "weights.pt", weights_only=True)
    torch.save({name: value + 1 for name, value in tensors.items()}, folder / "weights.pt")
    with pytest.raises(UsageError, match=r"no provenance\.json beside it speaks of just this file"):
        plainnet.evaluate(str(folder), data="digits")


@pytest.mark.parametrize("metadata", [None, [], {"shape": 3}, {"shape": "[1, 8]"}, {"model": "{"}])
def test_a_damaged_header_of_exported_weights_is_named(metadata: object, run: Path, tmp_path: Path) -> None:
    plainnet.export_network(str(run), to="pytorch", out=tmp_path / "net")
    about = tmp_path / "net/provenance.json"
    said = json.loads(about.read_text())
    said["header"]["metadata"] = said["header"]["metadata"] | metadata if isinstance(metadata, dict) else metadata
    about.write_text(json.dumps(said))
    with pytest.raises(PlainnetError, match="is damaged"):
        plainnet.evaluate(str(tmp_path / "net"), data="digits")
