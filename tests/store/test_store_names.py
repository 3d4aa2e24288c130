"""Names that cannot leave the store, refused before the disk is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import plainnet
from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.store.layout import find_name, store_root
from plainnet.store.reading import record_of
from plainnet.store.record import Paper
from plainnet.store.record_names import as_word, check_word, read_name, stored_name

HOSTILE = [
    "..", ".", "", "a/../b", "../a", "/etc/passwd", "C:\\x", "a\\b", "con", "NUL", "com1", "lpt9.tag", "a\0b", "a\nb", "a b",
    "-rf", ".hidden", "a.", "a.b.c", "a" * 81, "é", "a:b", "a*", "$HOME", "~", "a%2e", "networks/cls/../../x.y",
    "x/networks/cls/a.b", "networks/cls/a", "hats/cls/a.b", "cls/a",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_could_leave_the_store_is_no_name(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"accepted|names no stored"):
        read_name(text)
    with pytest.raises(UsageError):
        find_name(tmp_path / "nothing", text)
    if "/" not in text:
        with pytest.raises(UsageError):
            check_word("the name", text)
        for part in ("task", "family", "name", "tag"):
            words = {"task": "cls", "family": "own", "name": "a", "tag": "b"} | {part: text}
            with pytest.raises(UsageError, match=f"{part} is"):
                stored_name("network", **words)


def test_names_are_read_with_what_they_leave_open() -> None:
    assert read_name("resnet18") == (None, None, "resnet18", None)
    assert read_name("resnet18.digits_r8") == (None, None, "resnet18", "digits_r8")
    assert read_name("cls/resnet18.digits_r8") == (None, "cls", "resnet18", "digits_r8")
    assert read_name("heads/cls/a.b") == ("head", "cls", "a", "b")
    assert stored_name("backbone", task="cls", family="resnet", name="a", tag="b").path == "backbones/resnet/a.b"
    with pytest.raises(UsageError, match="did you mean backbone"):
        stored_name("backbon", task="cls", family="resnet", name="a", tag="b")


@pytest.mark.parametrize(
    ("text", "word"), [("my run", "my_run"), ("..", ""), ("con", ""), ("a.b", "a_b"), ("x" * 99, "x" * 80)]
)
def test_any_text_becomes_a_word_or_nothing(text: str, word: str) -> None:
    assert as_word(text) == word
    if word:
        assert check_word("the name", word) == word


def test_the_store_is_where_somebody_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path))
    assert store_root() == tmp_path / "models"
    assert store_root("here") == Path("here")
    monkeypatch.delenv("PLAINNET_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store_root() == tmp_path / ".plainnet" / "models"


def test_the_prefix_that_other_commands_need_may_be_there(put: Any, root: Path) -> None:
    put("net")
    for command in (["show"], ["verify"], ["say", "extra.x=1"], ["rm"]):
        name, *rest = command
        result = CliRunner().invoke(cli, ["store", name, "store:net", *rest])
        assert result.exit_code == 0, (name, result.exception)
    assert not any(root.glob("networks/*/*"))


def test_a_store_that_is_a_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for command in (["list"], ["find", "acc > 0"]):
        result = CliRunner().invoke(cli, ["store", *command, "--store", str(tmp_path / "file")])
        assert "is a file; accepted: a folder" in str(result.exception)
    assert (tmp_path / "file").read_text() == "x"


def test_imported_weights_say_where_they_were_published(root: Path, tmp_path: Path) -> None:
    text = "SuperConvK3BNRELU(3,4,2,1)SuperConvK1BNRELU(4,8,1,1)"
    torch.save(plainnet.PlainNet(text, num_classes=2, resolution=8).state_dict(), tmp_path / "net.pth")
    said = ("--paper-url", "https://x.org/1", "--data", "photos", "--data-version", "v2")
    arguments = ["store", "import", str(tmp_path / "net.pth"), "--as", text, "--name", "net", *said]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.exception
    record = record_of(root, "net")[2]
    assert (record.identity.paper, record.data.version) == (Paper(url="https://x.org/1"), "v2")
