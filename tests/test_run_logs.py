"""Runs keep a text log: what their modules say, with time stamps, behind the environment that they ran in."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import plainnet
from plainnet.cli.main import cli
from plainnet.files import environment, repository
from plainnet.files.run_log import LOG, run_log
from plainnet.search import resume, search
from tests.search.small import small_config

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|WARNING|ERROR) +(plainnet\.[\w.]+): (.+)|    .+")
SMALL = {"candidates": 200, "population": 8, "epoch": 100, "islands": 1}


def lines(folder: Path) -> list[tuple[str, str, str]]:
    found = [LINE.fullmatch(line) for line in (folder / LOG).read_text().splitlines()]
    assert all(found)
    return [each.groups() for each in found if each is not None and each[1]]


def test_a_search_keeps_a_log(tmp_path: Path) -> None:
    search(small_config(**SMALL), tmp_path / "run")
    found = lines(tmp_path / "run")
    heads = [text.partition(":")[0] for _, _, text in found[:5]]
    assert heads == ["command", "folder", "versions", "machine", "git"]
    assert {room for _, room, _ in found} >= {"plainnet.search.runs.session", "plainnet.search.runs.driver"}
    assert sum(text.startswith("epoch ") for _, _, text in found) == 8
    resume(tmp_path / "run")
    assert lines(tmp_path / "run") == found, "a finished search has nothing to say"
    assert not logging.getLogger("plainnet.search").handlers
    search(small_config(**SMALL))


def test_what_ends_a_run_stands_in_its_log(tmp_path: Path) -> None:
    for error in (KeyboardInterrupt(), ValueError("a\nb"), OSError(28, "no room")):
        with pytest.raises(type(error)), run_log(tmp_path, "plainnet.search"):
            raise error
    assert [text for level, _, text in lines(tmp_path) if level == "ERROR"] == [
        "ended by KeyboardInterrupt",
        "ended by ValueError: a",
        "ended by OSError: [Errno 28] no room",
    ]


def test_a_log_that_cannot_be_written_ends_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / LOG).symlink_to("/dev/full")
    with run_log(tmp_path, "plainnet.search"):
        logging.getLogger("plainnet.search.x").info("more")
    assert capsys.readouterr().err.count("is not written any more") == 1


@pytest.mark.parametrize("answer", [OSError("no git"), (128, "", ""), (0, "abc\n", " M file\n"), (0, "abc\n", "")])
def test_git_is_asked_and_may_be_silent(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(words: list[str], **_: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, tuple)
        return type("Done", (), {"returncode": answer[0], "stdout": answer[1 if "rev-parse" in words else 2]})

    monkeypatch.setattr(repository.subprocess, "run", run)
    expected = {"": "none", " M file\n": "abc, 1 changed files"}
    known = answer[2] if isinstance(answer, tuple) and not answer[0] else None
    assert environment.git_state() == ("none" if known is None else "abc, clean" if known == "" else expected[known])


def test_verbose_shows_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["search", "zennas-resnet", "--max-params", "2e5", "--candidates", "100", "--ladder", "none", "--quiet"]
    said = CliRunner().invoke(cli, [*words, "--out", "a", "--verbose"])
    assert said.exit_code == 0, said.output
    assert "INFO    plainnet.search.runs.driver: epoch 0" in said.stderr
    assert "INFO" not in CliRunner().invoke(cli, [*words, "--out", "b"]).output
    assert not logging.getLogger("plainnet").handlers


@pytest.mark.slow
def test_a_training_keeps_a_log(tmp_path: Path) -> None:
    overrides = ["train.epochs=2", "log.tensorboard=false", "device=cpu", f"run={tmp_path / 'run'}"]
    plainnet.train("SuperConvK3BNRELU(1,4,2,1)", overrides=overrides, console=Console(quiet=True))
    found = lines(tmp_path / "run")
    rooms = {room for _, room, _ in found}
    assert {
        f"plainnet.engine.{name}" for name in ("run.training_run", "hooks.recording", "hooks.checkpointing")
    } <= rooms
    assert sum(text.startswith("round ") for _, _, text in found) == 2
    assert found[-1][2].startswith("finished after 2 rounds")
