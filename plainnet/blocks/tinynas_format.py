"""TinyNAS structure files: a list of dicts, one for each block, as the authors' search writes it; converted to blocks.

    [{'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3},
     {'class': 'SuperResK1KXK1', 'in': 32, 'out': 48, 's': 2, 'k': 5, 'L': 2, 'btn': 32}, ...]

or a dict with `best_structures` (a list of such lists, the first one counts). Source:
alibaba/lightweight-neural-architecture-search.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.basic import ConvKXBN, ConvKXBNRELU
from plainnet.blocks.structure import Structure
from plainnet.blocks.tinynas import SuperResK1DWK1, SuperResK1DWSEK1, SuperResK1KX, SuperResK1KXK1, SuperResKXKX
from plainnet.errors import StructureError, nearest

__all__ = ["from_tinynas", "looks_like_tinynas"]

_CONVOLUTIONS = {cls.__name__: cls for cls in (ConvKXBN, ConvKXBNRELU)}
_SUPER = {cls.__name__: cls for cls in (SuperResKXKX, SuperResK1KX, SuperResK1KXK1, SuperResK1DWK1, SuperResK1DWSEK1)}
_KEYS = {"class", "in", "out", "k", "s", "btn", "L", "inner_class"}
_LATER = {"nbitsA": "quantised", "nbitsW": "quantised", "kt": "3-D"}
MAX_TEXT = 1_000_000


def looks_like_tinynas(text: str) -> bool:
    """Whether a text can only be meant as a TinyNAS structure: it begins with a bracket."""
    return text.lstrip()[:1] in ("[", "{")


def from_tinynas(source: str | Mapping[str, Any] | Sequence[Any]) -> Structure:
    """The structure of a TinyNAS file's text or of its Python value; `StructureError` for what it does not say, or what
    is not read yet.
    """
    value = _literal(source) if isinstance(source, str) else source
    if isinstance(value, Mapping):
        if value.get("space_arch", "CnnNet") == "Cnn3DNet":
            raise StructureError("3-D TinyNAS structures are not read yet; accepted: 2-D ones (space_arch CnnNet)")
        value = value.get("best_structures") or value.get("structure") or [value]
    if isinstance(value, Sequence) and value and isinstance(value[0], Sequence) and not isinstance(value[0], str):
        value = value[0]
    if not isinstance(value, Sequence) or not value or not all(isinstance(entry, Mapping) for entry in value):
        raise StructureError(
            "a TinyNAS structure is a list of dicts such as {'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3}"
        )
    return Structure([_block(entry, number) for number, entry in enumerate(value, 1)])


def _literal(text: str) -> Any:
    if len(text) > MAX_TEXT:
        raise StructureError(f"the text has {len(text):,} characters; accepted: at most {MAX_TEXT:,}")
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise StructureError(f"the TinyNAS structure is no Python literal: {error}") from None


def _block(entry: Mapping[str, Any], number: int) -> PlainNetBasicBlockClass:
    where = f"block {number}"
    name = str(entry.get("class", ""))
    for key, what in _LATER.items():
        if key in entry:
            raise StructureError(f"{where} ({name}): {what} TinyNAS structures are not read yet ({key})")
    known: dict[str, Callable[..., PlainNetBasicBlockClass]] = {**_CONVOLUTIONS, **_SUPER}
    if name not in known:
        near = nearest(name, known)
        raise StructureError(
            f"{where}: unknown class {name!r}; accepted: {', '.join(known)}"
            + (f"; did you mean {near}?" if near else "")
        )
    strange = sorted(map(str, set(entry) - _KEYS - _defaults(entry)))
    if strange:
        raise StructureError(f"{where} ({name}): {strange[0]!r} is not read; accepted: {', '.join(sorted(_KEYS))}")
    inner = entry.get("inner_class", name.removeprefix("Super"))
    if inner != name.removeprefix("Super"):
        raise StructureError(f"{where} ({name}): inner_class is {inner!r}; accepted: {name.removeprefix('Super')!r}")
    keys = ["in", "out", "k", "s"] + (["btn", "L"] if name in _SUPER else [])
    values = [1 if key == "s" and key not in entry else entry.get(key) for key in keys]
    if None in values:
        raise StructureError(f"{where} ({name}): {keys[values.index(None)]!r} is missing")
    try:
        return known[name](*values)
    except StructureError as error:
        raise StructureError(f"{where}: {error}") from None


def _defaults(entry: Mapping[str, Any]) -> set[str]:
    """Keys that only say what is the case anyway."""
    kernel_size = entry.get("k")
    same = {"g": 1, "p": (kernel_size - 1) // 2 if isinstance(kernel_size, int) else None, "force_resproj_skip": 4}
    return {key for key, value in same.items() if key in entry and entry[key] == value}
