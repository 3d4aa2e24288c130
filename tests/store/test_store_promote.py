"""A backbone of a stored network as a network of the store by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

import plainnet
from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.store.reading import record_of, verify
from tests.store.conftest import NET


def store(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["store", *arguments])


def test_a_backbone_is_an_entry_of_its_own(run: Path, root: Path, tmp_path: Path) -> None:
    assert store("add", str(run)).exit_code == 0
    before = record_of(root, "first")[2]
    result = store("promote", "first", "--name", "eyes", "--json")
    assert result.exit_code == 0, result.exception
    name, _, record = record_of(root, "eyes")
    assert record.as_dict() == json.loads(result.stdout)
    assert name.path == "backbones/plainnet/eyes.digits_r8"
    assert verify(root, name) == []
    assert (record.identity.kind, record.identity.parents) == ("backbone", [before.identity.digest])
    assert (record.structure.string, list(record.structure.parts)) == (NET, ["backbone"])
    assert (record.training, record.data, record.input) == (before.training, before.data, before.input)
    promoted = {"from": "networks/cls/first.digits_r8", "origin": before.identity.digest}
    assert (record.metrics, record.extra) == ([], {"promoted": promoted})
    whole, part = plainnet.load("store:first"), plainnet.load("store:eyes")
    assert sum(p.numel() for p in part.parameters()) == record.cost.params
    assert set(whole.state_dict()) - set(part.state_dict()) == {"head.weight", "head.bias"}
    images = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        maps = whole.blocks(images)  # type: ignore[operator]
        assert torch.allclose(part(images), maps.mean((2, 3)), atol=1e-6)
    listed = json.loads(store("list", "--part", "backbone", "--json").stdout)
    assert {each["kind"] for each in listed} == {"network", "backbone"}
    assert json.loads(store("find", 'kind == "backbone"', "--json").stdout)[0]["name"] == "eyes"
    out = tmp_path / "w.safetensors"
    loaded = store("load", "eyes", "--part", "backbone", "--into", NET, "--num-classes", "3", "-o", str(out))
    assert loaded.exit_code == 0, loaded.exception
    assert "nothing but a backbone" in str(store("promote", "eyes", "--name", "other").exception)
    assert isinstance(store("promote", "first", "--name", "eyes").exception, UsageError), "it is there already"


FILE = """
backbone: SuperConvK3BNRELU(3,4,2,1)ResNetK3K3(4,8,2,4,1)
neck: ConvKXBNRELU(8,8,3,1)
heads:
  masks: {type: dense, num_classes: 3}
resolution: 16
"""


def test_the_backbone_of_a_network_in_parts_keeps_its_names(root: Path, tmp_path: Path) -> None:
    path, weights = tmp_path / "net.yaml", tmp_path / "net.pth"
    path.write_text(FILE)
    net = plainnet.PlainNet(path).eval()
    torch.save(net.state_dict(), weights)
    found = store("import", str(weights), "--as", str(path), "--name", "whole", "--resolution", "16")
    assert found.exit_code == 0, found.exception
    result = store("promote", "whole", "--name", "trunk")
    assert result.exit_code == 0, result.exception
    name, _, record = record_of(root, "trunk")
    assert verify(root, name) == []
    assert record.structure.parts == {"backbone": ["backbone."]}
    own = plainnet.load("store:trunk")
    assert list(own.state_dict()) == [key for key in net.state_dict() if key.startswith("backbone.")]
    for key, value in own.state_dict().items():
        assert torch.equal(value, net.state_dict()[key])
    assert record.cost.params == sum(p.numel() for p in own.parameters())


def test_what_is_no_string_has_no_backbone_of_its_own(put: pytest.FixtureRequest) -> None:
    put("net")  # type: ignore[operator]
    assert "is no network string" in str(store("promote", "net").exception)
