"""A folder of the store is whole or absent, whatever happens to the process, the disk, or the index."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plainnet.errors import RunError, UsageError
from plainnet.store.conversions import conversions_of, keep_conversion
from plainnet.store.finding import find
from plainnet.store.keeping import change_record, keep, reindex, remove
from plainnet.store.layout import RECORD, each_name, find_name, folder_of
from plainnet.store.reading import record_of, verify
from plainnet.store.record import Record
from tests.store.conftest import small_record, write_small

Put = Callable[..., Record]
WORKING = {"lock", "index.sqlite", "index.behind", ".writing"}


def names(root: Path) -> list[str]:
    """What the index says, which is what the folders say."""
    found, broken = find(root)
    assert not broken
    listed = [each.short for each in found]
    assert sorted(listed) == sorted(name.short for name in each_name(root))
    return listed


def changed(record: Record) -> Record:
    return record.model_copy(update={"extra": {"note": "new"}})


def test_what_is_put_is_found_verified_and_removed(root: Path, put: Put) -> None:
    record = put()
    name, folder, read = record_of(root, "net")
    assert read == record
    assert verify(root, name) == []
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", RECORD, "model.safetensors"]
    assert names(root) == ["net.one"]
    with pytest.raises(UsageError, match=r"has networks/cls/net.one already; accepted: another --name"):
        put()
    with pytest.raises(UsageError, match="capital letters alone"):
        put("Net")
    with pytest.raises(UsageError, match="Cls differs from cls"):
        put("other", identity={"task": "Cls"})
    assert change_record(root, "net", changed).extra == {"note": "new"}
    assert verify(root, name) == []
    assert remove(root, "net.one") == name
    assert names(root) == []
    with pytest.raises(UsageError, match="there is no 'net' in the store"):
        remove(root, "net")


def test_a_name_that_several_have_is_told_with_all_of_them(root: Path, put: Put) -> None:
    put(tag="one")
    put(tag="two")
    put(tag="one", identity={"task": "seg"})
    with pytest.raises(UsageError, match=r"'net' names 3 networks .*: net.one, net.two"):
        find_name(root, "net")
    with pytest.raises(UsageError, match=r"networks/cls/net.one, networks/seg/net.one"):
        find_name(root, "net.one")
    assert find_name(root, "seg/net.one").group == "seg"
    assert find_name(root, "net.two").tag == "two"
    with pytest.raises(UsageError, match=r"did you mean net\.two"):
        find_name(root, "net.tow")


def test_equal_networks_have_equal_digests(root: Path, put: Put) -> None:
    first, second = put("a"), put("b")
    assert first.identity.digest == second.identity.digest
    other = small_record("c").model_copy(
        update={"structure": first.structure.model_copy(update={"arguments": {"width": 2}})}
    )
    assert keep(root, other, write_small).identity.digest != first.identity.digest


TAMPERED = {
    "weights": ("model.safetensors", lambda old: old[:-1] + bytes([old[-1] ^ 1]), "SHA-256 differs"),
    "config": ("config.json", lambda old: old.replace(b"cls", b"seg") + b" ", "SHA-256 differs"),
    "record": (RECORD, lambda old: old.replace(b'"accuracy"', b'"acuracy"'), "not the card of the record"),
    "another network": (RECORD, lambda old: old.replace(b'"name": "net"', b'"name": "other"'), "record of another"),
    "no number": (RECORD, lambda old: old.replace(b'"value": 0.5', b'"value": NaN'), "no number of JSON"),
    "strange field": (RECORD, lambda old: old.replace(b'"licence"', b'"license"'), "Extra inputs"),
    "other schema": (RECORD, lambda old: old.replace(b'"schema": 1', b'"schema": 2'), "schema 2; accepted: 1"),
    "path": (RECORD, lambda old: old.replace(b'"config.json"', b'"../../x"'), "outside of its folder"),
    "cut": (RECORD, lambda old: old[:100], "no JSON"),
    "binary": (RECORD, lambda old: b"\xff\xfe" + old, "UTF-8"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_was_tampered_with_is_noticed(case: str, root: Path, put: Put) -> None:
    put()
    file, change, why = TAMPERED[case]
    name = find_name(root, "net")
    path = folder_of(root, name) / file
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    assert why in " ".join(verify(root, name))


def test_a_configuration_of_before_which_said_licence_and_paper_too_is_sound(root: Path, put: Put) -> None:
    put()
    name = find_name(root, "net")
    folder = folder_of(root, name)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= {"license": "mit", "paper_name": None, "origin_url": None}
    (folder / "config.json").write_text(json.dumps(config))
    record = json.loads((folder / RECORD).read_text())
    record["identity"]["files"]["config.json"] = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    (folder / RECORD).write_text(json.dumps(record))
    assert verify(root, name) == []


def test_a_link_or_a_lost_file_is_noticed(root: Path, put: Put, tmp_path: Path) -> None:
    put()
    name = find_name(root, "net")
    folder = folder_of(root, name)
    (folder / "config.json").unlink()
    assert "config.json is missing" in " ".join(verify(root, name))
    (folder / "config.json").symlink_to(tmp_path)
    assert "is a link" in " ".join(verify(root, name))
    (root / "networks" / "cls" / "away.one").symlink_to(folder)
    assert [each.short for each in each_name(root)] == ["net.one"]


# --- the index


def of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE metrics")
    connection.close()


INDICES: dict[str, Callable[[Path], object]] = {
    "lost": lambda path: path.unlink(),
    "foreign": lambda path: path.write_bytes(b"hello" * 5000),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\0" * (path.stat().st_size - 4096)),
    "another version": of_another_version,
    "another table": without_a_table,
}


@pytest.mark.parametrize("case", INDICES)
def test_an_index_is_made_again_from_the_records(case: str, root: Path, put: Put) -> None:
    put("a")
    put("b")
    assert names(root) == ["a.one", "b.one"]
    INDICES[case](root / "index.sqlite")
    assert names(root) == ["a.one", "b.one"]
    INDICES[case](root / "index.sqlite")
    put("c")
    assert names(root) == ["a.one", "b.one", "c.one"]
    INDICES[case](root / "index.sqlite")
    remove(root, "a")
    assert reindex(root) == 0
    assert names(root) == ["b.one", "c.one"]


def test_a_change_within_a_network_is_in_the_index(root: Path, put: Put) -> None:
    """The folder above it is as it was; the mark alone says that the index is behind."""
    put("a")
    assert names(root) == ["a.one"]
    folder = folder_of(root, find_name(root, "a")).parent
    before = folder.stat().st_mtime_ns
    change_record(root, "a", changed)
    assert folder.stat().st_mtime_ns == before
    assert (root / "index.behind").exists()
    assert [each.short for each in find(root, 'extra.note == "new"')[0]] == ["a.one"]
    assert not (root / "index.behind").exists()


def test_a_change_in_the_same_tick_of_the_clock_is_in_the_index(
    root: Path, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plainnet.store.index._changed", lambda _: 1)
    put("a")
    assert [each.short for each in find(root)[0]] == ["a.one"]
    put("b")
    assert [each.short for each in find(root)[0]] == ["a.one", "b.one"]


def test_folders_that_others_bring_and_take_are_followed(root: Path, put: Put) -> None:
    put("a")
    assert names(root) == ["a.one"]
    shutil.copytree(root / "networks" / "cls", root / "networks" / "own")
    record = root / "networks" / "own" / "a.one" / RECORD
    assert "another network" in dict(find(root)[1])["networks/own/a.one"]
    record.write_text(record.read_text().replace('"task": "cls"', '"task": "own"'))
    assert reindex(root) == 0
    assert names(root) == ["a.one", "a.one"]
    shutil.rmtree(root / "networks" / "cls")
    assert names(root) == ["a.one"]


def test_a_store_that_cannot_be_written_is_read(root: Path, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put("a")
    assert not (root / "index.sqlite").exists(), "who writes does not wait for the index"

    def refuse(*_: Any, **__: Any) -> Any:
        raise RunError("read only")

    monkeypatch.setattr("plainnet.store.index.store_lock", refuse)
    assert [each.short for each in find(root, 'name == "a"')[0]] == ["a.one"]
    assert not (root / "index.sqlite").exists()


# --- kills, full disks, others


WHOLE = "a binary, whole"


def convert(root: Path) -> None:
    """In the place of an earlier one, from the second time on."""

    def write(place: Path) -> None:
        place.mkdir()
        (place / "binary").write_text(WHOLE[:5])
        (place / "binary").write_text(WHOLE)

    keep_conversion(root, "old", "torchscript", write, converted=record_of(root, "old")[2])


COMMANDS: dict[str, tuple[Callable[[Path], object], list[list[str]]]] = {
    "add": (lambda root: keep(root, small_record("new"), write_small), [["old.one"], ["new.one", "old.one"]]),
    "remove": (lambda root: remove(root, "old"), [["old.one"], []]),
    "change": (lambda root: change_record(root, "old", changed), [["old.one"]]),
    "convert": (convert, [["old.one"]]),
    "reindex": (reindex, [["old.one"]]),
}
TOUCHING = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.replace", "shutil.rmtree", "sqlite3.connect"}


_fsync = os.fsync


def deadly(stage: int) -> None:
    """From here on the process is killed before its call number `stage` that touches the disk."""
    calls = itertools.count(1)

    def hook(event: str, _arguments: object) -> None:
        if event in TOUCHING and next(calls) == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    fsync = _fsync

    def counted(file: int) -> None:
        hook("open", None)
        fsync(file)

    os.fsync = counted
    sys.addaudithook(hook)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("step", [pytest.param(5, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.tail)])
def test_a_kill_at_any_moment_leaves_every_folder_whole_or_absent(
    command: str, step: int, root: Path, put: Put
) -> None:
    do, outcomes = COMMANDS[command]
    put("old")
    kills, seen = 0, list[list[str]]()
    for stage in range(1, 300, step):
        child = os.fork()
        if child == 0:
            try:
                deadly(stage)
                do(root)
            finally:
                os._exit(0)
        killed = os.waitpid(child, 0)[1] == signal.SIGKILL
        found = names(root)
        assert found in outcomes
        for name in each_name(root):
            problems = [one for one in verify(root, name) if "not the card" not in one]
            assert problems == []
            for place in conversions_of(folder_of(root, name)):
                assert (place / "binary").read_text() == WHOLE
        seen.append(found)
        kills += killed
        assert {path.name for path in root.iterdir()} - {"networks"} <= WORKING
        reindex(root)
        assert not (root / ".writing").exists(), "what was left behind is removed"
        if found != [*outcomes[0]]:
            shutil.rmtree(root)
            put("old")
        if not killed:
            break
    assert not killed
    assert kills * step >= 5
    assert all(outcome in seen for outcome in outcomes)


@pytest.mark.parametrize("failing", range(1, 10))
def test_a_full_disk_leaves_the_store_as_it_was(
    root: Path, put: Put, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The disk is full at one write after the other: files, folders, syncs."""
    put("old")
    assert names(root) == ["old.one"]
    before = sorted(path.relative_to(root) for path in (root / "networks").rglob("*"))
    calls = itertools.count(1)

    def full(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls) >= failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(os, "fsync", full(_fsync))
    monkeypatch.setattr(Path, "write_text", full(Path.write_text))
    with pytest.raises(RunError, match=r"No space left on device.*what was in it is as it was"):
        keep(root, small_record("new"), write_small)
    monkeypatch.undo()
    assert not list((root / ".writing").iterdir())
    assert sorted(path.relative_to(root) for path in (root / "networks").rglob("*")) == before


def test_two_at_once_are_both_there(root: Path) -> None:
    """Threads stand for processes: each takes the lock of the store on a file of its own."""

    def add(first: int) -> None:
        for number in range(first, first + 4):
            keep(root, small_record(f"n{number}"), write_small)

    threads = [threading.Thread(target=add, args=(start,)) for start in (0, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(root)) == 8
    assert reindex(root) == 0


def test_of_two_that_add_one_name_one_is_told(root: Path) -> None:
    results = list[str]()

    def add() -> None:
        try:
            keep(root, small_record("same"), write_small)
            results.append("added")
        except UsageError as error:
            results.append(str(error))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("added") == 1
    assert sum("already" in each for each in results) == 3
    assert names(root) == ["same.one"]


def test_two_changes_at_once_are_both_there(root: Path, put: Put) -> None:
    put()

    def note(key: str) -> Callable[[], object]:
        def change(record: Record) -> Record:
            return record.model_copy(update={"extra": {**record.extra, key: 1}})

        return lambda: change_record(root, "net", change)

    threads = [threading.Thread(target=note(f"k{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(record_of(root, "net")[2].extra) == 8
    assert json.loads((folder_of(root, find_name(root, "net")) / RECORD).read_text())["schema"] == 1
