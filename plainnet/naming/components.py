"""The components of a network put together: what is known of its backbone is known of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from plainnet.blocks.levels import feature_levels
from plainnet.blocks.parts import block_places
from plainnet.blocks.rows.layers import Collect
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN
from plainnet.blocks.rows.walk import dead_rows
from plainnet.blocks.structure import Structure, parse
from plainnet.naming.subject import STRING, Known, Subject
from plainnet.templates import components

if TYPE_CHECKING:
    from plainnet.templates.components import Component

__all__ = ["composed"]


def composed(
    backbone: Subject,
    *,
    heads: Mapping[str, Component],
    neck: Component | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Subject:
    """The network of a backbone, which is a structure, a neck if there is one, and heads."""
    structure, size = backbone.structure, backbone.resolution.value
    assert structure is not None
    text, left = _up_to_last_map(structure, size)
    whole = components.compose(text, heads=heads, neck=neck, resolution=size)
    structure = parse(whole, limits=limits)
    shape = as_input_shape(structure.in_channels, size)
    out = structure.at(shape).out_shape
    classes = out.channels if out.is_vector and not structure.output_names else 0
    notes = [f"the backbone is without its last {left} blocks, which are behind its last map"] if left else []
    notes += [
        f"no head takes what {part} puts out: it is neither counted nor built" for part in _unused(structure, shape)
    ]
    return replace(
        backbone,
        said="components",
        form="of components",
        structure=structure,
        num_classes=Known(classes, STRING),
        module=None,
        weights=None,
        search=None,
        name=None,
        notes=(*backbone.notes, *notes),
    )


def _unused(structure: Structure, shape: Shape) -> list[str]:
    """The parts of which nothing reaches what the network puts out."""
    parts = [place.rpartition(".")[0] for place in block_places(structure)]
    dead = dict.fromkeys(parts[row.block_number] for row in dead_rows(structure.blocks, shape, PLAIN))
    alive = {parts[row.block_number] for row in structure.rows(shape) if not isinstance(row.layer, Collect)}
    return [part for part in dead if part not in alive]


def _up_to_last_map(structure: Structure, resolution: int | tuple[int, int]) -> tuple[str, int]:
    """The string of a structure up to its last map that has a stride, and how many blocks are left out."""
    if structure.output_names:  # the last block only says what comes out
        return "".join(map(str, structure.blocks[:-1])), 0
    levels = feature_levels(structure, as_input_shape(structure.in_channels, resolution))
    last = max((level.block for level in levels if level.reduction is not None), default=len(structure) - 1)
    return "".join(map(str, structure.blocks[: last + 1])), len(structure) - 1 - last
