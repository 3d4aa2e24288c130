"""Conversions of a stored network: folders in `conversions/`, each whole or absent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from plainnet.errors import RunError
from plainnet.store.layout import CONVERSIONS, RECORD, find_name, folder_of, is_stored
from plainnet.store.record import Record, read_record
from plainnet.store.writing import place_to_write, replace_folder, store_lock

__all__ = ["conversions_of", "keep_conversion"]

About = TypeVar("About")


def keep_conversion(
    root: Path, text: str, platform: str, convert: Callable[[Path], About], *, converted: Record
) -> tuple[Path, About]:
    """Put a conversion of a stored network beside it, in the place of an earlier one; where it is, and what `convert` gave.

    convert: writes a new folder. What it raises leaves everything as it was. converted: the record of the network that it
    converts; `RunError` where that was removed, or another one put in its place, in the meantime.
    """
    name = find_name(root, text)
    folder = folder_of(root, name)
    target = folder / CONVERSIONS / platform
    with place_to_write(root) as content:
        about = convert(content / platform)
        with store_lock(root):
            if not is_stored(folder) or read_record(folder / RECORD).identity.digest != converted.identity.digest:
                raise RunError(f"{name.path} was removed, or replaced, while it was converted; nothing was kept")
            replace_folder(content / platform, target, content / "earlier")
    return target, about


def conversions_of(folder: Path) -> list[Path]:
    """The conversions that a stored network has."""
    found = folder / CONVERSIONS
    return sorted(path for path in found.iterdir() if path.is_dir()) if found.is_dir() else []
