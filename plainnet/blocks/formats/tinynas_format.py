"""TinyNAS structures: a list of dicts, one for each block, as the authors' search writes it; converted to blocks.

    [{'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3},
     {'class': 'SuperResK1KXK1', 'in': 32, 'out': 48, 's': 2, 'k': 5, 'L': 2, 'btn': 32}, ...]

alone, in a dict with `best_structures`, or as `structure_info` of a configuration. The blocks mean what the search means
by them, under their older names (SuperResConvK1KX) as well. Source: alibaba/lightweight-neural-architecture-search, with
its branches maedet and quant; tinyvision/DAMO-YOLO.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.families.basic import ConvKXBN, ConvKXBNRELU
from plainnet.blocks.families.tinynas import (
    SuperResK1DWK1,
    SuperResK1DWSEK1,
    SuperResK1KX,
    SuperResK1KXK1,
    SuperResKXKX,
)
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.structure import Structure
from plainnet.blocks.text.literals import Opaque
from plainnet.errors import StructureError, nearest

__all__ = ["BITS_NOTE", "from_tinynas", "is_tinynas", "tinynas_notes"]

_CONVOLUTIONS = {cls.__name__: cls for cls in (ConvKXBN, ConvKXBNRELU)}
_SUPER = {cls.__name__: cls for cls in (SuperResKXKX, SuperResK1KX, SuperResK1KXK1, SuperResK1DWK1, SuperResK1DWSEK1)}
_OLDER = {
    "SuperResConvKXKX": "SuperResKXKX",
    "SuperResConvK1KX": "SuperResK1KX",
    "SuperResConvK1KXK1": "SuperResK1KXK1",
    "SuperQuantResK1DWK1": "SuperResK1DWK1",
}
"""Names of older versions, of DAMO-YOLO and of the quantised search -> the class of today."""
_DETECTION = {"SuperResConvKXKX", "SuperResConvK1KX"}
_KEYS = {"class", "in", "out", "k", "s", "btn", "L", "inner_class"}
_BITS = ("nbitsA", "nbitsW")
FULL_BITS = 8
"""The search writes 8 where nothing is quantised."""
MAX_BLOCKS = 10_000
BITS_NOTE = "nbitsA and nbitsW are left out: the network is read, and counted, in full precision"
DETECTION_NOTE = (
    "{name} is read as TinyNAS's {today}; DAMO-YOLO builds the file with a focus stem, no shortcuts at stride 2, pooling "
    "pyramids and other activations, which the file does not say"
)


def is_tinynas(value: Any) -> bool:
    """Whether a value is a list of dicts, some of which say their class."""
    return (
        isinstance(value, Sequence)
        and bool(value)
        and all(isinstance(entry, Mapping) for entry in value)
        and any("class" in entry for entry in value)
    )


def from_tinynas(
    value: Sequence[Mapping[str, Any]], *, drop_bits: bool = False, limits: Limits = DEFAULT_LIMITS
) -> Structure:
    """The structure of a list of dicts; `StructureError` for what it does not say, or what a string cannot say.

    drop_bits: read quantised blocks as those in full precision.
    """
    if not is_tinynas(value):
        raise StructureError(
            "a TinyNAS structure is a list of dicts such as {'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3}"
        )
    if len(value) > MAX_BLOCKS:
        raise StructureError(f"the structure has {len(value):,} blocks; accepted: at most {MAX_BLOCKS:,}")
    return Structure([_block(entry, number, drop_bits) for number, entry in enumerate(value, 1)], limits=limits)


def tinynas_notes(value: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader should know about a structure that was read."""
    names = [entry.get("class") for entry in value]
    notes = [BITS_NOTE] if any(entry.get(key) is not None for entry in value for key in _BITS) else []
    older = next((name for name in names if name in _DETECTION), None)
    return notes + ([DETECTION_NOTE.format(name=older, today=_OLDER[older])] if older else [])


