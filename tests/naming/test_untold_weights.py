"""Networks whose weights are there and cannot be used: what is missing is said, and nothing is called damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import plainnet
from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.export.story import Story
from plainnet.export.weights import Weights
from plainnet.network.plain_net import PlainNet

NET = "ConvKXBNRELU(3,4,3,2)ConvKXBNRELU(4,8,3,2)"
COMPOSED = "backbone: {}\nheads:\n  masks: {{type: dense, from: backbone.c2, num_classes: 3}}\nresolution: 16\n"


def said(command: str, *names: str) -> str:
    error = CliRunner().invoke(cli, [command, *names]).exception
    assert isinstance(error, UsageError), error
    return str(error)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_network_that_was_put_together_was_never_trained(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "home"))
    Path("net.yaml").write_text(COMPOSED.format(NET))
    assert CliRunner().invoke(cli, ["store", "compose", "net.yaml"]).exit_code == 0
    found = said(command, "store:net", *["a.png"] * (command == "predict"))
    assert "does not say task, classes, mean, std, reader: its network was put together or imported" in found
    assert "plainnet train " in found
    assert "damaged" not in found


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("torch.export", "the trained weights of net are in the files for torch.export; accepted: a training run"),
        (
            "pytorch",
            "weights.pt does not say model, task, classes, shape, mean, std, reader: its network was put together or imported",
        ),
    ],
)
def test_folders_for_other_programs_say_where_their_weights_are(
    command: str, target: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained = Weights(Path("some.pt"), PlainNet(NET, num_classes=3).state_dict(), Story())
    Path("some.pt").write_bytes(b"its digest is kept")
    plainnet.export_network(NET, to=target, out="net", weights=trained, resolution=16, num_classes=3)
    found = said(command, "net", *["a.png"] * (command == "predict"))
    assert why in found
    assert "a folder exported with" in found or target == "pytorch"
    line = plainnet.resolve("net").line()
    assert ("without its weights in the files for torch.export" in line) == (target == "torch.export")
