"""What the table of support is about, from what it was named by: networks, their parts, single blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.errors import PlainnetError, RunError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from plainnet.network.plain_net import PlainNet
    from plainnet.platforms.support import Entry, Listed, PartWeights, Support

__all__ = ["built", "kept_in", "listed_as", "put_in_order", "with_singles"]


def listed_as(said: str, *, trust: bool = False, imports: Sequence[str] = ()) -> Listed:
    """A network, named in any way."""
    from plainnet.naming import resolve
    from plainnet.platforms.single_parts import backbone_name, head_names
    from plainnet.platforms.support import Listed
    from plainnet.store.stored_parts import is_stored_name

    if is_stored_name(said) and (part := _stored_part(said)) is not None:
        return part
    subject = resolve(said, trust=trust, imports=imports)
    if subject.structure is None:
        raise UsageError(f"{said} is a module; accepted: a network string, or what names one")
    return Listed(
        subject.label,
        str(subject.structure) if said == "-" else said,  # what the table names must be there again
        subject.structure,
        subject.size,
        subject.num_classes.value,
        subject.norm_eps.value,
        subject.variant.value,
        subject.weights,
        backbone=backbone_name(subject.structure),
        head=head_names(subject.structure, subject.num_classes.value),
    )


def _stored_part(said: str) -> Listed | None:
    """A neck or a head of the store, behind what gives it its maps; None for a network."""
    from plainnet.blocks.structure import parse
    from plainnet.platforms.support import Listed, PartWeights
    from plainnet.store.describing_parts import COMPONENT, lone_string
    from plainnet.store.layout import STORED, WEIGHTS, store_root
    from plainnet.store.reading import record_of
    from plainnet.store.stored_parts import stored_part
    from plainnet.templates.part_alone import PART

    name, _, record = record_of(store_root(), said.removeprefix(STORED))
    structure, size, kind = record.structure, record.input.trained_at, record.identity.kind
    if structure.constructor != COMPONENT or size is None or structure.norm_eps is None or kind == "network":
        return None
    stored = stored_part(store_root(), said, kind)
    alone, head = parse(lone_string(record)), stored.part if kind == "head" else ""
    own = PartWeights(structure.parts[stored.part][0], f"{PART}.")
    return Listed(
        name.path,
        said,
        alone,
        (size[0], size[1]),
        0,
        structure.norm_eps,
        stored.variant,
        stored.folder / WEIGHTS,
        own,
        kind=kind,
        head=head,
    )


def kept_in(support: Support, path: Path) -> list[Listed]:
    """What a table holds, each of which must still be there; a part that its network does not have any more is not."""
    from plainnet.platforms.single_parts import parts_alone

    found: list[Listed] = []
    blocks: list[Listed] = []
    for entry in support.networks.values():
        try:
            if entry.kind == "block":
                blocks.append(_block(entry))
            elif entry.said not in {one.said for one in found}:
                found.append(listed_as(entry.said))
        except PlainnetError as error:
            kind = RunError if isinstance(error, RunError) else UsageError
            raise kind(f"{path} names a network that cannot be read: {error}") from None
    known = {name for name, entry in support.networks.items() if entry.kind not in ("network", "block")}
    own = known - {one.name for one in found}
    parts = [part for one in found if own and one.kind == "network" for part in parts_alone(one) if part.name in own]
    return [*found, *parts, *blocks]


def _block(entry: Entry) -> Listed:
    """A single block, at the size at which it was taken into the table."""
    from plainnet.blocks.rows.variants import PLAIN
    from plainnet.blocks.structure import parse
    from plainnet.network.published import NORM_EPS
    from plainnet.platforms.single_parts import BLOCKS
    from plainnet.platforms.support import Listed

    if entry.size is None:
        raise RunError(f"the block {entry.said} has no size")
    structure = parse(entry.said)
    name = f"{BLOCKS}{structure.blocks[-1].name}"
    return Listed(name, entry.said, structure, entry.size, 0, NORM_EPS, PLAIN, kind="block")


def put_in_order(support: Support, listed: Sequence[Listed]) -> None:
    """The table has these alone, networks first, then parts, then blocks."""
    support.networks = {one.name: support.networks[one.name] for one in listed if one.name in support.networks}


def with_singles(listed: list[Listed], *, parts: bool, single_blocks: bool) -> list[Listed]:
    """The networks, with their parts and their kinds of blocks where these are asked for."""
    from plainnet.platforms.single_parts import blocks_alone, parts_alone

    networks = [one for one in listed if one.kind == "network"]
    found = {one.name: one for one in networks}
    found |= {one.name: one for one in listed if one.kind not in ("network", "block")}
    if parts:
        found |= {one.name: one for network in networks for one in parts_alone(network)}
    blocks = blocks_alone(networks) if single_blocks else [one for one in listed if one.kind == "block"]
    return [*found.values(), *blocks]


def built(listed: Listed) -> PlainNet:
    import torch

    from plainnet.files.pickled_tensors import network_tensors
    from plainnet.network.plain_net import PlainNet

    torch.manual_seed(0)
    net = PlainNet(
        listed.structure,
        num_classes=listed.num_classes,
        resolution=listed.size,
        variant=listed.variant,
        norm_eps=listed.norm_eps,
    )
    if listed.weights is not None:
        tensors = network_tensors(listed.weights)
        net.load_state_dict(tensors if listed.part is None else _part_of(tensors, listed.part, net))
    return net


def _part_of(tensors: Mapping[str, Tensor], part: PartWeights, net: PlainNet) -> dict[str, Tensor]:
    """The weights of a part by itself: those that it has in its network, and random ones of what gives it its maps."""
    from plainnet.blocks.parts import name_at
    from plainnet.store.stored_parts import CLASSIFIER

    offered = {name_at(name, part.places) if part.places else name: tensor for name, tensor in tensors.items()}
    own = {
        part.target + (CLASSIFIER.get(name) or name.removeprefix(part.source)): tensor
        for name, tensor in offered.items()
        if name.startswith(part.source)
    }
    found = net.state_dict()
    missing = [name for name in found if name.startswith(part.target) and name not in own]
    if missing:
        raise RunError(f"its network's weights have no {missing[0].replace(part.target, part.source, 1)}")
    return {name: own.get(name, tensor) for name, tensor in found.items()}
