"""The kinds of arguments that a block declares by annotation.

    class SuperResK3K3(PlainNetBasicBlockClass):
        in_channels: Channels
        stride: Stride

An annotation says how the argument is read, which values are accepted, how a search may change it (`kind`), and how it
is documented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from plainnet.blocks.base import PlainNetBasicBlockClass

__all__ = [
    "Blocks",
    "Branches",
    "Channels",
    "Depth",
    "Dilation",
    "Features",
    "FieldKind",
    "First",
    "Flag",
    "Groups",
    "KernelSize",
    "Name",
    "Names",
    "Probability",
    "Scale",
    "Size",
    "Stride",
    "field_kind",
]


@dataclass(frozen=True)
class FieldKind:
    """What an argument is: `kind` for searches, `accepted` for people, and its range where it is a number."""

    kind: str
    minimum: float = 0
    maximum: float = 0
    number: type = int

    @property
    def accepted(self) -> str:
        if self.is_names:
            return "the name of a value, of letters, digits, _ . and -"
        what = "an integer" if self.number is int else "a number"
        return f"{what} from {self.minimum:,} to {self.maximum:,}"

    @property
    def is_children(self) -> bool:
        return self.kind in ("blocks", "branches")

    @property
    def is_names(self) -> bool:
        return self.kind in ("name", "names")

    def accepts(self, value: Any) -> bool:
        if self.is_names:
            names = value if isinstance(value, tuple) else (value,)
            return (
                isinstance(value, tuple if self.kind == "names" else str) and bool(names) and all(map(_is_name, names))
            )
        numbers = (int,) if self.number is int else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool) and self.minimum <= value <= self.maximum


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


Channels = Annotated[int, FieldKind("channels", 1, 1_000_000)]
"""A number of channels."""
Features = Annotated[int, FieldKind("features", 1, 100_000_000)]
"""A number of features of a vector."""
Stride = Annotated[int, FieldKind("stride", 1, 1024)]
"""The stride of a block, the same for both axes."""
Depth = Annotated[int, FieldKind("depth", 1, 10_000)]
"""How many sub-layers a super block has; also what it adds to a network's number of layers."""
KernelSize = Annotated[int, FieldKind("kernel_size", 1, 1023)]
"""The side of a square window."""
Groups = Annotated[int, FieldKind("groups", 1, 1_000_000)]
"""The number of groups of a convolution."""
Dilation = Annotated[int, FieldKind("dilation", 1, 1024)]
"""How far the taps of a window stand apart."""
Scale = Annotated[int, FieldKind("scale", 1, 64)]
"""How many times as high and wide a map becomes."""
First = Annotated[int, FieldKind("first", 0, 1_000_000)]
"""The number of a channel, from 0."""
Size = Annotated[int, FieldKind("size", 1, 65_536)]
"""The side of a square map."""
Flag = Annotated[int, FieldKind("flag", 0, 1)]
"""0 or 1."""
Probability = Annotated[float, FieldKind("probability", 0, 1, float)]
"""A probability from 0 to 1."""
Name = Annotated[str, FieldKind("name")]
"""The name of a value that an earlier block puts out."""
Names = Annotated[tuple[str, ...], FieldKind("names")]
"""The names of several values, separated by commas."""
Blocks = Annotated[tuple["PlainNetBasicBlockClass", ...], FieldKind("blocks")]
"""A sequence of blocks."""
Branches = Annotated[tuple[tuple["PlainNetBasicBlockClass", ...], ...], FieldKind("branches")]
"""Sequences of blocks, separated by ; in the string."""


def field_kind(hint: Any) -> FieldKind | None:
    """The `FieldKind` that a resolved annotation carries, or None."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, FieldKind):
            return extra
    return None
