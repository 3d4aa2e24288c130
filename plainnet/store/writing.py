"""Writing into a store so that every folder is whole or absent, whenever the process ends and whatever the disk refuses.

What is written is made in a place of its own, `.writing/.../`, which its process holds a lock on; it is synced to the disk, and
then renamed into its place under the lock of the store. A place whose lock nobody holds is of a process that died.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from plainnet.errors import RunError
from plainnet.files.lock import RunLock

__all__ = [
    "check_writable",
    "clear_left_behind",
    "place_to_write",
    "put",
    "refuse_unwritable",
    "replace_file",
    "replace_folder",
    "store_lock",
    "sync",
    "take_away",
]

WRITING = ".writing"
AT_ONCE = 8
"""Files that are synced together."""
WAIT = 60.0
"""Seconds that one process waits for another to finish with the store; what is done under the lock takes milliseconds."""


@contextmanager
def refuse_unwritable(root: Path) -> Iterator[None]:
    """What the system refuses, as one error of ours: a full disk, a folder that may not be written."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(
            f"the store {root} cannot be written{where}: {error.strerror or error}; what was in it is as it was"
        ) from error


@contextmanager
def store_lock(root: Path) -> Iterator[None]:
    """Only this process changes the store."""
    with RunLock(root, wait=WAIT, what="store"):
        yield


@contextmanager
def place_to_write(root: Path) -> Iterator[Path]:
    """An empty folder on the store's disk, which is removed with all that is still in it."""
    with ExitStack() as held:
        with refuse_unwritable(root):
            root.mkdir(parents=True, exist_ok=True)
            with store_lock(
                root
            ):  # so that nobody takes the place for one that was left behind before its lock is held
                (root / WRITING).mkdir(exist_ok=True)
                place = Path(tempfile.mkdtemp(dir=root / WRITING))
                held.callback(shutil.rmtree, place, ignore_errors=True)
                held.enter_context(RunLock(place, what="place"))
        with refuse_unwritable(root):
            content = place / "content"
            content.mkdir()
            yield content


def check_writable(root: Path) -> None:
    """Say before a long piece of work that its result could not be written into the store; see `refuse_unwritable`."""
    with place_to_write(root):
        pass


def put(content: Path, target: Path) -> None:
    """A whole folder in its place, where there must be none: synced, then renamed."""
    sync_tree(content)
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        sync(target.parent.parent)
    os.rename(content, target)
    _sync_done(target.parent)


def replace_folder(content: Path, target: Path, earlier: Path) -> None:
    """A whole folder in place of the one that is there, if there is one, which becomes `earlier`; it stays where the new one
    cannot be put.
    """
    is_there = target.exists()
    if is_there:
        sync_tree(content)  # before anything is moved: a full disk says so here
        os.rename(target, earlier)
    try:
        put(content, target)
    except OSError:
        if is_there:
            os.rename(earlier, target)
        raise


def replace_file(written: Path, target: Path) -> None:
    """A file in place of the one that is there."""
    sync(written)
    os.replace(written, target)
    _sync_done(target.parent)


def take_away(folder: Path, place: Path) -> None:
    """A folder out of the store, at once: it is removed where nobody looks for it."""
    os.rename(folder, place / "removed")
    _sync_done(folder.parent)


def clear_left_behind(root: Path) -> int:
    """Remove what processes that died left unfinished; how many places there were. Only under the lock of the store."""
    cleared = 0
    for place in sorted((root / WRITING).glob("*")) if (root / WRITING).is_dir() else ():
        try:
            with RunLock(place):
                shutil.rmtree(place, ignore_errors=True)
                cleared += 1
        except RunError:  # of a process that lives
            continue
    with suppress(OSError):
        (root / WRITING).rmdir()
    return cleared


def sync_tree(folder: Path) -> None:
    """Everything in a folder, and the folder, on the disk: at once, so that a file system writes its journal once for all."""
    paths = [*sorted(folder.rglob("*")), folder]
    with ThreadPoolExecutor(min(len(paths), AT_ONCE)) as pool:
        list(pool.map(sync, paths))


def _sync_done(folder: Path) -> None:
    """After the one step that changes the store: it is made, and a folder that cannot be synced does not unmake it."""
    with suppress(OSError):
        sync(folder)


def sync(path: Path) -> None:
    """A file, or what a folder says of its files, on the disk."""
    if os.name == "nt" and path.is_dir():  # folders cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
