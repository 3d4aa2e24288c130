"""What pages tell about a stored network, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.structure import parse
from plainnet.errors import PlainnetError
from plainnet.profiler.network_drawing import drawn_blocks
from plainnet.store.describing_parts import COMPONENT, lone_string
from plainnet.store.layout import RECORD, each_name, folder_of
from plainnet.store.record import Record, read_record

__all__ = ["is_store", "is_stored", "store_facts", "stored_facts"]


def is_stored(folder: Path) -> bool:
    """Whether a folder is that of a stored network."""
    return (folder / RECORD).is_file()


def is_store(folder: Path) -> bool:
    """Whether a folder is a store with something in it."""
    return any(is_stored(folder_of(folder, name)) for name in each_name(folder))


def store_facts(root: Path, page_of: Callable[[Path], str] | None = None) -> dict[str, Any]:
    """Every network of a store, by the records alone, and the records that cannot be read. `page_of`: where the page of a
    network is found, by its folder.
    """
    networks, problems = [], []
    for folder in (folder_of(root, name) for name in each_name(root)):
        if is_stored(folder):
            try:
                networks.append({**stored_facts(folder), "page": page_of(folder) if page_of is not None else None})
            except PlainnetError as error:
                problems.append((str(folder), str(error)))
    return {"title": root.resolve().name, "networks": networks, "problems": problems}


def stored_facts(folder: Path) -> dict[str, Any]:
    """The record, the network's name and its blocks. Raises `RunError` for a damaged record."""
    record = read_record(folder / RECORD)
    return {"record": record.model_dump(mode="json"), "name": folder.resolve().name, "blocks": _blocks(record)}


def _blocks(record: Record) -> list[dict[str, Any]]:
    """The blocks of a stored structure, where it is one that can be read without its author's files."""
    string, sizes = record.structure.string, record.input.trained_at
    if not string or not sizes:
        return []
    try:
        structure = parse(lone_string(record) if record.structure.constructor == COMPONENT else string)
        height, width = (sizes[-2], sizes[-1]) if len(sizes) > 1 else (sizes[0], sizes[0])
        return drawn_blocks(structure, Shape(structure.in_channels, height, width))
    except PlainnetError:
        return []
