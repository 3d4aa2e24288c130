"""LiteRT in an environment of its own: made on request, "not installed" where it is not, else the network's own outputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import plainnet
from plainnet.cli.main import cli
from plainnet.errors import MissingExtraError, RunError, UsageError
from plainnet.platforms.conversion import verify
from plainnet.platforms.own_environment import WHOLE, OwnEnvironment
from plainnet.platforms.platform import find_platform

NET = "SuperConvK3BNRELU(3,4,2,1)SuperResK3K3(4,8,2,4,1)"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def support(*arguments: str, answer: str = "") -> Any:
    return CliRunner().invoke(cli, ["support", *arguments], input=answer)


@pytest.mark.usefixtures("home")
def test_what_is_not_there_is_not_installed(tmp_path: Path) -> None:
    net = plainnet.PlainNet(NET, num_classes=2, resolution=8)
    with pytest.raises(MissingExtraError, match="plainnet support environment litert"):
        net.to_platform("litert", tmp_path / "c")
    table = ("--platforms", "litert", "--file", str(tmp_path / "s.json"))
    assert support("scan", NET, *table).exit_code == 0
    assert "not installed" in support("table", *table).stdout
    assert find_platform("litert").versions() == {"litert-torch": None, "ai-edge-litert": None, "torch": None}
    assert "accepted: litert" in str(support("environment", "torch").exception)


def test_an_environment_is_asked_for_and_made_whole_or_not_at_all(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    fails = "pip"

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command)
        (home / "environments" / "litert").mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(command, int(fails in command), "", "no such distribution")

    monkeypatch.setattr(subprocess, "run", run)
    refused = support("environment", "litert", answer="n\n")
    assert isinstance(refused.exception, UsageError)
    assert f"torch=={torch.__version__.partition('+')[0]}, litert-torch" in " ".join(refused.stdout.split())
    assert commands == []
    folder = home / "environments" / "litert"
    failed = support("environment", "litert", "--yes")
    assert isinstance(failed.exception, RunError)
    assert "no such distribution" in str(failed.exception)
    assert not folder.exists()
    fails = "nothing"
    assert support("environment", "litert", answer="y\n").exit_code == 0
    assert (folder / WHOLE).is_file()
    assert commands[-2][:3] == [sys.executable, "-m", "venv"]
    assert Path(commands[-1][0]).is_relative_to(folder), "pip of the new environment, and not of ours"
    assert "is there already" in support("environment", "litert").stdout
    (folder / "site").mkdir()
    assert find_platform("litert").missing() == []


def test_versions_are_read_without_running_anything(home: Path) -> None:
    about = home / "environments" / "litert" / "lib" / "python3.11" / "site-packages" / "litert_torch-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: litert-torch\nVersion: 1.2\n")
    found = OwnEnvironment("litert", ("litert-torch",), "").versions(("litert-torch", "torch"))
    assert found == {"litert-torch": "1.2", "torch": None}


@pytest.mark.tail
@pytest.mark.skipif(bool(find_platform("litert").missing()), reason="the environment litert is not there")
def test_litert_puts_out_what_the_network_does(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = plainnet.PlainNet(NET, num_classes=5, resolution=16).eval()
    about = net.to_platform("litert", tmp_path / "c")
    assert not about.any_size
    assert [one.shape for one in about.measured] == [[1, 3, 16, 16], [3, 3, 16, 16]]
    assert all((one.error or 0.0) < 1e-5 for one in about.measured)
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(plainnet.from_platform(tmp_path / "c")(images), net(images), atol=1e-5)
    assert all((one.error or 0.0) < 1e-5 for one in verify(tmp_path / "c"))
    with pytest.raises(UsageError, match="16x16 alone"):
        plainnet.from_platform(tmp_path / "c")(torch.randn(1, 3, 17, 16))
