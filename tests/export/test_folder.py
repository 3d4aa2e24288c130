"""Folders are written as a whole or not at all, and never over what is there."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import plainnet
from plainnet.errors import MissingExtraError, RunError, StructureError, UsageError
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
    (tmp_path / "junk.pt").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "cut.pt").write_bytes(b"\x80\x02.")
    torch.save({"epoch": 3, "model": other.state_dict()}, tmp_path / "checkpoint.pt")
    torch.save({"epoch": 3, "notes": "none"}, tmp_path / "notes.pt")
    for name, message in [
        ("text.safetensors", "is not a readable safetensors file: its header would have"),
        *[(name, "holds no weights that can be read: ") for name in ("text.pt", "junk.pt", "empty.pt", "cut.pt")],
        (
            "checkpoint.pt",
            "holds no weights of small-net: 93 missing: blocks.1.res1",
        ),  # those of its `model` are looked at
        ("notes.pt", "holds no state_dict: names and tensors"),
        ("none.safetensors", "no file"),
    ]:
        with pytest.raises(UsageError, match=message) as caught:
            export_network(network, to="pytorch", out=tmp_path / "net", weights=tmp_path / name)
        assert "Error" not in str(caught.value)
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


def test_an_export_over_another_leaves_none_of_its_files(network: Network, trained: Path, tmp_path: Path) -> None:
    """Weights of before beside a new model would be loaded into it without a word."""
    out = tmp_path / "net"
    export_network(network, to="timm", out=out, weights=trained)
    (out / "notes.txt").write_text("mine")
    assert (out / "weights.safetensors").is_file()
    export_network(network, to="pytorch", out=out, force=True)
    assert sorted(path.name for path in out.iterdir()) == [
        *("README.md", "data.py", "model.py", "notes.txt", "provenance.json", "train.py")
    ]
    export_network(network, to="pytorch", out=out, force=True, weights=trained)
    assert (out / "weights.pt").is_file()
    export_network(network, to="torchscript", out=out, force=True)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "model.ts", "notes.txt", "provenance.json"]


def test_an_export_of_an_older_version_leaves_no_weights(network: Network, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "net"
    export_network(network, to="pytorch", out=out, weights=trained)
    about = json.loads((out / "provenance.json").read_text())
    del about["files"]
    (out / "provenance.json").write_text(json.dumps(about))
    export_network(network, to="pytorch", out=out, force=True)
    assert not (out / "weights.pt").exists()


@pytest.mark.parametrize(
    "listed",
    [
        ["../precious"],
        ["/etc/hostname"],
        ["link/precious"],
        ["a/../../precious"],
        [3, None, {}],
        "precious",
        None,
        [""],
        ["."],
    ],
)
def test_a_crafted_list_of_files_removes_nothing(listed: object, network: Network, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    out = tmp_path / "net"
    out.mkdir()
    (out / "link").symlink_to(tmp_path)
    (out / "provenance.json").write_text(json.dumps({"files": listed}))
    export_network(network, to="pytorch", out=out, force=True)
    assert (tmp_path / "precious").read_text() == "precious"
    assert (out / "link").is_symlink()
    assert (out / "model.py").is_file()


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "", '{"files": 3}'])
def test_weights_of_no_export_stop_it(text: str, network: Network, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_text("of another network")
    (tmp_path / "provenance.json").write_text(text)
    with pytest.raises(UsageError, match=r"weights\.pt is of no export, and would be taken for the new network's"):
        export_network(network, to="pytorch", out=tmp_path, force=True)
    assert files(tmp_path) == {"weights.pt": b"of another network", "provenance.json": text.encode()}
    export_network(network, to="pytorch", out=tmp_path, force=True, weights=trained)
    assert torch.load(tmp_path / "weights.pt", weights_only=True).keys() == load_file(trained).keys()


def test_a_folder_in_the_place_of_a_file_is_an_error(network: Network, tmp_path: Path) -> None:
    (tmp_path / "model.py").mkdir()
    with pytest.raises(UsageError, match=r"model\.py is a folder"):
        export_network(network, to="pytorch", out=tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


@pytest.mark.parametrize("out", [".", "", "../here", "sub/.."])
def test_the_current_folder_is_a_folder(
    out: str, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays the same folder, for the shell that stands in it; what a killed export left does not matter."""
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    monkeypatch.chdir(here)
    if "sub" not in out:
        (here / "sub").rmdir()
    (here / ".exporting-killed").mkdir()
    before = here.stat().st_ino
    export_network(network, to="pytorch", out=out, force="sub" in out)
    assert Path("model.py").is_file()
    assert here.stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert [path.name for path in here.glob(".exporting-*")] == [".exporting-killed"]
    with pytest.raises(UsageError, match="is not empty"):
        export_network(network, to="pytorch", out=out)


LONG = "x" * 256


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda base: base / LONG, "File name too long"),
        (lambda base: base / LONG / "net", "File name too long"),
        (lambda base: base / "a\0b", "null"),
        (lambda base: base / "file" / "net", "file is no folder"),
        (lambda base: base / "loop" / "net", "loop is no folder"),
        (lambda base: base / "nowhere", "is a file"),
    ],
)
def test_folders_that_cannot_be_are_one_sentence(make: Any, message: str, network: Network, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=message) as caught:
        export_network(network, to="pytorch", out=make(tmp_path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "nowhere"]


@pytest.mark.parametrize(
    ("code", "error", "word"), [(errno.EACCES, RunError, "Permission denied"), (errno.EROFS, RunError, "Read-only"),
                                (errno.ENOSPC, RunError, "No space left")],
)  # fmt: skip
@pytest.mark.parametrize("call", ["mkdtemp", "replace"])
def test_what_the_system_refuses_leaves_nothing(
    call: str,
    code: int,
    error: type[Exception],
    word: str,
    network: Network,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an unprivileged user, on a disk that is read-only or full, meets it; the tests may run as one who may all."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(*((tempfile, "mkdtemp") if call == "mkdtemp" else (Path, "replace")), refuse)
    with pytest.raises(error, match=word):
        export_network(network, to="pytorch", out=tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_two_exports_into_one_folder_give_one_of_them(
    network: Network, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is as far as writing when the first is done: it is refused, or with `force` replaces it as a whole."""
    out, real, running = tmp_path / "net", pytorch.write, [True]

    def overtaken(job: Job) -> object:
        if running:
            running.clear()
            export_network(network, to="timm", out=out, weights=trained)
        return real(job)

    monkeypatch.setattr(pytorch, "write", overtaken)
    with pytest.raises(UsageError, match="is not empty"):
        export_network(network, to="pytorch", out=out)
    assert (out / "timm_model.py").is_file()
    assert not (out / "train.py").read_text().startswith('"""Train the network')
    export_network(network, to="pytorch", out=out, force=True)
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "data.py",
        "model.py",
        "provenance.json",
        "train.py",
    ]


def test_processes_write_a_folder_one_after_the_other(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    from plainnet.export.folder import new_folder

    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    done = threading.Event()

    def write() -> None:
        with new_folder(tmp_path / "net") as folder:
            (folder / "file").write_text("written")
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert not done.wait(0.3)
        assert not (tmp_path / "net").exists()
    finally:
        os.close(holder)
        thread.join(10)
    assert (tmp_path / "net" / "file").read_text() == "written"
