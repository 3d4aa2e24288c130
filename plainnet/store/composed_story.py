"""What the weights of a network that is put together say, as a training run would: how images are read is known of its backbone,
what it is for of its head.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.blocks.parts import BACKBONE, NECK
from plainnet.files.tensor_files import read_metadata
from plainnet.store.layout import WEIGHTS
from plainnet.store.record import Output, Record
from plainnet.store.stored_parts import StoredPart

__all__ = ["READ", "TOLD", "composed_story", "known_outputs"]

READ = ("mean", "std", "reader")
"""What the weights' header says of how images are read."""
TOLD = ("task", "classes")
"""What it says of what the network is for."""


def known_outputs(outputs: Sequence[Output], parts: Mapping[str, StoredPart]) -> list[Output]:
    """The outputs of the network, with the classes of those heads that are of the store."""

    def classes(output: Output) -> list[str] | None:
        stored = next((part for name, part in parts.items() if f"{output.head}.".startswith(f"{name}.")), None)
        found = () if stored is None else (each.classes for each in stored.record.outputs)
        return next((each for each in found if each is not None and output.channels is not None), None)

    return [output.model_copy(update={"classes": classes(output)}) for output in outputs]


def composed_story(parts: Mapping[str, StoredPart], record: Record, *, trained: bool) -> dict[str, str]:
    """The header's entries. trained: whether somebody trained all of the weights; what has to be trained is for nothing yet, and
    its task and its classes are not said. They are those of its one head.
    """
    backbone = parts.get(BACKBONE)
    found = {} if backbone is None else _said_by(backbone, READ)
    heads = [part for part in record.structure.parts if part not in (BACKBONE, NECK)]
    if trained and len(heads) == 1 and heads[0] in parts:
        head = _said_by(parts[heads[0]], TOLD)
        if not _names(json.loads(head.get("task", "{}"))) - {each.head for each in record.outputs}:
            found |= head
    return found


def _said_by(part: StoredPart, keys: Sequence[str]) -> dict[str, str]:
    said = read_metadata(part.folder / WEIGHTS)
    return {key: said[key] for key in keys if key in said}


def _names(value: Any) -> set[str]:
    """The outputs that a task asks for by their names, which the network may call otherwise."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return {name for each in inner for name in _names(each)}
    return {value} if isinstance(value, str) and value.startswith("heads.") else set()
