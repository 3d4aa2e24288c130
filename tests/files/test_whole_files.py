"""Texts that are written whole or not at all, to whatever stands under a name."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from PIL import Image

from plainnet.cli.picture_files import save_picture
from plainnet.errors import PlainnetError, UsageError
from plainnet.files.whole_files import refuse_unwritable, whole_file, write_whole


def break_off(file: Path) -> None:
    with whole_file(file) as stream:
        stream.write("half")
        stream.flush()
        raise KeyboardInterrupt


def test_what_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    for before in (None, "yesterday"):
        if before:
            file.write_text(before)
        with pytest.raises(KeyboardInterrupt):
            break_off(file)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == ({"file.txt": before} if before else {})


def test_a_picture_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    """As `predict --draw` and `data show` write them: encoded first, then put in its place."""
    file = tmp_path / "mine.jpg"
    file.write_bytes(b"yesterday")
    with pytest.raises(UsageError, match="no picture is written as JPEG"):
        save_picture(Image.new("RGBA", (4, 4)), file)
    with pytest.raises(UsageError, match="has no suffix"):
        save_picture(Image.new("RGB", (4, 4)), tmp_path / "mine.txt")
    with pytest.raises(PlainnetError, match="cannot be written"):
        save_picture(Image.new("RGB", (4, 4)), tmp_path / "none" / "mine.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"mine.jpg": b"yesterday"}
    save_picture(Image.new("RGB", (4, 4)), file)
    with Image.open(file) as picture:
        assert picture.size == (4, 4)


def test_a_link_stays_a_link_and_a_mode_a_mode(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "there").chmod(0o640)
    (tmp_path / "link").symlink_to("there")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "new"
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o640
    (tmp_path / "ahead").symlink_to("not yet")
    write_whole(tmp_path / "ahead", "new")
    assert (tmp_path / "not yet").read_text() == "new"


def test_a_pipe_or_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    """Root could put a file in the place of /dev/null."""
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "through")
    reader.join()
    assert (found, pipe.is_fifo()) == (["through"], True)
    null = Path(os.devnull)
    if os.geteuid():
        write_whole(null, "nothing")
        assert null.is_char_device()


def test_the_longest_name_that_a_file_may_have(tmp_path: Path) -> None:
    write_whole(tmp_path / ("x" * 255), "new")
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


def test_a_name_that_is_no_text_is_shown_in_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "b\udcff", "see b\udcff")
    assert (tmp_path / "b\udcff").read_text() == r"see b\udcff"


@pytest.mark.parametrize("name", ["folder", "file/x", "x" * 256, "loop", "nowhere/x"])
def test_what_cannot_be_is_said_before_the_work_and_after_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(os.listdir(tmp_path))
    for refused in (refuse_unwritable, lambda path: write_whole(path, "x")):
        with pytest.raises(UsageError, match="cannot be written: "):
            refused(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == before
