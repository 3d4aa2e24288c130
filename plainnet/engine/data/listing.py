"""The image files under folders of classes: what is there, what was left out, and what is wrong, before anything is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plainnet.errors import RunError, nearest

__all__ = ["SUFFIXES", "Listing", "class_names", "is_hidden", "leads_out", "list_classes", "named", "why_unreadable"]

SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
SHOWN = 10
"""Names in a message; the rest is counted."""


@dataclass
class Listing:
    """Image files with the number of their class, in the order of their paths.

    hidden: how many entries were left out for their names. others: files without the suffix of an image.
    wrong: entries with such a suffix that cannot be read, and why.
    """

    files: list[tuple[Path, int]] = field(default_factory=list)
    hidden: int = 0
    others: list[Path] = field(default_factory=list)
    wrong: list[tuple[Path, str]] = field(default_factory=list)

    def notes(self, where: Path) -> Iterator[str]:
        """What was left out, in words."""
        if self.hidden:
            yield f"{where}: {self.hidden:,} hidden files left out"
        if self.others:
            names = named(str(path.relative_to(where)) for path in self.others)
            yield f"{where}: {len(self.others):,} files left out that are no images by their names: {names}"


def named(names: Iterable[str]) -> str:
    """Names for a message: the first ten, and how many more there are; what cannot be printed is written out."""
    items = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    rest = f" and {len(items) - SHOWN:,} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + rest


def is_hidden(name: str) -> bool:
    """Whether a name is one that systems leave behind: `._img.png`, `.DS_Store`, `__MACOSX`, `Thumbs.db`."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def class_names(base: Path) -> tuple[str, ...]:
    """The names of the folders in `base`, sorted: the classes."""
    names = sorted(path.name for path in base.iterdir() if path.is_dir() and not is_hidden(path.name))
    if not names:
        raise RunError(f"{base} holds no folders of classes")
    odd = [name for name in names if not name.isprintable() or not _is_utf8(name)]
    if odd:
        raise RunError(f"{base}: names of classes that cannot be printed: {named(map(repr, odd))}")
    return tuple(names)


def list_classes(base: Path, classes: Sequence[str]) -> Listing:
    """The images of every class, in all its subfolders; a folder that is none of `classes` is an error."""
    known = {name: number for number, name in enumerate(classes)}
    listing, strange = Listing(), []
    for path in sorted(base.iterdir()):
        if is_hidden(path.name):
            listing.hidden += 1
        elif not path.is_dir():
            listing.others.append(path)
        elif path.name not in known:
            strange.append(path.name)
    if strange:
        hints = {name: nearest(name, classes) for name in strange}
        said = (f"{name} (did you mean {near}?)" if near else name for name, near in hints.items())
        raise RunError(f"{base} holds classes that the training images do not have: {named(said)}")
    for name, number in known.items():
        if (base / name).is_dir():
            _walk(base / name, number, listing, set())
    return listing


def _walk(folder: Path, number: int, listing: Listing, above: set[str]) -> None:
    """Everything under a folder, sorted as paths are; a link back to a folder above is not followed."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        listing.wrong.append((folder, error.strerror or str(error)))
        return
    for entry in entries:
        path = folder / entry.name
        if is_hidden(entry.name):
            listing.hidden += 1
        elif entry.is_dir() and path.suffix.lower() not in SUFFIXES:
            _walk(path, number, listing, above | {real})
        elif path.suffix.lower() not in SUFFIXES:
            listing.others.append(path)
        elif why := why_unreadable(path):
            listing.wrong.append((path, why))
        else:
            listing.files.append((path, number))


def leads_out(folder: Path, path: Path) -> bool:
    """Whether the path of an image lies outside of the folder of images: an annotation names no other file of its reader's."""
    top = os.path.abspath(folder)
    return "\0" in str(path) or os.path.commonpath([top, os.path.abspath(path)]) != top


def why_unreadable(path: Path) -> str:
    """Why a file cannot be read; "" where it can as far as one sees without opening it."""
    try:
        about = path.stat()
    except OSError as error:
        return "a link to nothing" if path.is_symlink() else error.strerror or str(error)
    if stat.S_ISDIR(about.st_mode):
        return "it is a folder"
    if not stat.S_ISREG(about.st_mode):
        return "it is no plain file"
    if not about.st_size:
        return "the file is empty"
    return "" if os.access(path, os.R_OK) else "permission denied"


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
