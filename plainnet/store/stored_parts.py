"""A part of the store as a component: an entry of its own, or a part of a network, with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.blocks.parts import BACKBONE, HEADS, NECK
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import parse
from plainnet.errors import RunError, StructureError, UsageError, nearest
from plainnet.files.tensor_files import read_tensors
from plainnet.store.describing_parts import COMPONENT, component_in, wiring_of
from plainnet.store.layout import STORED, WEIGHTS
from plainnet.store.reading import record_of
from plainnet.store.record import Record
from plainnet.store.reused_parts import under

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StoredPart", "is_stored_name", "origin_of", "stored_part"]

CLASSIFIER = {"head.weight": "2.linear1.weight", "head.bias": "2.linear1.bias"}
"""The names in the component of a classifier."""


@dataclass(frozen=True)
class StoredPart:
    """said: `store:NAME`. path: where it stands. part: what it is called there. component: `blocks`, and `from`."""

    said: str
    path: str
    folder: Path
    part: str
    component: Mapping[str, Any]
    record: Record

    @property
    def kind(self) -> str:
        """backbone, neck or head."""
        return self.part if self.part in (BACKBONE, NECK) else "head"

    @property
    def variant(self) -> Variant:
        return _variant(self.record, self.path)

    def tensors(self) -> dict[str, Tensor]:
        """Its weights, by the names that they have within the part: "0.conv1.weight"."""
        prefixes = tuple(self.record.structure.parts[self.part])
        found, _ = read_tensors(self.folder / WEIGHTS, ours=True)
        return {self._local(name): tensor for name, tensor in found.items() if under(name, prefixes)}

    def still_random(self) -> set[str]:
        """Those of its weights that nobody has trained, by the names that they have within the part."""
        new = self.record.extra.get("new")
        return {self._local(str(name)) for name in new} if isinstance(new, list) else set()

    @property
    def origin(self) -> str:
        """The digest of the network whose training its weights are of: not one that was put together, nor an entry that is a
        part alone.
        """
        return origin_of(self.record, self.part)

    def stood_on(self, backbone: StoredPart) -> bool:
        """Whether its weights were trained with those of this backbone: in one network, or while these were frozen."""
        if self.origin == backbone.origin:
            return True
        if self.origin != self.record.identity.digest or BACKBONE not in self.record.structure.parts:
            return False
        own, other = replace(self, part=BACKBONE).tensors(), backbone.tensors()
        return own.keys() == other.keys() and all(own[name].equal(other[name]) for name in own)

    def _local(self, name: str) -> str:
        prefix = self.record.structure.parts[self.part][0]
        return CLASSIFIER.get(name) or name.removeprefix(prefix)

    def as_dict(self) -> dict[str, Any]:
        """What a record of a network made of it says."""
        return {"from": self.path, "part": self.part, "digest": self.record.identity.digest, "origin": self.origin}


def origin_of(record: Record, part: str) -> str:
    """The digest of the network in which the weights of a record's part were trained, as far as the record says it."""
    made, promoted = record.extra.get("made_of"), record.extra.get("promoted")
    source = made.get(part) if isinstance(made, Mapping) else promoted
    said = source.get("origin") if isinstance(source, Mapping) else None
    return said if isinstance(said, str) else record.identity.digest


def is_stored_name(said: object) -> bool:
    """Whether a text is `store:NAME`."""
    return isinstance(said, str) and said.startswith(STORED)


def stored_part(root: Path, said: str, kind: str) -> StoredPart:
    """The part that `store:NAME` names: an entry of this kind (backbone, neck, head), or that part of a network. Where a network
    has several heads, `store:NAME:HEAD` says which.

    Raises `UsageError` for what has no such part, or is no network string.
    """
    name, _, which = said.removeprefix(STORED).partition(":")
    stored, folder, record = record_of(root, name)
    if record.structure.string is None or record.structure.norm_eps is None:
        raise UsageError(f"{stored.path} is a module of your own; accepted: what is a network string")
    if record.identity.kind not in ("network", kind):
        raise UsageError(
            f"{stored.path} is a {record.identity.kind}; accepted here: a {kind}, or a network that has one"
        )
    part, variant = _part(record, stored.path, kind, which), _variant(record, stored.path)
    if len(record.structure.parts[part]) != 1:
        raise RunError(f"{stored.path} is damaged: structure.parts.{part} is not one prefix")
    if record.structure.constructor == COMPONENT:
        component: Mapping[str, Any] = {"blocks": record.structure.string, "from": wiring_of(record).source}
    else:
        size = record.input.trained_at
        if size is None or len(size) != 2:
            raise UsageError(f"{stored.path} is no network string of a known size; accepted: one that is")
        try:
            structure = parse(record.structure.string)
            component = component_in(structure, part, (size[0], size[1]), variant, record.outputs)
        except StructureError as error:
            raise RunError(f"the string of {stored.path} cannot be used: {error}") from None
    return StoredPart(said, stored.path, folder, part, component, record)


def _variant(record: Record, path: str) -> Variant:
    try:
        return Variant(**record.structure.variant)
    except TypeError:
        raise RunError(f"{path} is damaged: structure.variant is {record.structure.variant}") from None


def _part(record: Record, path: str, kind: str, which: str) -> str:
    heads = [part for part in record.structure.parts if part not in (BACKBONE, NECK)]
    found = heads if kind == "head" else [part for part in record.structure.parts if part == kind]
    if which:
        wanted = [part for part in found if part in (which, f"{HEADS}.{which}")]
        if not wanted:
            near = nearest(which, [part.removeprefix(f"{HEADS}.") for part in found])
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"{path} has no {kind} {which!r}{hint}; it has {', '.join(record.structure.parts)}")
        found = wanted
    if not found:
        raise UsageError(f"{path} has no {kind}; it has {', '.join(record.structure.parts)}")
    if len(found) > 1:
        names = ", ".join(part.removeprefix(f"{HEADS}.") for part in found)
        raise UsageError(f"{path} has the heads {names}; accepted: store:NAME:HEAD with one of them")
    return found[0]
