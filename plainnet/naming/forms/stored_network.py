"""`store:NAME`, or the folder of a stored network: what is in `plainnet.store`, with its weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plainnet.errors import UsageError
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Subject
from plainnet.store.layout import STORED, WEIGHTS, find_name, folder_of, is_stored, store_root

__all__ = ["FORM"]

SOURCE = "from the store"


def _takes(text: str) -> bool:
    return text.startswith(STORED) or is_stored(text)


def _read(text: str, reading: Reading) -> Subject:
    from plainnet.naming.trained_weights import subject_of_weights
    from plainnet.store.describing_parts import COMPONENT
    from plainnet.store.index import check_place
    from plainnet.store.layout import RECORD
    from plainnet.store.record import read_record

    if text.startswith(STORED):
        root = store_root()
        name = find_name(root, text.removeprefix(STORED))
        folder = folder_of(root, name)
        record = read_record(folder / RECORD)
        check_place(record, name)
    else:
        folder = Path(text)
        record = read_record(folder / RECORD)
    if record.structure.constructor == COMPONENT:
        kind = record.identity.kind
        place = "heads.NAME" if kind == "head" else kind
        raise UsageError(
            f"{text} is a {kind}, and no network without what it takes; accepted: {place} of a network that is put together "
            "(plainnet store build, plainnet store compose), or plainnet store load"
        )
    called = f"{record.identity.name}.{record.identity.tag}"
    subject = subject_of_weights(
        folder / WEIGHTS, reading, said=text, form=f"of the store, {folder}", source=SOURCE, name=called
    )
    said = record.structure.string
    if subject.structure is not None and said != str(subject.structure):
        from plainnet.errors import RunError

        raise RunError(f"{folder} is damaged: {WEIGHTS} are weights of another structure than its record says")
    return replace(subject, name=called)


FORM = Form("a stored network", "store:NAME", 5, _takes, _read)
