"""Completion in bash, zsh and fish: the scripts, what they are answered, and each shell that is there using its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plainnet.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
SHELLS = {
    "bash": """
        . ./completion.bash
        COMP_WORDS=({line}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        compopt() {{ echo "files"; }}
        _plainnet_completion plainnet
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """,
    "zsh": """
        compdef() {{ }}
        compadd() {{ print -l -- ${{(P)@[-1]}} }}
        _describe() {{ print -l -- ${{(P)3}} }}
        _path_files() {{ print files }}
        . ./completion.zsh
        words=({line}) CURRENT=${{#words}}
        _plainnet_completion plainnet
    """,
    "fish": """
        source ./completion.fish
        complete --do-complete '{line}'
    """,
}
"""What a shell runs to print what it would offer. bash and zsh offer within a line that is typed alone: what is theirs there, is
ours here.
"""


def script(shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    with monkeypatch.context() as patch:
        patch.setenv("_PLAINNET_COMPLETE", f"{shell}_source")
        with pytest.raises(SystemExit) as caught:
            main([])
    assert not caught.value.code
    return capsys.readouterr().out


def offered(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words, or "files", as click tells them to zsh: three lines each."""
    words = line.split(" ")
    with monkeypatch.context() as patch:
        patch.setenv("_PLAINNET_COMPLETE", "zsh_complete")
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit) as caught:
            main([])
    assert not caught.value.code
    lines = capsys.readouterr().out.splitlines()
    return ["files" if kind == "file" else word for kind, word in zip(lines[::3], lines[1::3], strict=False)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("plainnet ru", ["runs"]),
        ("plainnet analyze --no-l", ["--no-latency"]),
        ("plainnet analyze resnet1", ["files", "resnet18"]),
        ("plainnet compare resnet18 resnet5", ["files", "resnet50"]),
        ("plainnet search zennas-r", ["files", "zennas-resnet"]),
        ("plainnet space show dart", ["files", "darts"]),
        ("plainnet export resnet18 --to onn", ["onnx"]),
        ("plainnet score resnet18 --proxy zic", ["files", "zico"]),
        ("plainnet validate compo", ["files", "composite", "composite_fitted"]),
        ("plainnet registry lo", ["loss"]),
        ("plainnet new blo", ["block"]),
        ("plainnet train qui", ["files", "quick"]),
        ("plainnet evaluate ru", ["files"]),
        ("plainnet report ru", ["files"]),
    ],
)
def test_what_may_come_next(
    line: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert offered(line, monkeypatch, capsys) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show ", ["mine.one", "other.two"]),
        ("verify mine.one o", ["other.two"]),
        ("rm m", ["mine.one"]),
        ("show x", []),
    ],
)
def test_names_of_the_store_are_offered(
    line: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, name in (("home/models", "mine.one"), ("home/models", "other.two"), ("elsewhere", "third.three")):
        folder = tmp_path / place / "networks" / "cls" / name
        folder.mkdir(parents=True)
        (folder / "model.json").touch()
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "home"))
    assert offered(f"plainnet store {line}", monkeypatch, capsys) == words
    assert offered(f"plainnet store show --store {tmp_path / 'elsewhere'} t", monkeypatch, capsys) == ["third.three"]


def test_every_command_is_offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert offered("plainnet ", monkeypatch, capsys) == list(COMMANDS)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_uses_its_script(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = script(shell, monkeypatch, capsys)
    assert "_plainnet_completion" in text
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (tmp_path / f"completion.{shell}").write_text(text)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "plainnet"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m plainnet "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
    }
    for line, expected in (("plainnet ru", ["runs"]), ("plainnet registry hoo", ["hook"])):
        command = SHELLS[shell].format(line=line)
        result = subprocess.run(
            [shell, "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert result.stderr == ""
        words = [each.partition("\t" if shell == "fish" else ":")[0] for each in result.stdout.splitlines()]
        assert words == expected, result.stdout
        if shell == "fish" and line == "plainnet ru":
            assert ", " in result.stdout, "what a word means does not end at a comma"
