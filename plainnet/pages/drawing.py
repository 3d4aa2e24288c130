"""A network drawn as its stages: one box for each block, as wide as it is deep, as high as its map, labelled."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["DRAWN", "block_of_report", "draw_blocks", "standalone"]

DRAWN = (
    "Each box is a block: its height follows the side of the map that comes out, its width the number of layers, its shade the "
    "share of the MACs. Below it: channels, and the map of each stage."
)
"""How a drawing is read, for the note above it."""
WIDTH, HEIGHT, BASE = 1040.0, 256.0, 206.0
GAP = 10.0
SHADES = 7
"""Classes s0 to s6 of the page's style, from a small share of the MACs to a large one; i0 to i6 are their inks."""
LETTER, LEGIBLE = 7.6, 30.0
"""Room for a letter of a label; from this width of a box on, its channels lie below it."""

_FROM = re.compile(r"From\(\^([\w.-]+)\)")
"""What a block takes from outside of it, as its canonical text says it."""
HEADROOM = 64.0
"""Above the boxes, for arcs."""
_DAY = {
    "ink": "#13294b", "soft": "#55657e", "s0": "#dbe7fb", "s1": "#b9d1f6", "s2": "#93b8ef", "s3": "#6c9de6", "s4": "#3a6fc6",
    "s5": "#2f66c2", "s6": "#1f4fa3", "light": "#fff",
}  # fmt: skip
"""The colours of a drawing that stands alone; within a page they are the page's."""


def standalone(blocks: Sequence[Mapping[str, Any]], *, title: str) -> str:
    """The drawing as an SVG file with colours of its own."""
    drawn = draw_blocks(blocks)
    inks = "".join(f".i{shade}{{fill:{_DAY['ink' if shade < 4 else 'light']}}}" for shade in range(SHADES))
    shades = "".join(f".s{shade}{{fill:{_DAY[f's{shade}']}}}" for shade in range(SHADES))
    style = (
        f"<style>svg{{background:#fff;font-family:system-ui,sans-serif}}text{{text-anchor:middle;font-size:12px}}"
        f".tiny{{font-size:10.5px}}.kind,.width{{font-weight:600}}.width{{fill:{_DAY['ink']}}}.map{{fill:{_DAY['soft']}}}"
        f"path{{stroke:{_DAY['soft']};fill:none}}{shades}{inks}</style><title>{html.escape(title)}</title>"
    )
    start, sign, rest = drawn.partition(">")
    space = 'xmlns="http://www.w3.org/2000/svg"'
    return f"<svg {space} {start.removeprefix('<svg ')}{sign}{style}{rest}\n"


