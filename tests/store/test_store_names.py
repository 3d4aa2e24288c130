"""Names that cannot leave the store, refused before the disk is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from plainnet.errors import UsageError
from plainnet.store.layout import find_name, store_root
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
