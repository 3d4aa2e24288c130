"""What is in a store: listed, shown, and compared with its digests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from plainnet.blocks.rows.meaning_hash import meaning_hash
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import parse
from plainnet.errors import PlainnetError, RunError
from plainnet.files.tensor_files import read_tensors
from plainnet.files.text_files import json_value, read_text
from plainnet.store.card import config_json, model_card
from plainnet.store.describing_parts import COMPONENT, lone_string
from plainnet.store.digests import content_digest, file_digest
from plainnet.store.index import check_place
from plainnet.store.keeping import architecture_of
from plainnet.store.layout import CARD, CONFIG, RECORD, SOURCE, WEIGHTS, find_name, folder_of
from plainnet.store.record import Record, read_record
from plainnet.store.record_names import StoredName

__all__ = ["problems_of", "record_of", "verify"]


def record_of(root: Path, text: str) -> tuple[StoredName, Path, Record]:
    """The stored network that a text asks for: its name, its folder, its record."""
    name = find_name(root, text)
    folder = folder_of(root, name)
    record = read_record(folder / RECORD)
    check_place(record, name)
    return name, folder, record


def verify(root: Path, name: StoredName) -> list[str]:
    """What is wrong with a stored network, a sentence each: its files are compared with the record, the tensors with the
    digest of the content.
    """
    folder = folder_of(root, name)
    try:
        record = read_record(folder / RECORD)
        check_place(record, name)
    except PlainnetError as error:
        return [str(error)]
    return problems_of(folder, record) or list(_card(folder, record))


def problems_of(folder: Path, record: Record) -> list[str]:
    """What is wrong with a folder that is to be what a record says, but for its card, a sentence each."""
    problems = list(_links(folder)) or [*_files(folder, record), *_weights(folder, record), *_sources(folder, record)]
    return problems or [*_config(folder, record), *_meaning(folder, record)]


def _links(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            yield f"{path} is a link, and nothing in a store may lead out of it"


def _files(folder: Path, record: Record) -> Iterator[str]:
    for name in sorted({CONFIG, WEIGHTS} | record.identity.files.keys()):
        said = record.identity.files.get(name)
        path = folder / name
        if Path(name).name != name:
            yield f"{folder / RECORD} names a file outside of its folder: {name!r}"
        elif not path.is_file():
            yield f"{path} is missing"
        elif said is None:
            yield f"{folder / RECORD} has no digest of {name}"
        elif file_digest(path) != said:
            yield f"{path} is not what was stored (SHA-256 differs)"


def _weights(folder: Path, record: Record) -> Iterator[str]:
    try:
        tensors, _ = read_tensors(folder / WEIGHTS, ours=True)
    except RunError as error:
        yield str(error)
        return
    if content_digest(architecture_of(record), tensors) != record.identity.digest:
        yield f"{folder / WEIGHTS} are not the weights of the record: the digest of the content differs"


def _sources(folder: Path, record: Record) -> Iterator[str]:
    there = {path.name: path for path in (folder / SOURCE).glob("*")} if (folder / SOURCE).is_dir() else {}
    for name in sorted(there.keys() | record.code.sources.keys()):
        said = record.code.sources.get(name)
        if name not in there:
            yield f"{folder / SOURCE / name} is missing"
        elif said is None:
            yield f"{there[name]} is not in the record"
        elif not there[name].is_file() or file_digest(there[name]) != said:
            yield f"{there[name]} is not what was stored (SHA-256 differs)"


ONCE_THERE = ("license", "paper_name", "origin_url")
"""Keys that configurations had, while licence and paper were in them, too."""


def _config(folder: Path, record: Record) -> Iterator[str]:
    found = json_value(read_text(folder / CONFIG), str(folder / CONFIG))
    if isinstance(found, dict) and isinstance(about := found.get("pretrained_cfg"), dict):
        found = {**found, "pretrained_cfg": {key: value for key, value in about.items() if key not in ONCE_THERE}}
    if found != config_json(record):
        yield f"{folder / CONFIG} is not what the record says"


def _card(folder: Path, record: Record) -> Iterator[str]:
    if not (folder / CARD).is_file() or read_text(folder / CARD) != model_card(record):
        yield f"{folder / CARD} is not the card of the record; plainnet store measure writes it"


def _meaning(folder: Path, record: Record) -> Iterator[str]:
    """The blocks of the string mean what they meant."""
    structure, size = record.structure, record.input.trained_at
    if structure.string is None or structure.code_hash is None or size is None or len(size) != 2:
        return
    try:
        is_part = structure.constructor == COMPONENT
        own = parse(lone_string(record) if is_part else structure.string)
        shape = Shape(own.in_channels if is_part else record.input.channels or 3, size[0], size[1])
        found = meaning_hash(own.rows(shape, variant=Variant(**structure.variant), expand=True))
    except (PlainnetError, TypeError) as error:
        first = str(error).splitlines()[0]
        yield f"the structure of {folder / RECORD} cannot be read: {first} (blocks of your own: --blocks FILE)"
        return
    if found != structure.code_hash:
        yield (
            f"the blocks of {folder / RECORD} mean another network now than when it was stored: a block was changed, or the "
            "record was"
        )