def _block(source: Mapping[str, Any], number: int, drop_bits: bool) -> PlainNetBasicBlockClass:
    entry = {key: _plain(value) for key, value in source.items() if value is not None}
    written = entry.get("class", "")
    written = written if isinstance(written, str) else repr(written)
    where = f"block {number} ({written[:40]})"
    if "kt" in entry or "3D" in written:
        raise StructureError(f"{where}: 3-D TinyNAS structures are not read; accepted: 2-D ones (space_arch CnnNet)")
    name = _OLDER.get(written, written)
    known: dict[str, Callable[..., PlainNetBasicBlockClass]] = {**_CONVOLUTIONS, **_SUPER}
    if name not in known:
        near = nearest(written, [*known, *_OLDER])
        raise StructureError(
            f"block {number}: unknown class {written[:40]!r}; accepted: {', '.join(known)}"
            + (f"; did you mean {near}?" if near else "")
        )
    _check_keys(entry, name, where)
    if not drop_bits:
        _check_bits(entry, where)
    keys = ["in", "out", "k", "s"] + (["btn", "L"] if name in _SUPER else [])
    values = [1 if key == "s" and key not in entry else entry.get(key) for key in keys]
    if None in values:
        raise StructureError(f"{where}: {keys[values.index(None)]!r} is missing")
    try:
        return known[name](*values)
    except StructureError as error:
        raise StructureError(f"block {number}: {error}") from None


def _plain(value: Any) -> Any:
    """NumPy's integers as integers, its arrays and tuples as lists."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return list(map(_plain, value))
    if not isinstance(value, (bool, str)) and hasattr(value, "__index__"):
        return operator.index(value)
    return value


def _check_bits(entry: Mapping[str, Any], where: str) -> None:
    """`StructureError` for blocks that are quantised to other than 8 bits."""
    found = [bits for key in _BITS if key in entry for bits in _as_list(entry[key])]
    odd = [bits for bits in found if bits != FULL_BITS or isinstance(bits, bool)]
    if not odd:
        return
    ends = sorted(set(map(str, odd)))
    bits = ends[0] if len(ends) == 1 else f"{ends[0]} to {ends[-1]}"
    raise StructureError(
        f"{where} is quantised to {bits[:40]} bits (nbitsA, nbitsW), which a network string does not say; "
        "`plainnet convert --drop-bits` reads it as the network in full precision"
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_keys(entry: Mapping[str, Any], name: str, where: str) -> None:
    """`StructureError` for a key that is not read, unless it only says what is the case anyway."""
    inner = entry.get("inner_class", "")
    accepted = [one.removeprefix("Super") for one in (name, *(old for old in _OLDER if _OLDER[old] == name))]
    if "inner_class" in entry and inner not in accepted:
        raise StructureError(f"{where}: inner_class is {inner!r}; accepted: {', '.join(map(repr, accepted))}")
    kernel_size = entry.get("k")
    same: dict[str, Any] = {
        "g": 1,
        "p": (kernel_size - 1) // 2 if isinstance(kernel_size, int) else None,
        "act": "silu" if name == "SuperResK1DWSEK1" else "relu",
        "force_resproj": False,
        "force_resproj_skip": 4,
    } | ({"se_ratio": 0.25} if name == "SuperResK1DWSEK1" else {})
    for key in entry:
        value = entry[key]
        if isinstance(value, Opaque):
            raise StructureError(f"{where}: {key!r} is {value}; accepted: a value that is written down")
        if key in _KEYS or key in _BITS:
            continue
        if key not in same:
            near = nearest(str(key), [*_KEYS, *same])
            raise StructureError(
                f"{where}: {str(key)[:40]!r} is not read; accepted: {', '.join(sorted(_KEYS))}"
                + (f"; did you mean {near}?" if near else "")
            )
        if value != same[key]:
            raise StructureError(f"{where}: {key!r} is {value!r}; accepted: {same[key]!r}, which a string can say")
