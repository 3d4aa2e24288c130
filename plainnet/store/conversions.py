"""Conversions of a stored network: folders in `conversions/`, each whole or absent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from plainnet.store.layout import CONVERSIONS
from plainnet.store.reading import record_of
from plainnet.store.writing import place_to_write, put, store_lock

__all__ = ["conversions_of", "keep_conversion"]

About = TypeVar("About")


def keep_conversion(root: Path, text: str, platform: str, convert: Callable[[Path], About]) -> tuple[Path, About]:
    """Put a conversion of a stored network beside it, in the place of an earlier one; where it is, and what `convert` gave.

    convert: writes a new folder. What it raises leaves everything as it was.
    """
    _, folder, _ = record_of(root, text)
    target = folder / CONVERSIONS / platform
    with place_to_write(root) as content:
        about = convert(content / platform)
        with store_lock(root):
            if target.exists():
                os.rename(target, content / "earlier")
            put(content / platform, target)
    return target, about


def conversions_of(folder: Path) -> list[Path]:
    """The conversions that a stored network has."""
    found = folder / CONVERSIONS
    return sorted(path for path in found.iterdir() if path.is_dir()) if found.is_dir() else []
