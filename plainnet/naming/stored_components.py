"""A network of components, some of them parts of stored networks: what is known of the whole, and where its weights are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from plainnet.blocks.parts import BACKBONE, HEADS, NECK
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.structure import parse
from plainnet.errors import StructureError, UsageError
from plainnet.naming.components import composed
from plainnet.naming.components_description import Components, read_components
from plainnet.naming.published_subjects import published_subject
from plainnet.naming.subject import SAID, Known, Subject

if TYPE_CHECKING:
    from plainnet.store.stored_parts import StoredPart
    from plainnet.templates.components import Component

__all__ = ["Composition", "composition_of"]

FROM_FILE = "from the file"


class Composition(NamedTuple):
    """said: part -> the component, as it was written. parts: those of the store, by the part that each becomes ("backbone",
    "neck", "heads.NAME").
    """

    subject: Subject
    said: dict[str, Any]
    parts: dict[str, StoredPart]


def composition_of(
    source: Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    store: Path | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Composition:
    """The network of a file of components, or of plain data, with `KEY=VALUE`s laid over it, and the parts of the store in it.

    store: where `store:NAME` is; that of the user by default. Errors begin with the file, else with the parts of the store.
    """
    where = f"{source}: " if isinstance(source, Path) else ""
    about = read_components(source, overrides)
    parts: dict[str, StoredPart] = {}
    try:
        return _composed(about, store, limits, FROM_FILE if isinstance(source, Path) else SAID, parts)
    except StructureError as error:
        first, *others = error.problems
        named = replace(first, message=f"{where or _with(parts)}{first.message}")
        raise StructureError([named, *others], text=error.text) from None
    except UsageError as error:
        raise UsageError(f"{where or _with(parts)}{error}") from None


def _with(parts: Mapping[str, StoredPart]) -> str:
    """The parts of the store that an error may come from."""
    return f"with {' and '.join(part.said for part in parts.values())}: " if parts else ""


def _composed(
    about: Components, store: Path | None, limits: Limits, source: str, parts: dict[str, StoredPart]
) -> Composition:
    backbone = _backbone(about.backbone, store, limits, parts)
    if about.size is not None:
        backbone = replace(backbone, resolution=Known(about.size, source))
    neck = None if about.neck is None else _component(NECK, about.neck, store, parts)
    heads = {name: _component(f"{HEADS}.{name}", said, store, parts) for name, said in about.heads.items()}
    said = {BACKBONE: about.backbone, **({} if about.neck is None else {NECK: about.neck})}
    said |= {f"{HEADS}.{name}": each for name, each in about.heads.items()}
    return Composition(composed(backbone, heads=heads, neck=neck, limits=limits), said, parts)


def _backbone(said: str, store: Path | None, limits: Limits, parts: dict[str, StoredPart]) -> Subject:
    """What a file calls its backbone is data: a network string, a published name or a stored network, never another file."""
    from plainnet.store.layout import store_root
    from plainnet.store.stored_parts import is_stored_name, stored_part

    if is_stored_name(said):
        part = parts[BACKBONE] = stored_part(store_root(store), said, BACKBONE)
        size = part.record.input.trained_at
        found = Subject(said, "of the store", parse(part.component["blocks"], limits=limits))
        if size is not None and len(size) == 2:
            found = replace(found, resolution=Known(size[0] if size[0] == size[1] else tuple(size), "from the store"))
        return replace(
            found,
            variant=Known(part.variant, "from the store"),
            norm_eps=Known(part.record.structure.norm_eps, "from the store"),
        )
    if "(" in said:
        return Subject(said, "a network string", parse(said, limits=limits))
    return published_subject(said)


def _component(part: str, said: Component, store: Path | None, parts: dict[str, StoredPart]) -> Component:
    """A component, where it is of the store with its blocks in place of its name."""
    from plainnet.store.layout import store_root
    from plainnet.store.stored_parts import is_stored_name, stored_part
    from plainnet.templates.taken_apart import with_sources

    name = said if isinstance(said, str) else said.get("blocks")
    if not is_stored_name(name):
        return said
    assert isinstance(name, str)
    found = parts[part] = stored_part(store_root(store), name, NECK if part == NECK else "head")
    if isinstance(said, str) or "from" not in said:
        component: dict[str, Any] = {key: value for key, value in found.component.items() if value}
        return component
    wires = said["from"]
    return {**said, "blocks": with_sources(part, found.component, [wires] if isinstance(wires, str) else wires)}
