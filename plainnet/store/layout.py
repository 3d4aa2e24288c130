"""Where everything is: the root of a store, the folders in it, and the one that a name asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from plainnet.errors import UsageError, nearest
from plainnet.files.file_kinds import reading
from plainnet.store.record_names import FOLDERS, StoredName, read_name

__all__ = [
    "RECORD",
    "STORED",
    "WEIGHTS",
    "each_group",
    "each_name",
    "find_name",
    "folder_of",
    "is_stored",
    "store_root",
]

RECORD, WEIGHTS, CONFIG, CARD = "model.json", "model.safetensors", "config.json", "README.md"
SOURCE, CONVERSIONS = "source", "conversions"
STORED = "store:"
"""How a text begins that names a stored network."""
HOME = "PLAINNET_HOME"
"""The environment variable that names the folder of what belongs to a user."""
SHOWN = 5


def store_root(said: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the store: what was said, else $PLAINNET_HOME/models, else ~/.plainnet/models."""
    if said is not None:
        return Path(said).expanduser()
    home = os.environ.get(HOME)
    return (Path(home).expanduser() if home else Path.home() / ".plainnet") / "models"


def folder_of(root: Path, name: StoredName) -> Path:
    """The folder of a stored network."""
    return root / FOLDERS[name.kind] / name.group / name.short


def is_stored(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a stored network; any text may be asked about."""
    return os.path.isdir(folder) and os.path.isfile(os.path.join(folder, RECORD))


def each_group(root: Path) -> Iterator[tuple[str, str, Path]]:
    """(kind, group, folder) of every task and family in the store."""
    for kind, home in FOLDERS.items():
        for entry in _folders(root / home):
            yield kind, entry, root / home / entry


def each_name(root: Path, *, only: str = "") -> Iterator[StoredName]:
    """Everything in the store, by the folders' names alone. only: of those whose name begins so."""
    for kind, group, folder in each_group(root):
        for entry in _folders(folder):
            name, dot, tag = entry.partition(".")
            if dot and name and tag and entry.startswith(only):
                yield StoredName(kind, group, name, tag)


def _folders(parent: Path) -> list[str]:
    """Folders in a folder, but for hidden ones and links."""
    try:
        with os.scandir(parent) as entries:
            return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def find_name(root: Path, text: str) -> StoredName:
    """The stored network that a text asks for: NAME or NAME.TAG, with its folders before it where there are several, and with
    `store:` or without it; of a network and parts that are called as it is, the network.

    `UsageError` for a text that could name nothing, for none (with the nearest) and for several.
    """
    kind, group, name, tag = read_name(text.removeprefix(STORED))
    found = [
        each
        for each in each_name(root, only=f"{name}.")
        if each.name == name and tag in (None, each.tag) and kind in (None, each.kind) and group in (None, each.group)
    ]
    found = [each for each in found if is_stored(folder_of(root, each))]
    if len(found) > 1 and len({each.short for each in found}) == 1:  # a network and its own parts may have one name
        found = [each for each in found if each.kind == "network"] or found
    if len(found) == 1:
        return found[0]
    if found:
        same = len({each.short for each in found}) == 1
        shown = ", ".join((each.path if same else each.short) for each in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UsageError(f"{text!r} names {len(found)} networks of the store {root}: {shown}{more}; give one of them")
    near = nearest(text.rpartition("/")[2], dict.fromkeys(word for each in each_name(root) for word in _words(each)))
    hint = f"; did you mean {near}?" if near else ""
    with reading(text, "name of a stored network"):
        raise UsageError(f"there is no {text!r} in the store {root}{hint} (plainnet store list shows what is there)")


def _words(name: StoredName) -> tuple[str, str]:
    return name.short, name.name