def block_of_report(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block as `plainnet analyze --json` prints it, as a drawing takes it; vectors are maps without a side."""
    shapes = {"in": block["in_shape"], "out": block["out_shape"]}
    sides = {name: [*shape, 0, 0][:3] for name, shape in shapes.items()}
    name, _, _ = block["name"].partition("(")
    counts = {key: block[key] for key in ("layers", "params", "macs")}
    return {**sides, **counts, "name": name, "text": block["name"], "label": ""}


def draw_blocks(blocks: Sequence[Mapping[str, Any]], *, beside: Sequence[Sequence[Mapping[str, Any]]] = ()) -> str:
    """An SVG drawing. Height: the side of the map that comes out (log scale); width: layers; shade: share of the MACs.
    `beside`: networks that are drawn at the same scale.
    """
    drawn = [each for each in (blocks, *beside) if each]
    most = max((block["macs"] for each in drawn for block in each), default=1) or 1
    gap = min((min(GAP, 0.2 * WIDTH / len(each)) for each in drawn), default=GAP)
    unit = min(((WIDTH - gap * (len(each) - 1)) / sum(map(_weight, each)) for each in drawn), default=1.0)
    weights = list(map(_weight, blocks))
    largest = max((max(block["in"][1], block["out"][1]) for each in drawn for block in each), default=1) or 1
    parts, edges, tops, x = [], [], [], 0.0
    for block, weight in zip(blocks, weights, strict=True):
        width = weight * unit
        height = 56 + 140 * math.log1p(block["out"][1] or 1) / math.log1p(largest)
        shade = min(SHADES - 1, int(block["macs"] / most * SHADES))
        parts.append(_box(block, x, width, height, shade))
        edges.append((x, x + width))
        tops.append(BASE - height)
        x += width + gap
    arcs = list(_arcs(blocks, edges, tops))
    parts += [*_stages(blocks, edges), *arcs]
    above = HEADROOM if arcs else 0.0
    return (
        f'<svg viewBox="0 {-above:.0f} {WIDTH:.0f} {HEIGHT + above:.0f}" role="img" aria-label="The network, block by block" '
        f'class="drawing">{"".join(parts)}</svg>'
    )


def _weight(block: Mapping[str, Any]) -> float:
    """How wide a block is, beside others."""
    return 0.9 + math.sqrt(block["layers"])


def _box(block: Mapping[str, Any], x: float, width: float, height: float, shade: int) -> str:
    middle, top = x + width / 2, BASE - height
    title = html.escape(f"{block['text']}\n{block['params']:,} params, {block['macs']:,} MACs")
    corner = min(6.0, width / 4)
    place = f'x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{corner:.1f}"'
    return (
        f"<g><title>{title}</title>"
        f'<rect {place} class="s{shade}"/>'
        f"{_label(block, middle, top + height / 2, (width, height), shade)}{_channels(block, middle, width)}</g>"
    )


def _label(block: Mapping[str, Any], x: float, y: float, size: tuple[float, float], shade: int) -> str:
    """The kind of block and its layers: one below the other, or both upright in a narrow box, as much of them as fits."""
    layers, (width, height) = f"×{block['layers']}" if block["layers"] > 1 else "", size
    kind = _short(block["name"])
    if width >= LETTER * max(len(html.unescape(kind)), 4) + 12:
        return (
            f'<text x="{x:.1f}" y="{y - 4:.1f}" class="kind i{shade}">{kind}</text>'
            f'<text x="{x:.1f}" y="{y + 14:.1f}" class="depth i{shade}">{layers}</text>'
        )
    if width < 12:
        return ""
    turned = f'transform="rotate(-90 {x:.1f} {y:.1f})"'
    said, most = html.unescape(" ".join(filter(None, (kind, layers)))), int((height - 8) / LETTER)
    said = html.escape(said if len(said) <= most else f"{said[: most - 1]}…")
    return f'<text x="{x:.1f}" y="{y + 4:.1f}" {turned} class="kind i{shade}">{said}</text>'


def _channels(block: Mapping[str, Any], x: float, width: float) -> str:
    channels = block["out"][0]
    if width >= LEGIBLE:
        return f'<text x="{x:.1f}" y="{BASE + 18:.0f}" class="width">{channels}</text>'
    if width < 10:
        return ""
    turned = f'transform="rotate(-90 {x:.1f} {BASE + 16:.0f})"'
    return f'<text x="{x:.1f}" y="{BASE + 20:.0f}" {turned} class="width tiny">{channels}</text>'


def _stages(blocks: Sequence[Mapping[str, Any]], edges: Sequence[tuple[float, float]]) -> Iterator[str]:
    """A bracket below the blocks that put out maps of one size, with that size where there is room beside the last one."""
    first, taken = 0, 0.0
    for number in range(1, len(blocks) + 1):
        if number < len(blocks) and blocks[number]["out"][1:] == blocks[first]["out"][1:]:
            continue
        rows, columns = blocks[first]["out"][1:]
        left, right = edges[first][0], edges[number - 1][1]
        shape = f"{rows}×{columns}" if rows else "vector"
        y = BASE + 28
        yield f'<path d="M{left + 1:.1f} {y:.0f}v4H{right - 1:.1f}v-4"/>'
        half = 3.5 * len(shape)
        middle = min(max((left + right) / 2, half), WIDTH - half)
        if middle - half >= taken:
            yield f'<text x="{middle:.1f}" y="{y + 18:.0f}" class="map">{shape}</text>'
            taken = middle + half
        first = number


def _arcs(
    blocks: Sequence[Mapping[str, Any]], edges: Sequence[tuple[float, float]], tops: Sequence[float]
) -> Iterator[str]:
    """An arc from each block whose value has a name to the blocks that take it up; the longer, the higher."""
    named = {block["label"]: number for number, block in enumerate(blocks) if block.get("label")}
    for number, block in enumerate(blocks):
        for name in dict.fromkeys(_FROM.findall(block["text"])):
            if name in named and named[name] < number:
                giver = named[name]
                left, right = (sum(edges[each]) / 2 for each in (giver, number))
                peak = min(tops) - HEADROOM * (0.2 + (right - left) / WIDTH)
                arc = f"M{left:.1f} {tops[giver]:.1f}C{left:.1f} {peak:.1f} {right:.1f} {peak:.1f} {right:.1f} {tops[number]:.1f}"
                yield f'<path d="{arc}"><title>{html.escape(name)}</title></path>'


def _short(name: str) -> str:
    """The part of a name that tells blocks of a family apart: K1K5K1, IDWE4K7, Conv K3."""
    name = name.removeprefix("Super").removesuffix("BNRELU")
    if name.startswith("Conv"):
        return html.escape(name.replace("ConvK", "Conv K"))
    return html.escape(name.removeprefix("Res").removeprefix("Net") or name)
