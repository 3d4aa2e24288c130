"""`store verify` runs the conversions again on the images that are kept with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.files.tensor_files import write_tensors
from plainnet.platforms import conversion, platform
from plainnet.store import keeping
from plainnet.store.layout import folder_of
from plainnet.store.reading import record_of


def store(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["store", *arguments])


@pytest.fixture
def kept(run: Path, root: Path) -> Path:
    """The conversions of a stored network."""
    assert store("add", str(run)).exit_code == 0
    result = store("convert", "first", "--to", "torch,torchscript", "--sizes", "8,9x11")
    assert result.exit_code == 0, result.exception
    return folder_of(root, record_of(root, "first")[0]) / "conversions"


def verified(*options: str) -> tuple[int, dict[str, Any]]:
    result = store("verify", *options, "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found["networks/cls/first.digits_r8"]


@pytest.mark.usefixtures("kept")
def test_conversions_are_run_again_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    code, found = verified()
    assert (code, found["problems"], found["not_run"]) == (0, [], {})
    assert list(found["conversions"]) == ["torch", "torchscript"]
    for runs in found["conversions"].values():
        assert [one["shape"] for one in runs] == [[1, 1, 8, 8], [3, 1, 8, 8], [1, 1, 9, 11], [1, 1, 16, 12]]
        assert all(one["error"] < 1e-5 for one in runs)
    assert list(verified("--platform", "torchscript")[1]["conversions"]) == ["torchscript"]
    assert verified("--no-conversions")[1]["conversions"] == {}
    assert isinstance(store("verify", "--no-conversions", "--platform", "torch").exception, UsageError)
    shown = store("verify").stdout
    assert "1x1x9x11" in shown
    assert "1 whole, 0 not" in shown
    assert "did you mean torchscript" in str(store("verify", "--platform", "torchscrip").exception)
    missing = store("verify", "--platform", "torch.export").exception
    assert isinstance(missing, UsageError)
    assert "there is no conversion for torch.export; to make one" in str(missing)
    monkeypatch.setattr(platform.Platform, "missing", lambda self, **_: ["x"] if self.name == "torchscript" else [])
    code, found = verified()
    assert (code, found["problems"], list(found["conversions"]), list(found["not_run"])) == (
        0,
        [],
        ["torch"],
        ["torchscript"],
    )
    assert "torchscript was not run: x is needed here" in store("verify").stderr


def test_a_conversion_that_puts_out_something_else_is_noticed(kept: Path) -> None:
    samples = kept / "torchscript" / "samples.safetensors"
    tensors = load_file(samples)
    tensors["output.2"] = tensors["output.2"] * 1.5
    write_tensors(samples, tensors)
    code, found = verified()
    assert code == 1
    assert "its files are not those that were written" in found["problems"][0]
    about = json.loads((kept / "torchscript" / "conversion.json").read_text())
    about["files"] = conversion._digests(kept / "torchscript")
    (kept / "torchscript" / "conversion.json").write_text(json.dumps(about))
    code, found = verified()
    assert code == 1
    assert len(found["problems"]) == 1
    assert (
        "does not put out what the network does: it is off by 3.3e-01 at 1x1x9x11, accepted: 0.0001"
        in found["problems"][0]
    )
    assert verified("--platform", "torch")[0] == 0


def test_the_commit_is_noted_where_all_of_it_passed(kept: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "commit_of", lambda _: ("abc", True))
    assert "has changes that are in no commit" in str(store("verify", "--note-commit").exception)
    monkeypatch.setattr(keeping, "commit_of", lambda _: ("abc", False))
    (kept / "torch" / "samples.safetensors").write_bytes(b"x")
    assert store("verify", "--note-commit").exit_code == 1
    assert record_of(root, "first")[2].code.passed == []
    assert conversion.read_conversion(kept / "torchscript").passed == ["abc"]
    assert store("convert", "first", "--to", "torch", "--sizes", "8").exit_code == 0
    assert store("verify", "--note-commit").exit_code == 0
    assert record_of(root, "first")[2].code.passed == ["abc"]
