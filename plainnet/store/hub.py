"""Stored networks on the Hugging Face hub: a folder there is a folder of the store, without its conversions.

A conversion is a program of its platform's and is not taken from elsewhere; it is made again where it is wanted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

from plainnet.errors import MissingExtraError, PlainnetError, RunError, UsageError
from plainnet.store.keeping import keep, name_of
from plainnet.store.layout import CARD, CONFIG, CONVERSIONS, RECORD, SOURCE, WEIGHTS
from plainnet.store.reading import problems_of, record_of
from plainnet.store.record import Record, read_record
from plainnet.store.writing import place_to_write

__all__ = ["pull", "push"]

Answer = TypeVar("Answer")
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
OFFLINE = "HF_HUB_OFFLINE"
"""The environment variable that forbids the hub's library every connection."""


def push(root: Path, text: str, repository: str, *, private: bool = False) -> str:
    """Put a stored network on the hub, in a repository OWNER/NAME that is made where there is none; its address.

    Raises `RunError` for a network that is not whole, and where the hub cannot be reached or refuses.
    """
    name, folder, record = record_of(root, text)
    way_out = f"to take it there by hand: upload the folder {quote(str(folder))} as it is"
    hub = _hub(repository, way_out)
    problems = problems_of(folder, record)
    if problems:
        raise RunError(f"{name.path} is not whole, and stays here: {problems[0]}")

    def upload() -> Any:
        hub.create_repo(repository, exist_ok=True, private=private)
        return hub.upload_folder(
            repo_id=repository,
            folder_path=str(folder),
            commit_message=f"{name.short}, {record.identity.digest[:12]}",
            ignore_patterns=[f"{CONVERSIONS}/**"],
            delete_patterns=[f"{SOURCE}/*"],  # of a network that was there before
        )

    return str(_asked(upload, way_out))


def pull(
    root: Path, repository: str, *, revision: str | None = None, name: str | None = None, tag: str | None = None
) -> Record:
    """Put a network of the hub's into the store, after everything in it was compared with its digests; no code of its is run.

    name, tag: in place of those that it has. Raises `RunError` where it is not what its record says, and where the hub cannot be
    reached or refuses; `UsageError` where the store has one of that name.
    """
    way_out = f"to bring it by hand: copy its folder to {quote(str(root))}/networks/TASK/NAME.TAG"
    hub = _hub(repository, way_out)
    with place_to_write(root) as content:
        wanted = [RECORD, WEIGHTS, CONFIG, CARD, f"{SOURCE}/*"]
        _asked(
            lambda: hub.snapshot_download(repository, revision=revision, local_dir=str(content), allow_patterns=wanted),
            way_out,
        )
        record = read_record(content / RECORD)
        try:
            name_of(record)
        except UsageError as error:
            raise RunError(f"the record of {repository} cannot be used: {error}") from None
        problems = problems_of(content, record)
        if problems:
            raise RunError(f"{repository} is not what its record says, and was not taken: {problems[0]}")
        said = {key: value for key, value in (("name", name), ("tag", tag)) if value is not None}
        pulled = {"pulled": {"from": repository, "revision": revision}}
        record = record.model_copy(
            update={"identity": record.identity.model_copy(update=said), "extra": record.extra | pulled}
        )
        sources = {own: content / SOURCE / own for own in record.code.sources}
        return keep(root, record, lambda path: os.replace(content / WEIGHTS, path), sources=sources)


def _hub(repository: str, way_out: str) -> Any:
    """The hub's client; refused where its library is not there or may not connect, and for what names no repository."""
    try:
        import huggingface_hub
        from huggingface_hub import constants
    except ImportError:
        raise MissingExtraError("huggingface_hub", "hub") from None
    if not REPOSITORY.fullmatch(repository):
        raise UsageError(f"{repository!r} names no repository of the hub; accepted: OWNER/NAME")
    if constants.HF_HUB_OFFLINE:
        raise RunError(f"the hub is not asked: {OFFLINE} forbids it; unset it, or, {way_out}")
    return huggingface_hub.HfApi(library_name="plainnet")


def _asked(question: Callable[[], Answer], way_out: str) -> Answer:
    try:
        return question()
    except PlainnetError:
        raise
    except Exception as error:  # of the library, of what it connects with, of the system
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RunError(f"the hub could not be reached, or refused: {first}; {way_out}") from error
