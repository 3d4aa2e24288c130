"""fmt, lint, convert, list and blocks, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plainnet.cli.main import cli, main

SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)"


def run(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, args, input=stdin)


def run_main(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(args)
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_fmt_prints_the_canonical_form(tmp_path: Path) -> None:
    file = tmp_path / "net.txt"
    file.write_text(f"# my network\n{SMALL.replace(')', ') ')}\n")
    assert run("fmt", str(file)).stdout == f"{SMALL}\n"
    assert run("fmt", "-", stdin=SMALL).stdout == f"{SMALL}\n"
    assert run("fmt", "resnet18").stdout.startswith("SuperConvK7BNRELU(3,64,2,1)MaxPool(64,3,2)")
    pretty = run("fmt", "--pretty", "ResBlock(ConvKX(8,8,3,1)BN(8))RELU(8)").stdout
    assert pretty == "ResBlock(8,1,\n    ConvKX(8,8,3,1)\n    BN(8)\n)\nRELU(8)\n"


def test_errors_go_to_standard_error_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_main(capsys, "fmt", "SuperResK3K4(8,16,1,8,1)")
    assert (code, out) == (2, "")
    assert err.startswith("StructureError: unknown block SuperResK3K4 at column 1\n")
    assert "did you mean SuperResK3K3?" in err
    code, _, err = run_main(capsys, "fmt", "resnet81")
    assert code == 2
    assert "did you mean resnet18" in err
    code, _, err = run_main(capsys, "fmt", "zennet_cifar")
    assert code == 2
    assert "is the beginning of several networks: zennet_cifar_model_size05M_res32" in err
    code, _, err = run_main(capsys, "frmt", SMALL)
    assert code == 2
    assert "did you mean fmt?" in err


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.bin"
    file.write_bytes(b"\xff\xfe\x00")
    code, _, err = run_main(capsys, "fmt", str(file))
    assert code == 2
    assert "cannot be read" in err


def test_an_existing_file_wins_and_may_have_a_byte_order_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my(net).txt").write_text(SMALL)
    Path("mark.txt").write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert run("fmt", "my(net).txt").stdout == f"{SMALL}\n"
    assert run("fmt", "mark.txt").stdout == f"{SMALL}\n"
    assert run("fmt", "-", stdin=f"\ufeff{SMALL}").stdout == f"{SMALL}\n"


@pytest.mark.parametrize("command", ["fmt", "convert"])
def test_a_named_pipe_is_a_file(tmp_path: Path, command: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(SMALL,))
    writer.start()
    assert run(command, str(pipe)).stdout == f"{SMALL}\n"
    writer.join()


@pytest.mark.parametrize("command", ["fmt", "convert", "analyze"])
def test_what_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, _, err = run_main(capsys, command, str(tmp_path))
    assert (code, "is a directory; accepted" in err) == (2, True)
    code, _, err = run_main(capsys, command, "x" * 3000)
    assert code == 2
    assert err.startswith("UnknownNetworkError: ")
    assert len(err) < 300


def test_a_published_name_is_not_hidden_by_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("resnet18").mkdir()
    assert run("fmt", "resnet18").stdout.startswith("SuperConvK7BNRELU")


@pytest.mark.parametrize("command", ["fmt", "convert"])
def test_a_device_that_never_ends_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_main(capsys, command, "/dev/zero")
    assert code == 2
    assert "that is no structure" in err


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m plainnet"
    command = ["bash", "-c", line.replace("plainnet", program, 1)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_closed_standard_input_is_an_error() -> None:
    result = in_shell("plainnet fmt - <&-")
    assert result.returncode == 2
    assert result.stderr.startswith("UsageError: standard input is closed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_an_error_without_a_traceback() -> None:
    result = in_shell("plainnet list > /dev/full")
    assert result.returncode == 1
    assert result.stderr == "the output cannot be written: No space left on device\n"


LINTED = {
    "SuperConvK3BNRELU(3,12,1,1)": "channels-not-8",
    "SuperConvK3BNRELU(3,8,32,1)SuperConvK3BNRELU(8,8,2,1)": "stride-on-1x1",
    "SuperConvK3BNRELU(3,8,32,1)SuperConvK3BNRELU(8,8,1,1)": "kernel-on-1x1",
    "ConvKX(3,64,3,1)ConvKX(64,8,1,1)ConvKX(8,64,1,1)": "width-bottleneck",
    "ConvKX(3,8,4,1)": "even-kernel",
    "ConvKX(3,8,3,4)AdaptiveAvgPool(8,16)": "undone-stride",
    "ConvKX(3,8,3,1)RELU(16)": "channel-annotation",
    "ConvKX(3,8,3,1)RELU(8)RELU(8)": "repeated-activation",
}


def test_maps_that_grow_to_meet_a_value_of_before_undo_no_stride() -> None:
    grown = "ConvKX(a|3,8,3,1)ConvKX(8,8,3,2)Upsample(8,2)"
    meets = grown + "MultiSumBlock(BN(8);From(a))"
    assert "undone-stride" in run("lint", grown).output
    assert run("lint", meets).exit_code == 0
    assert "undone-stride" in run("lint", meets + "ConvKX(8,8,3,2)Upsample(8,2)").output


@pytest.mark.parametrize("text", LINTED)
def test_lint_warns(text: str) -> None:
    result = run("lint", text, "--resolution", "32", "--json")
    assert result.exit_code == 1
    assert LINTED[text] in [warning["rule"] for warning in json.loads(result.stdout)]


@pytest.mark.parametrize("name", ["resnet50", "zennet_imagenet1k_latency01ms_res224", "deepmad-R18"])
def test_lint_has_nothing_against_published_networks(name: str) -> None:
    result = run("lint", name)
    assert result.exit_code == 0, result.stdout


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """{'space_arch': 'CnnNet', 'best_structures': [[
        {'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3},
        {'class': 'SuperResK1KXK1', 'in': 32, 'out': 48, 's': 2, 'k': 5, 'L': 2, 'btn': 32}]]}"""
    expected = "ConvKXBNRELU(3,32,3,2)SuperResK1KXK1(32,48,5,2,32,2)\n"
    file = tmp_path / "best_structure.txt"
    file.write_text(text)
    assert run("convert", str(file)).stdout == expected
    assert run("convert", text).stdout == expected
    assert run("fmt", str(file)).stdout == expected
    for bad, message in {
        "[{'class': 'SuperQuantResK1DWK1', 'in': 8, 'out': 8, 'k': 3, 'btn': 8, 'L': 1, 'nbitsA': [5]}]": (
            "is quantised to 5 bits (nbitsA, nbitsW)"
        ),
        "{'space_arch': 'Cnn3DNet', 'best_structures': []}": "3-D TinyNAS structures are not read;",
        "[{'class': 'SuperResK1KXK'}]": "did you mean SuperResK1KXK1?",
        "[{'class': 'ConvKXBN', 'in': 3}]": "'out' is missing",
        "[{'class': 'ConvKXBN', 'in': 3, 'out': 8, 'k': 3, 'x': 1}]": "'x' is not read",
        "[1, 2": "is no Python literal",
        "[]": "a TinyNAS structure is a list of dicts",
        "[{'class': 'ConvKXBN', 'in': 3, 'out': 'eight', 'k': 3}]": "out_channels is 'eight'",
    }.items():
        code, _, err = run_main(capsys, "convert", bad)
        assert code == 2, bad
        assert message in err
    code, _, err = run_main(capsys, "convert", "nowhere.txt")
    assert code == 2
    assert "'nowhere.txt' is no structure, no file and no published network" in err


def test_list_and_blocks() -> None:
    records = {record["name"]: record for record in json.loads(run("list", "--json").stdout)}
    assert records["resnet50"]["params"] == 25_557_032
    assert records["zennet_cifar_model_size1M_res32"]["macs"] == 159_259_648
    listed = run("list").output
    assert "deepmad-89M" in listed
    assert [line.split()[0] for line in listed.splitlines() if line.startswith(("whole", "neck", "head"))] == [
        "whole", "neck", "head",
    ]  # fmt: skip
    assert "fpn           from (levels, the largest map first), channels" in listed
    assert re.search(r"\nsuper conv +SuperConvK\{1,3,5,7\}BNRELU", run("blocks").output)
    assert run("blocks", "--markdown").stdout.startswith("| block | arguments | what it is |")


def test_own_blocks_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from plainnet.blocks import Channels, PlainNetBasicBlockClass\n"
        "from plainnet.blocks.rows.layers import Conv\n"
        "class CliOwnBlock(PlainNetBasicBlockClass):\n"
        "    in_channels: Channels\n"
        "    out_channels: Channels\n"
        "    def layers(self):\n"
        "        return (Conv(self.out_channels, 3),)\n"
    )
    assert run("fmt", "CliOwnBlock( 3, 8 )", "--blocks", str(file)).stdout == "CliOwnBlock(3,8)\n"
    assert run("fmt", "--blocks", "missing.py", SMALL).exception is not None


def test_a_pipe_is_not_a_name_for_a_network() -> None:
    result = in_shell(f"plainnet analyze <(echo '{SMALL}') --no-latency --no-zen")
    assert result.stdout.startswith("network     structure  #")
