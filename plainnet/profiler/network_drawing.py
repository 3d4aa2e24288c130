"""A network as what is drawn of it: its blocks with their shapes and counts; and its picture."""

from __future__ import annotations

from typing import Any

from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure
from plainnet.pages.drawing import standalone

__all__ = ["draw_network", "drawn_blocks"]


def draw_network(structure: Structure, shape: Shape, *, title: str, variant: Variant = PLAIN) -> str:
    """An SVG file: the stages of a network as blocks. Height: the side of the map that comes out (log scale); width: layers;
    shade: share of the MACs; an arc for a value that is taken up again by its name. Raises `StructureError` for a
    shape that does not fit.
    """
    return standalone(drawn_blocks(structure, shape, variant=variant), title=title)


def drawn_blocks(structure: Structure, shape: Shape, *, variant: Variant = PLAIN) -> list[dict[str, Any]]:
    """A network block by block, as a drawing takes it: names, shapes, params, MACs."""
    found, here = [], shape
    for block, totals in zip(structure.blocks, structure.totals(shape, variant=variant), strict=True):
        out = totals.out_shape
        if not out.channels:  # a block that only names what the network puts out
            continue
        found.append({
            "name": block.name,
            "text": block.text,
            "label": block.label,
            "in": list(here),
            "out": list(out),
            "layers": totals.sums.layers,
            "params": totals.sums.params,
            "macs": totals.sums.macs,
            "inner": getattr(block, "bottleneck_channels", None),
        })  # fmt: skip
        here = out
    return found
