"""`plainnet export`, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

import plainnet
from plainnet.cli.main import main
from plainnet.export import TARGETS

TEXT = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)"


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(("export", *args))
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def provenance(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "provenance.json").read_text())
    return found


def test_it_writes_a_structure_and_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net"
    code, printed, _ = call(capsys, TEXT, "--to", "pytorch", "--out", str(out), "--resolution", "32x48", "--use-se")
    assert code == 0
    assert printed.splitlines() == [str(out / name) for name in sorted(path.name for path in out.iterdir())]
    assert provenance(out)["input"] == [3, 32, 48]
    assert provenance(out)["variant"] == {"use_se": True}


@pytest.mark.parametrize("blocks", [20, 170])
def test_a_structure_may_be_longer_than_any_path(
    blocks: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TEXT + "SuperResK3K3(16,16,1,8,1)" * blocks
    code, _, err = call(capsys, text, "--to", "pytorch", "--out", str(tmp_path / "net"), "--resolution", "16")
    assert code == 0, err
    assert provenance(tmp_path / "net")["structure"] == text


def test_a_published_name_brings_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "zennet_imagenet1k_flops400M", "--to", "timm", "--out", str(tmp_path / "net"))
    assert code == 0
    assert provenance(tmp_path / "net")["name"] == "zennet_imagenet1k_flops400M_res224"
    assert provenance(tmp_path / "net")["num_classes"] == 1000
    assert "--use-se exports it so" in err


def test_the_classes_come_from_the_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file(plainnet.PlainNet(TEXT, num_classes=7).state_dict(), tmp_path / "w.safetensors")
    arguments = (TEXT, "--to", "pytorch", "--out", str(tmp_path / "net"), "--weights", str(tmp_path / "w.safetensors"))
    assert call(capsys, *arguments)[0] == 0
    assert provenance(tmp_path / "net")["num_classes"] == 7
    code, _, err = call(capsys, *arguments, "--force", "--num-classes", "8")
    assert code == 2
    assert "head.weight [7, 16] where [8, 16] is meant" in err


def test_a_file_gives_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.v2.txt").write_text(TEXT)
    assert call(capsys, str(tmp_path / "tiny.v2.txt"), "--to", "timm", "--out", str(tmp_path / "net"))[0] == 0
    assert provenance(tmp_path / "net")["name"] == "tiny.v2"
    assert "def tiny_v2(" in (tmp_path / "net" / "timm_model.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXT, "--to", "pytroch"), "UsageError: unknown target 'pytroch'; accepted: pytorch, plainnet, timm"),
        (("SuperResK3K4(3,8,1,8,1)", "--to", "pytorch"), "did you mean SuperResK3K3?"),
        (("zennet_cifar_modle", "--to", "pytorch"), "did you mean zennet_cifar"),
        ((TEXT, "--to", "pytorch", "--weights", "none.safetensors"), "no file none.safetensors"),
        ((TEXT,), "Missing option '--to'"),
    ],
)
def test_bad_input_is_explained_and_nothing_is_written(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, err = call(capsys, *arguments, "--out", str(tmp_path / "net"))
    assert (code, printed) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_needs_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (TEXT, "--to", "pytorch", "--out", str(tmp_path / "net"), "--name", "mine")
    assert call(capsys, *arguments)[0] == 0
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert "is not empty; --force" in err
    assert call(capsys, *arguments, "--force")[0] == 0
    assert provenance(tmp_path / "net")["name"] == "mine"


def test_the_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = call(capsys, "--help")
    assert all(name in " ".join(printed.split()) for name in TARGETS)


FULL = """
import resource, sys
from plainnet.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))
main(("export", *sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(target: str, tmp_path: Path) -> None:
    """Files of more than 256 bytes fail half-way; torch's own writer would end the process with a core dump."""
    pytest.importorskip("resource")
    if target == "onnx":
        pytest.importorskip("onnxscript")
    command = [sys.executable, "-c", FULL, TEXT, "--to", target, "--out", str(tmp_path / "net")]
    result = subprocess.run([*command, "--resolution", "16"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith(f"RunError: {tmp_path / 'net'} cannot be written: ")
    assert list(tmp_path.iterdir()) == []
