"""Parts of stored networks in networks with other parts: a backbone of a classifier in a detector, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import plainnet
from plainnet.cli.main import cli
from plainnet.engine.run.starting_weights import load_start
from plainnet.errors import UsageError
from plainnet.files.tensor_files import read_tensors
from plainnet.store.reading import record_of
from plainnet.store.reused_parts import load_into

TRUNK = "SuperConvK3BNRELU(3,4,2,1)ResNetK3K3(4,8,2,4,1)"
FILE = f"""
backbone: {TRUNK}
neck: ConvKXBNRELU(8,8,3,1)
heads:
  masks: {{type: dense, num_classes: 3}}
resolution: 16
"""


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    path = tmp_path / "net.yaml"
    path.write_text(FILE)
    return path


def stored(net: plainnet.PlainNet, said: str, name: str, folder: Path) -> Path:
    """The weights file of a network that was put into the store."""
    torch.save(net.state_dict(), folder / f"{name}.pth")
    found = CliRunner().invoke(
        cli, ["store", "import", str(folder / f"{name}.pth"), "--as", said, "--name", name, "--resolution", "16"]
    )
    assert found.exit_code == 0, (found.output, found.exception)
    path = plainnet.resolve(f"store:{name}").weights
    assert path is not None
    return path


def test_a_network_in_parts_is_stored_by_its_parts(detector: Path, tmp_path: Path, root: Path) -> None:
    net, plain = (plainnet.PlainNet(plainnet.resolve(detector), in_parts=each) for each in (True, False))
    plain.load_state_dict(dict(zip(plain.state_dict(), net.state_dict().values(), strict=True)))
    for name, given in (("new", net), ("old", plain)):
        path = stored(given, str(detector), name, tmp_path)
        found, _ = read_tensors(path, ours=True)
        assert set(found) == set(net.state_dict())
        assert all(torch.equal(found[key], value) for key, value in net.state_dict().items())
        record = record_of(root, name)[2]
        assert record.structure.parts == {
            "backbone": ["backbone."], "neck": ["neck."], "heads.masks": ["heads.masks."],
        }  # fmt: skip
        loaded = plainnet.load(f"store:{name}")
        assert all(torch.equal(value, net.state_dict()[key]) for key, value in loaded.state_dict().items())


def test_a_backbone_goes_from_a_classifier_to_a_detector_and_back(detector: Path, tmp_path: Path, root: Path) -> None:
    classifier = plainnet.PlainNet(TRUNK, num_classes=5)
    path = stored(classifier, TRUNK, "classifier", tmp_path)
    net = plainnet.PlainNet(str(detector))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    said = load_start(net, path, new_head=False, parts=["backbone"])
    names = [name for name in before if name.startswith("backbone.")]
    assert said.startswith(f"loaded {len(names)} of {len(before)} tensors from {path}; new, not loaded: heads.masks.0.")
    for name, value in net.state_dict().items():
        old = classifier.state_dict().get(name.replace("backbone.", "blocks."))
        assert torch.equal(value, before[name] if old is None else old)
    out = tmp_path / "out.safetensors"
    matching = load_into(root, "classifier", ["backbone"], plainnet.PlainNet(str(detector)), {"structure": "x"}, out)
    assert set(matching.taken) == set(names)
    assert torch.equal(read_tensors(out)[0][names[0]], classifier.state_dict()["blocks.0.conv1.weight"])

    back = plainnet.PlainNet(TRUNK, num_classes=5)
    kept = stored(net, str(detector), "detector", tmp_path)
    load_start(back, kept, new_head=False, parts=["backbone"])
    images = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(back.eval().forward_features(images), classifier.eval().forward_features(images))
    with pytest.raises(UsageError, match="the network has no part 'neck'; it has backbone, head"):
        load_start(back, kept, new_head=False, parts=["neck"])


def test_new_heads_leave_the_old_ones_out(detector: Path, tmp_path: Path) -> None:
    net = plainnet.PlainNet(str(detector))
    path = stored(net, str(detector), "detector", tmp_path)
    other = tmp_path / "other.yaml"
    other.write_text(FILE.replace("num_classes: 3", "num_classes: 7"))
    wider = plainnet.PlainNet(str(other))
    with pytest.raises(UsageError, match=r"heads\.masks\.0\.conv1\.weight .* model\.new_head=true"):
        load_start(wider, path, new_head=False)
    assert "new, not loaded: heads.masks.0.conv1.bias, heads.masks.0.conv1.weight" in load_start(
        wider, path, new_head=True
    )
    assert torch.equal(wider.state_dict()["neck.0.conv1.weight"], net.state_dict()["neck.0.conv1.weight"])
