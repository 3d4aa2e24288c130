"""A network put together of parts, with the weights of those that are in the store, as a network of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet import __version__
from plainnet.blocks.parts import BACKBONE, block_places
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import UsageError
from plainnet.files.tensor_files import write_tensors
from plainnet.store.composed_story import composed_story, known_outputs
from plainnet.store.describing import describe_network
from plainnet.store.importing import TO_COME, header_of
from plainnet.store.keeping import keep
from plainnet.store.matching import match
from plainnet.store.record import Code, Identity, Input, Record
from plainnet.store.stored_parts import StoredPart

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Assembly", "Plan", "assemble", "assembly_record", "keep_assembly"]


@dataclass(frozen=True)
class Plan:
    """The network that is put together. said: part -> what it was called, as it stands in the record. parts: of the store."""

    structure: Structure
    size: tuple[int, int]
    variant: Variant
    norm_eps: float
    num_classes: int
    said: Mapping[str, Any]
    parts: Mapping[str, StoredPart]
    seed: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """What PlainNet and the header of the weights are told."""
        return {
            "num_classes": self.num_classes,
            "resolution": self.size,
            "variant": self.variant,
            "norm_eps": self.norm_eps,
        }


@dataclass(frozen=True)
class Assembly:
    """tensors: all of them. about: part -> what it is made of: `said`, `tensors`, `new`, `params`, and of one of the store
    `from`, `part`, `digest`, `origin`, and `apart` where it was trained with another backbone. fresh: the names of the
    tensors that are new.
    """

    plan: Plan
    tensors: Mapping[str, Tensor]
    about: Mapping[str, dict[str, Any]]
    fresh: Sequence[str]

    def lines(self) -> list[str]:
        """What a reader is told: part by part, and loudly what is random."""
        found = []
        for part, each in self.about.items():
            if not each["tensors"]:
                what = "has no tensors"
            elif "from" not in each:
                what = f"{each['new']} tensors, all NEW: random, of the seed {self.plan.seed}"
            else:
                what = f"{each['tensors']} tensors of {each['from']} ({each['part']})"
                what += f", {each['new']} of them still RANDOM there" if each["new"] else ""
            found.append(f"{part}: {what}")
        names = [part for part, each in self.about.items() if each["new"]]
        counted = f"{len(self.fresh)} of {len(self.tensors)} tensors"
        if len(self.fresh) == len(self.tensors):
            found.append("warning: all weights are random; the network has to be trained")
        elif names:
            found.append(f"warning: {counted} are random, those of {', '.join(names)}; the network has to be trained")
        else:
            found.append(f"all {len(self.tensors)} tensors are of the store")
        apart = [part for part, each in self.about.items() if each.get("apart")]
        if apart:
            found.append(
                f"warning: {', '.join(apart)} was trained with another backbone than this one, whose maps mean something else: "
                "the network has to be evaluated, or trained further"
            )
        return found


def assemble(plan: Plan) -> Assembly:
    """The tensors of the network: those of its stored parts, and new ones of a seed.

    Raises `UsageError` for a part whose weights do not fit, or were trained in another variant or with another epsilon of the
    batch norms than the network has: they would compute something else.
    """
    import torch

    from plainnet.network.plain_net import PlainNet

    generator_state = torch.get_rng_state()
    try:
        torch.manual_seed(plan.seed)
        net = PlainNet(plan.structure, **plan.options)
    finally:
        torch.set_rng_state(generator_state)
    tensors, fresh = dict(net.state_dict()), set(net.state_dict())
    prefixes = net.part_prefixes
    for part, stored in plan.parts.items():
        taken = _taken(plan, part, stored, tensors, prefixes[part])
        tensors |= taken
        fresh -= taken.keys() - {prefixes[part] + name for name in stored.still_random()}
    parameters = {name: value.numel() for name, value in net.named_parameters()}
    about = {
        part: {
            "said": plan.said.get(part),
            **(_story(plan.parts, part) if part in plan.parts else {}),
            "tensors": sum(name.startswith(prefix) for name in tensors),
            "new": sum(name.startswith(prefix) for name in fresh),
            "params": sum(count for name, count in parameters.items() if name.startswith(prefix)),
        }
        for part, prefix in prefixes.items()
    }
    return Assembly(plan, tensors, about, [name for name in tensors if name in fresh])


def _story(parts: Mapping[str, StoredPart], part: str) -> dict[str, Any]:
    """Where a stored part is from, and that its weights were trained with another backbone, where they were."""
    stored, backbone = parts[part], parts.get(BACKBONE)
    together = backbone is None or part == BACKBONE or stored.stood_on(backbone)
    return stored.as_dict() | ({} if together else {"apart": True})


def _taken(plan: Plan, part: str, stored: StoredPart, target: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of a stored part under the names that they have in the network."""
    found = stored.tensors()
    if part == BACKBONE:  # what is behind its last map is left out
        blocks = sum(place.startswith(prefix) for place in block_places(plan.structure))
        found = {name: value for name, value in found.items() if int(name.partition(".")[0]) < blocks}
    said = stored.record.structure
    has_norms = any(name.endswith("running_var") for name in found)
    if has_norms and said.norm_eps != plan.norm_eps:
        raise UsageError(
            f"{stored.said} was trained with the epsilon {said.norm_eps:g} of batch norms, and the backbone with "
            f"{plan.norm_eps:g}: together they would compute something else"
        )
    if stored.variant != plan.variant:
        one, other = (str(each) or "the plain network" for each in (stored.variant, plan.variant))
        raise UsageError(
            f"{stored.said} was trained as {one}, and the backbone as {other}; accepted: parts of one variant"
        )
    own = {name: value for name, value in target.items() if name.startswith(prefix)}
    offered = {prefix + name: value for name, value in found.items()}
    matching = match(offered, own)
    matching.check(f"{stored.said}, as {part},")
    return {name: offered[source] for name, (source, _) in matching.taken.items()}


