"""A folder that was exported with its weights is the network with them, whatever form they have there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import plainnet
from plainnet.cli.main import cli

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
