"""What a way to name a network is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.naming.subject import Subject

__all__ = ["Form", "Reading"]


@dataclass(frozen=True)
class Reading:
    """What the caller says about the reading.

    trust: Python files that a run names may run, where they are needed.
    imports: Python files or modules of the caller's that a trained network comes from; they are imported already.
    drop_bits: read quantised TinyNAS blocks as those in full precision.
    """

    trust: bool = False
    imports: tuple[str, ...] = ()
    drop_bits: bool = False
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True)
class Form:
    """A way to name a network: the `FORM` of a file in `plainnet/naming/forms/`, which is found by being there.

    name: what it is, in words ("a search run"). written: how it is written, for help and errors.
    place: the order in which forms are asked; the first that takes a text reads it.
    takes: whether a text is meant so. It looks at the text and at what is on the disk, and reads no more than it must.
    read: the network of a text that it takes.
    """

    name: str
    written: str
    place: int
    takes: Callable[[str], bool]
    read: Callable[[str, Reading], Subject]
