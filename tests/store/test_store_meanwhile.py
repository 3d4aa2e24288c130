"""What takes long, while others change the store, or the disk becomes full."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from plainnet.cli.main import cli
from plainnet.errors import RunError, UsageError
from plainnet.files.tensor_files import write_tensors
from plainnet.store.conversions import keep_conversion
from plainnet.store.finding import find
from plainnet.store.keeping import change_record, keep, reindex, remove
from plainnet.store.layout import each_name, find_name, folder_of
from plainnet.store.reading import record_of, verify
from plainnet.store.record import Record
from plainnet.store.record_names import StoredName
from tests.store.conftest import small_record

Put = Callable[..., Record]


def changed(record: Record) -> Record:
    return record.model_copy(update={"extra": {"note": "new"}})


def conversion(place: Path) -> str:
    place.mkdir()
    (place / "binary").write_text("new")
    return "converted"


def test_what_was_found_out_about_a_network_is_not_written_to_another_of_its_name(root: Path, put: Put) -> None:
    """A measurement and a conversion take minutes; meanwhile the network is removed, or another one has its name."""
    before = put()

    remove(root, "net")
    with pytest.raises(UsageError, match="there is no"):
        change_record(root, "net", changed, measured=before)
    keep(root, small_record(), lambda path: write_tensors(path, {"body.weight": torch.zeros(3)}))
    with pytest.raises(RunError, match="another network now than the one that was looked at; nothing was written"):
        change_record(root, "net", changed, measured=before)
    with pytest.raises(RunError, match="removed, or replaced, while it was converted; nothing was kept"):
        keep_conversion(root, "net", "torchscript", conversion, converted=before)
    record = record_of(root, "net")[2]
    assert record.extra == {}

    def meanwhile(place: Path) -> str:
        remove(root, "net")
        return conversion(place)

    with pytest.raises(RunError, match="removed, or replaced"):
        keep_conversion(root, "net", "torchscript", meanwhile, converted=record)
    assert list(each_name(root)) == [], "nothing is left in the place of what was removed"
    assert not folder_of(root, StoredName("network", "cls", "net", "one")).exists()


@pytest.mark.parametrize("failing", range(1, 9))
def test_a_full_disk_leaves_the_conversion_that_was_there(
    root: Path, put: Put, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    record = put()
    place, _ = keep_conversion(root, "net", "torchscript", conversion, converted=record)
    (place / "binary").write_text("earlier")
    calls = itertools.count(1)

    def full(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls) == failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")
            return function(*arguments, **options)

        return call

    for module, name in ((os, "fsync"), (os, "mkdir"), (os, "rename")):
        monkeypatch.setattr(module, name, full(getattr(module, name)))
    try:
        keep_conversion(root, "net", "torchscript", conversion, converted=record)
        expected = "new"
    except RunError as error:
        assert "what was in it is as it was" in str(error)
        expected = "earlier"
    monkeypatch.undo()
    assert (place / "binary").read_text() == expected
    assert verify(root, find_name(root, "net")) == []


@pytest.mark.skipif(os.name == "nt", reason="files have no limit there")
@pytest.mark.parametrize("most", [0, 100, 5000])
def test_an_index_that_has_no_room_is_an_error_and_readers_do_without(root: Path, put: Put, most: int) -> None:
    """The system lets no file be longer than some bytes, which stands for a full disk."""
    import resource

    put("a")
    put("b")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(RunError, match=r"cannot be (made|written)"):
            reindex(root)
        assert [each.short for each in find(root, "acc > 0.1")[0]] == ["a.one", "b.one"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert reindex(root) == 0
    assert [each.short for each in find(root, "acc > 0.1")[0]] == ["a.one", "b.one"]


@pytest.mark.parametrize("command", ["measure", "tune-lr"])
def test_what_takes_long_says_first_that_the_store_cannot_be_written(
    put: Put, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    put()

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    result = CliRunner().invoke(cli, ["store", command, "net"])
    assert isinstance(result.exception, RunError), "before it is told that this network cannot be measured"
    assert "Read-only file system" in str(result.exception)
