"""Folders are written as a whole or not at all, and never over what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import plainnet
from plainnet.errors import MissingExtraError, StructureError, UsageError
from plainnet.export import TARGETS, Network, Origin, export_network, find_target, registry
from plainnet.export.job import Job
from plainnet.export.targets import pytorch


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_files_are_named_and_every_export_is_the_same(network: Network, tmp_path: Path) -> None:
    first = export_network(network, to="pytorch", out=tmp_path / "new" / "first")
    assert [file.name for file in first] == ["README.md", "data.py", "model.py", "provenance.json", "train.py"]
    assert all(file.is_file() for file in first)
    export_network(network, to="pytorch", out=str(tmp_path / "second"))
    assert files(tmp_path / "new" / "first") == files(tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "second"]


@pytest.mark.parametrize("target", [name for name in TARGETS if name not in ("onnx", "torch.export")])
def test_readme_has_three_lines_and_provenance_says_it_all(target: str, network: Network, tmp_path: Path) -> None:
    origin = Origin(run="runs/cifar", rank=2, objective="zen", seed=7, values={"zen": 101.5})
    export_network(network, to=target, out=tmp_path / "net", origin=origin)
    what, train, use = (tmp_path / "net" / "README.md").read_text().splitlines()
    assert what.startswith(f"small-net: {network.counts.params:,} parameters, {network.counts.macs:,} multiply")
    assert train.startswith("Train: ")
    assert use.startswith("Use: ")
    about = json.loads((tmp_path / "net" / "provenance.json").read_text())
    assert about["structure"] == str(network.structure)
    assert about["hash"] == network.structure.hash
    assert about["target"] == target
    assert about["counts"]["params"] == network.counts.params
    assert about["counts"]["macs"] == network.counts.macs
    assert about["search"] == vars(origin)


def test_a_folder_that_holds_something_is_refused(network: Network, tmp_path: Path) -> None:
    (tmp_path / "trained.pt").write_text("precious")
    (tmp_path / "model.py").write_text("mine")
    with pytest.raises(UsageError, match="is not empty; --force"):
        export_network(network, to="pytorch", out=tmp_path)
    assert files(tmp_path) == {"trained.pt": b"precious", "model.py": b"mine"}
    export_network(network, to="pytorch", out=tmp_path, force=True)
    found = files(tmp_path)
    assert found["trained.pt"] == b"precious"
    assert found["model.py"] != b"mine"


def test_an_empty_folder_is_used_and_can_be_read_by_others(network: Network, tmp_path: Path) -> None:
    empty, plain = tmp_path / "empty", tmp_path / "plain"
    empty.mkdir()
    plain.mkdir()
    export_network(network, to="pytorch", out=empty)
    assert (empty / "model.py").is_file()
    assert empty.stat().st_mode == plain.stat().st_mode


def test_a_file_is_refused(network: Network, tmp_path: Path) -> None:
    (tmp_path / "net").write_text("a file")
    with pytest.raises(UsageError, match="is a file; accepted: a folder"):
        export_network(network, to="pytorch", out=tmp_path / "net")
    with pytest.raises(UsageError, match="cannot be written"):
        export_network(network, to="pytorch", out=tmp_path / "net" / "below")


def test_nothing_is_left_of_an_export_that_fails(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(job: Job) -> None:
        job.write_model()
        assert [path.name for path in tmp_path.iterdir()] != []
        raise OSError("no space left on device")

    monkeypatch.setattr(pytorch, "write", broken)
    with pytest.raises(OSError, match="no space"):
        export_network(network, to="pytorch", out=tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "hint"), [("pytroch", "did you mean pytorch"), ("onx", "did you mean onnx"), ("tensorflow", "accepted: ")]
)
def test_an_unknown_target_gives_the_nearest(name: str, hint: str, network: Network, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"unknown target '{name}'.*{hint}"):
        export_network(network, to=name, out=tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("alias", "name"), [("mmdet", "mmpretrain"), ("pt2", "torch.export"), ("PyTorch", "pytorch")])
def test_targets_have_other_names(alias: str, name: str) -> None:
    assert find_target(alias) is TARGETS[name]


def test_a_missing_package_names_the_extra(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", {}.get)
    with pytest.raises(MissingExtraError, match=r"onnx and onnxscript and onnxruntime is needed here: pip install 'pl"):
        export_network(network, to="onnx", out=tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    network = Network(plainnet.parse("ConvKX(3,8,2,1)ConvKX(8,8,8,2)"), 2)
    with pytest.raises(StructureError, match="no output on a map"):
        export_network(network, to="pytorch", out=tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_network_are_refused(network: Network, tmp_path: Path) -> None:
    other = plainnet.PlainNet("SuperConvK3BNRELU(3,16,1,1)", num_classes=5)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(UsageError) as caught:
        export_network(network, to="pytorch", out=tmp_path / "net", weights=tmp_path / "other.safetensors")
    assert "missing: blocks.1.res1.main.conv1.weight" in str(caught.value)
    assert "2 of another shape: head.weight [5, 16] where [10, 48] is meant" in str(caught.value)
    (tmp_path / "text.safetensors").write_text("not tensors at all")
    (tmp_path / "text.pt").write_text("not tensors at all")
    torch.save({"epoch": 3, "model": other.state_dict()}, tmp_path / "checkpoint.pt")
    for name, message in [
        ("text.safetensors", "is not a readable safetensors file: its header would have"),
        ("text.pt", "holds no weights that can be read: UnpicklingError"),
        ("checkpoint.pt", "holds no state_dict: names and tensors"),
        ("none.safetensors", "no file"),
    ]:
        with pytest.raises(UsageError, match=message):
            export_network(network, to="pytorch", out=tmp_path / "net", weights=tmp_path / name)
    assert not (tmp_path / "net").exists()


def test_weights_are_carried_over(network: Network, trained: Path, tmp_path: Path) -> None:
    export_network(network, to="pytorch", out=tmp_path / "net", weights=trained)
    expected, found = load_file(trained), torch.load(tmp_path / "net" / "weights.pt", weights_only=True)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    export_network(network, to="pytorch", out=tmp_path / "again", weights=tmp_path / "net" / "weights.pt")
    again = torch.load(tmp_path / "again" / "weights.pt", weights_only=True)
    assert all(torch.equal(expected[key], again[key]) for key in expected)
    about = json.loads((tmp_path / "net" / "provenance.json").read_text())
    assert about["weights"]["file"] == "trained.safetensors"
    assert len(about["weights"]["sha256"]) == 64


@pytest.mark.parametrize("target", ["timm", "mmpretrain"])
def test_backbones_need_a_feature_map(target: str, tmp_path: Path) -> None:
    network = Network(plainnet.parse("ConvKX(3,8,3,1)AdaptiveAvgPool(8,1)Flatten(8)Linear(8,10,1)"), 16)
    with pytest.raises(UsageError, match="ends in a vector"):
        export_network(network, to=target, out=tmp_path / "net")
    assert list(tmp_path.iterdir()) == []