def assembly_record(
    assembly: Assembly,
    *,
    name: str,
    tag: str,
    task: str,
    family: str | None = None,
    licence: str | None = None,
    tags: Sequence[str] = (),
) -> Record:
    """The record of the network: part by part what it is made of (`extra.made_of`), which tensors are new (`extra.new`), and the
    networks that weights are of among its parents; images are read as for the backbone. Its digests come when it is kept.
    """
    import torch

    plan = assembly.plan
    described = describe_network(
        plan.structure,
        plan.size,
        classes=None,
        num_classes=plan.num_classes,
        variant=plan.variant,
        norm_eps=plan.norm_eps,
    )
    backbone = plan.parts.get(BACKBONE)
    size, channels = list(plan.size), plan.structure.in_channels
    read = Input() if backbone is None else backbone.record.input
    return Record(
        identity=Identity(
            digest=TO_COME,
            name=name,
            tag=tag,
            family=family or (described.family if backbone is None else backbone.record.identity.family),
            kind="network",
            task=task,
            licence=licence,
            parents=list(dict.fromkeys(part.record.identity.digest for part in plan.parts.values())),
            tags=list(tags),
        ),
        structure=described.structure,
        input=read.model_copy(update={"trained_at": size, "channels": channels}),
        outputs=known_outputs(described.outputs, plan.parts),
        cost=described.cost,
        code=Code(plainnet=__version__, torch=str(torch.__version__)),
        extra={"made_of": dict(assembly.about), "new": list(assembly.fresh)},
    )


def keep_assembly(root: Path, assembly: Assembly, record: Record) -> Record:
    """Put the network of a record that `assembly_record` made into the store."""
    header = header_of(assembly.plan.structure, **assembly.plan.options) | composed_story(
        assembly.plan.parts, record, trained=not assembly.fresh
    )
    return keep(root, record, lambda path: write_tensors(path, assembly.tensors, metadata=header))
