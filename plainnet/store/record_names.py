"""What stored networks are called, refused under POSIX and Windows rules before the disk is touched."""

from __future__ import annotations

import re
from typing import NamedTuple

from plainnet.errors import UsageError, nearest

__all__ = ["FOLDERS", "KINDS", "StoredName", "as_word", "check_word", "read_name"]

FOLDERS = {"network": "networks", "backbone": "backbones", "neck": "necks", "head": "heads"}
"""Kind -> the folder that holds it."""
KINDS = tuple(FOLDERS)
BY_TASK = ("network", "head")
"""Kinds that stand under their task; the others stand under their family."""
LONGEST = 80
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin|conout|clock|(com|lpt)[0-9])", re.IGNORECASE)
"""What Windows takes for a device, with any suffix."""
ACCEPTED = (
    f"1 to {LONGEST} of A-Z a-z 0-9 _ + -, the first a letter or a digit, and no name of a device (con, nul, com1, ...)"
)


class StoredName(NamedTuple):
    """kind, group (the task of a network or a head, the family of a backbone or a neck), name and tag."""

    kind: str
    group: str
    name: str
    tag: str

    @property
    def short(self) -> str:
        """`resnet18.digits_r8`."""
        return f"{self.name}.{self.tag}"

    @property
    def path(self) -> str:
        """`networks/cls/resnet18.digits_r8`: where it stands in the store."""
        return f"{FOLDERS[self.kind]}/{self.group}/{self.short}"


def check_word(what: str, text: object) -> str:
    """A part of a name; `UsageError` for what could not be a name of a folder on every system."""
    if isinstance(text, str) and len(text) <= LONGEST and _WORD.fullmatch(text) and not _DEVICE.fullmatch(text):
        return text
    shown = repr(text) if len(str(text)) <= 60 else f"{str(text)[:59]!r}…"
    raise UsageError(f"{what} is {shown}; accepted: {ACCEPTED}")


def as_word(text: str) -> str:
    """A text as a part of a name: what no name may hold becomes _; "" where nothing is left."""
    found = re.sub(r"[^A-Za-z0-9_+-]+", "_", text).strip("_+-")[:LONGEST]
    return "" if not found or _DEVICE.fullmatch(found) else found


def stored_name(kind: str, *, task: str, family: str, name: str, tag: str) -> StoredName:
    """The name of a record, each part of it checked."""
    if kind not in FOLDERS:
        near = nearest(kind, FOLDERS)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"kind is {kind!r}; accepted: {', '.join(FOLDERS)}{hint}")
    words = {"task": task, "family": family, "name": name, "tag": tag}
    for what, word in words.items():
        check_word(what, word)
    return StoredName(kind, task if kind in BY_TASK else family, name, tag)


def read_name(text: str) -> tuple[str | None, str | None, str, str | None]:
    """What a text asks for: (kind, group, name, tag), None for what it leaves open.

    Accepted: NAME, NAME.TAG, GROUP/NAME.TAG and FOLDER/GROUP/NAME.TAG; `UsageError` for everything else, before any disk is
    asked.
    """
    *above, last = text.split("/")
    name, dot, tag = last.partition(".")
    check_word("the name", name)
    if dot:
        check_word("the tag", tag)
    if len(above) > 2 or (above and not dot):
        raise UsageError(
            f"{text!r} names no stored network; accepted: NAME, NAME.TAG, TASK/NAME.TAG or networks/TASK/NAME.TAG"
        )
    group = check_word("the task or family", above[-1]) if above else None
    kind = None
    if len(above) == 2:
        kinds = {folder: kind for kind, folder in FOLDERS.items()}
        if above[0] not in kinds:
            raise UsageError(f"{text!r} is in {above[0]!r}; accepted: {', '.join(kinds)}")
        kind = kinds[above[0]]
    return kind, group, name, tag if dot else None
