"""A part of a stored network as an entry of the store by itself.

A backbone is a network. A neck or a head is none without what it takes: its entry is a component (`blocks` and `from`, as
`plainnet.templates.components.compose` takes them) with its weights, under the names that these have in the network.
"""

from __future__ import annotations

from pathlib import Path

from plainnet.blocks.parts import BACKBONE, HEADS
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure as NetworkStructure
from plainnet.blocks.structure import parse
from plainnet.errors import UsageError
from plainnet.files.tensor_files import read_tensors, write_tensors
from plainnet.store.composed_story import READ, TOLD
from plainnet.store.describing import Described, describe_network
from plainnet.store.describing_parts import described_part, kind_of_part
from plainnet.store.importing import header_of
from plainnet.store.keeping import keep
from plainnet.store.layout import SOURCE, WEIGHTS
from plainnet.store.reading import record_of
from plainnet.store.record import Record
from plainnet.store.reused_parts import prefixes_of, under
from plainnet.store.stored_parts import origin_of
from plainnet.templates.part_alone import CLASSIFIER
from plainnet.templates.taken_apart import own_blocks

__all__ = ["promote"]


def promote(root: Path, text: str, *, part: str = BACKBONE, name: str | None = None, tag: str | None = None) -> Record:
    """Put a part of a stored network into the store: a backbone as `backbones/FAMILY/NAME.TAG`, a neck under `necks/FAMILY`, a
    head under `heads/TASK`; with its weights and the story of their training. Metrics are of the whole network and stay there.
    The record has the network among its parents.

    part: "backbone", "neck", "head", "heads.NAME". name: by default that of the network, with `_NAME` for a head of several.
    Raises `UsageError` for a network that is no string, nothing but that part, or has no such part.
    """
    stored, folder, record = record_of(root, text)
    said, size = record.structure, record.input.trained_at
    if record.identity.kind not in ("network", BACKBONE) or said.string is None:
        raise UsageError(f"{stored.path} is no network string; accepted: one that is")
    if said.norm_eps is None or size is None or len(size) != 2:
        raise UsageError(f"{stored.path} is no network string of a known size; accepted: one that is")
    heads = [each for each in said.parts if each.startswith(f"{HEADS}.")]
    part = heads[0] if part == CLASSIFIER and len(heads) == 1 and part not in said.parts else part
    prefixes = prefixes_of(record, [part])
    if list(said.parts) == [part]:
        raise UsageError(f"{stored.path} is nothing but a {part}")
    whole, height_width, variant = parse(said.string), (size[0], size[1]), Variant(**said.variant)
    if part == BACKBONE:
        own = own_blocks(whole, BACKBONE)
        described = describe_network(
            own, height_width, classes=None, num_classes=0, variant=variant, norm_eps=said.norm_eps
        )
        header = header_of(own, num_classes=0, resolution=height_width, variant=variant, norm_eps=said.norm_eps)
    else:
        described, header = _component(record, whole, part, height_width, variant), {"part": part}
    found, story = read_tensors(folder / WEIGHTS, ours=True)
    header |= {key: story[key] for key in (READ if part == BACKBONE else TOLD) if key in story}
    tensors = {key: value for key, value in found.items() if under(key, prefixes)}
    promoted = _of_its_own(record, described, stored.path, part, name, tag)
    sources = {each: folder / SOURCE / each for each in record.code.sources}
    return keep(root, promoted, lambda path: write_tensors(path, tensors, metadata=header), sources=sources)


def _component(
    record: Record, whole: NetworkStructure, part: str, size: tuple[int, int], variant: Variant
) -> Described:
    said = record.structure
    assert said.norm_eps is not None
    return described_part(
        whole,
        part,
        size,
        variant=variant,
        norm_eps=said.norm_eps,
        outputs=record.outputs,
        prefixes=said.parts[part],
    )


def _of_its_own(
    record: Record, described: Described, path: str, part: str, name: str | None, tag: str | None
) -> Record:
    """The record of the part: how it was trained is known of the network, what that reaches is the network's alone."""
    heads = [each for each in record.structure.parts if each.startswith(f"{HEADS}.")]
    suffix = f"_{part.removeprefix(f'{HEADS}.')}" if part in heads and len(heads) > 1 else ""
    identity = {
        "kind": BACKBONE if part == BACKBONE else kind_of_part(part),
        "name": name or record.identity.name + suffix,
        "tag": tag or record.identity.tag,
        "parents": [record.identity.digest],
    }
    new, prefixes = record.extra.get("new"), tuple(record.structure.parts[part])
    fresh = [each for each in new if under(str(each), prefixes)] if isinstance(new, list) else []
    promoted = {"from": path, "origin": origin_of(record, part)} | ({} if part == BACKBONE else {"part": part})
    return record.model_copy(
        update={
            "identity": record.identity.model_copy(update=identity),
            "structure": described.structure,
            "outputs": described.outputs,
            "cost": described.cost,
            "metrics": [],
            "extra": {"promoted": promoted} | ({"new": fresh} if fresh else {}),
            "code": record.code.model_copy(update={"passed": []}),
        }
    )
