"""A network put into the store, changed there, and taken out of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from plainnet.errors import RunError, UsageError
from plainnet.files.tensor_files import read_tensors
from plainnet.store.card import config_json, model_card
from plainnet.store.commit import commit_of
from plainnet.store.digests import content_digest, file_digest
from plainnet.store.index import DAMAGED, mark_behind, rebuild_index
from plainnet.store.layout import CARD, CONFIG, RECORD, SOURCE, WEIGHTS, find_name, folder_of
from plainnet.store.record import Record, read_record
from plainnet.store.record_names import StoredName, check_word, stored_name
from plainnet.store.writing import (
    clear_left_behind,
    place_to_write,
    put,
    refuse_unwritable,
    replace_file,
    store_lock,
    take_away,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "architecture_of",
    "change_record",
    "commit_to_note",
    "keep",
    "name_of",
    "note_passed",
    "reindex",
    "remove",
    "with_sizes",
]


def name_of(record: Record) -> StoredName:
    """Where a record belongs."""
    identity = record.identity
    for tag in identity.tags:
        check_word("a tag", tag)
    return stored_name(identity.kind, task=identity.task, family=identity.family, name=identity.name, tag=identity.tag)


def architecture_of(record: Record) -> dict[str, object]:
    """What a network is made of, for its digest."""
    structure = record.structure
    if structure.string is None:
        return {"constructor": structure.constructor, "arguments": structure.arguments}
    own = {"arguments": structure.arguments} if structure.arguments else {}  # where a part takes its values
    return {"string": structure.string, "variant": structure.variant, "norm_eps": structure.norm_eps, **own}


def keep(
    root: Path, record: Record, write_weights: Callable[[Path], object], *, sources: Mapping[str, Path] | None = None
) -> Record:
    """Put a network into the store and return its record, with its digests.

    write_weights: writes `model.safetensors` at a path, as `plainnet.files.tensor_files` does. sources: the user's own files,
    by the name that they get. Raises `UsageError` where there is a network of that name (or one that differs from it by capital
    letters, which some systems do not tell apart), `RunError` where the store cannot be written: then nothing is changed.
    """
    name = name_of(record)
    _check_free(root, name)
    with place_to_write(root) as content:
        write_weights(content / WEIGHTS)
        tensors, _ = read_tensors(content / WEIGHTS, ours=True)
        digests = {}
        for own, path in (sources or {}).items():
            (content / SOURCE).mkdir(exist_ok=True)
            shutil.copyfile(path, content / SOURCE / own)
            digests[own] = file_digest(content / SOURCE / own)
        record = _with_digests(record, content, tensors, digests)
        _write(content / CONFIG, config_json(record))
        files = {each: file_digest(content / each) for each in (CONFIG, WEIGHTS)}
        record = record.model_copy(update={"identity": record.identity.model_copy(update={"files": files})})
        _write(content / RECORD, record.as_dict())
        (content / CARD).write_text(model_card(record), encoding="utf-8")
        with store_lock(root):
            _check_free(root, name)
            mark_behind(root)
            put(content, folder_of(root, name))
    return record


def _with_digests(record: Record, content: Path, tensors: Mapping[str, Tensor], sources: dict[str, str]) -> Record:
    added = datetime.now(UTC).isoformat(timespec="seconds")
    identity = {"digest": content_digest(architecture_of(record), tensors), "added": added}
    cost = {"size_bytes": (content / WEIGHTS).stat().st_size}
    return record.model_copy(
        update={
            "identity": record.identity.model_copy(update=identity),
            "cost": record.cost.model_copy(update=cost),
            "code": record.code.model_copy(update={"sources": sources}),
        }
    )


def _check_free(root: Path, name: StoredName) -> None:
    """No other network answers to the name, on any system."""
    folder = folder_of(root, name)
    if folder.parent.is_dir():
        same = [path.name for path in folder.parent.iterdir() if path.name.lower() == folder.name.lower()]
        if same:
            differs = "" if same[0] == folder.name else ", which differs by capital letters alone"
            raise UsageError(
                f"the store {root} has {name.path.rpartition('/')[0]}/{same[0]} already{differs}; accepted: another --name or "
                f"--tag, or remove it first: plainnet store rm {quote(same[0])}"
            )
    for part in (folder.parent, folder.parent.parent):
        near = (
            [path.name for path in part.parent.iterdir() if path.name.lower() == part.name.lower()]
            if part.parent.is_dir()
            else []
        )
        if near and part.name not in near:
            raise UsageError(
                f"{part.name} differs from {near[0]} of the store {root} by capital letters alone; say {near[0]}"
            )


def _write(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def change_record(
    root: Path, text: str, change: Callable[[Record], Record], *, measured: Record | None = None
) -> Record:
    """The record of a stored network, changed: read and written again under the lock of the store, so that two changes are both
    there. Its name cannot change. The card follows it.

    measured: what the change was found out about; `RunError` where another network has its name by now.
    """
    name = find_name(root, text)
    folder = folder_of(root, name)
    with place_to_write(root) as content, store_lock(root):
        found = read_record(folder / RECORD)
        if measured is not None and found.identity.digest != measured.identity.digest:
            raise RunError(f"{name.path} is another network now than the one that was looked at; nothing was written")
        record = change(found)
        assert name_of(record) == name
        _write(content / RECORD, record.as_dict())
        (content / CARD).write_text(model_card(record), encoding="utf-8")
        mark_behind(root)
        replace_file(content / RECORD, folder / RECORD)
        replace_file(content / CARD, folder / CARD)
    return record


def with_sizes(record: Record, sizes: Iterable[Sequence[int]]) -> Record:
    """A record that has these sizes among those that the network was tried at, beside that of its training."""
    known = [list(size) for size in record.input.sizes or []]
    found = [list(size) for size in sizes if list(size) != record.input.trained_at]
    further = sorted(map(list, {tuple(size) for size in [*known, *found]}))
    if further == known:
        return record
    return record.model_copy(update={"input": record.input.model_copy(update={"sizes": further})})


def commit_to_note() -> str:
    """The commit of the current folder's repository; outside of a repository, and where it has changes, that is an error."""
    commit, dirty = commit_of(Path.cwd())
    if commit is None or dirty is not False:
        state = "is in no repository of git" if commit is None else "has changes that are in no commit"
        raise UsageError(f"{Path.cwd()} {state}: there is no commit to note")
    return commit


def note_passed(root: Path, text: str, commit: str) -> Record:
    """Note a commit in a record, as one at which it was verified."""

    def change(record: Record) -> Record:
        passed = list(dict.fromkeys([*record.code.passed, commit]))
        return record.model_copy(update={"code": record.code.model_copy(update={"passed": passed})})

    return change_record(root, text, change)


def remove(root: Path, text: str) -> StoredName:
    """Take a network out of the store, and remove it."""
    name = find_name(root, text)
    with place_to_write(root) as content, store_lock(root):
        folder = folder_of(root, name)
        if not folder.is_dir():
            raise RunError(f"{name.path} was removed by another process")
        mark_behind(root)
        take_away(folder, content)
    return name


def reindex(root: Path) -> int:
    """Make the index again from the records, and remove what interrupted commands left behind: how many of those there were."""
    if not root.is_dir():
        raise UsageError(f"there is no store {root}; accepted: --store DIR of one that is there")
    with refuse_unwritable(root), store_lock(root):
        cleared = clear_left_behind(root)
        try:
            rebuild_index(root)
        except DAMAGED as error:
            raise RunError(f"the index of {root} cannot be made: {error}; the networks are as they were") from error
    return cleared
