"""A network drawn as its stages: one box for each block, as wide as it is deep, as high as its map, labelled."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["draw_blocks"]

WIDTH, HEIGHT, BASE = 1040.0, 256.0, 206.0
GAP = 10.0
SHADES = ("#dbe7fb", "#b9d1f6", "#93b8ef", "#6c9de6", "#4a81d8", "#2f66c2", "#1f4fa3")


def draw_blocks(blocks: Sequence[Mapping[str, Any]]) -> str:
    """An SVG drawing. Height: the side of the map that comes out (log scale); width: layers; shade: share of the MACs."""
    most = max((block["macs"] for block in blocks), default=1) or 1
    weights = [0.9 + math.sqrt(block["layers"]) for block in blocks]
    unit = (WIDTH - GAP * (len(blocks) - 1)) / sum(weights)
    largest = max(block["in"][1] or 1 for block in blocks)
    parts, x = [], 0.0
    for block, weight in zip(blocks, weights, strict=True):
        width = weight * unit
        side = block["out"][1] or 1
        height = 56 + 140 * math.log1p(side) / math.log1p(largest)
        shade = SHADES[min(len(SHADES) - 1, int(block["macs"] / most * len(SHADES)))]
        parts.append(_box(block, x, width, height, shade))
        x += width + GAP
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="The winner, block by block" '
        f'class="drawing">{"".join(parts)}</svg>'
    )


def _box(block: Mapping[str, Any], x: float, width: float, height: float, shade: str) -> str:
    middle, top = x + width / 2, BASE - height
    dark = SHADES.index(shade) >= 4
    ink = "#ffffff" if dark else "#13294b"
    channels, rows, columns = block["out"]
    title = html.escape(f"{block['text']}\n{block['params']:,} params, {block['macs']:,} MACs")
    layers = f"×{block['layers']}" if block["layers"] > 1 else ""
    kernel = _short(block["name"])
    shape = f"{rows}×{columns}" if rows else "vector"
    return (
        f"<g><title>{title}</title>"
        f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6" fill="{shade}"/>'
        f'<text x="{middle:.1f}" y="{top + height / 2 - 4:.1f}" fill="{ink}" class="kind">{kernel}</text>'
        f'<text x="{middle:.1f}" y="{top + height / 2 + 14:.1f}" fill="{ink}" class="depth">{layers}</text>'
        f'<text x="{middle:.1f}" y="{BASE + 20:.0f}" class="width">{channels}</text>'
        f'<text x="{middle:.1f}" y="{BASE + 38:.0f}" class="map">{shape}</text></g>'
    )


def _short(name: str) -> str:
    """The part of a name that tells blocks of a family apart: K1K5K1, IDWE4K7, Conv K3."""
    name = name.removeprefix("Super").removesuffix("BNRELU")
    return html.escape(name.replace("ConvK", "Conv K") if name.startswith("Conv") else name.removeprefix("Res"))
