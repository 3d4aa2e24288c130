"""Write the generated parts of the documents: the text between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).parent


def blocks_table() -> str:
    from plainnet.blocks.reference import block_rows
    from plainnet.results.tables import markdown_table

    rows = [[f"`{name}`", f"`{arguments}`", text] for name, arguments, text in block_rows()]
    return markdown_table(["block", "arguments", "what it is"], rows, left=3)


def proxies_table() -> str:
    """Every shipped proxy with its cost and its stored correlation."""
    from plainnet.proxies.catalogue import find_proxy
    from plainnet.proxies.shipped import SHIPPED
    from plainnet.results.tables import markdown_table
    from plainnet.validation.accuracy_table import NOT_FITTED
    from plainnet.validation.trust import shipped_record

    sets = _sets()
    costs = json.loads((DOCS / "proxies" / "costs.json").read_text(encoding="utf-8"))
    rows = []
    for name in SHIPPED:
        made, milliseconds = find_proxy(name), costs["milliseconds"][name]
        record = shipped_record(sets[0], name) or shipped_record(NOT_FITTED, name)
        first = "not measured"
        if record is not None:
            value, low, high = record["agreement"]["spearman"]
            first = f"{value:.2f} ({low:.2f} to {high:.2f}), {record['networks']:,}"
        others = [_spearman(title, name) for title in sets[1:]]
        cost = f"{milliseconds:,.0f} ms" if milliseconds >= 10 else "under 2 ms"
        summary = made.summary.replace("|", "\\|")
        rows.append([f"`{name}`", summary, ", ".join(made.needs), made.cost, cost, first, *others])
    header = ["proxy", "what it is", "needs", "passes", "time", f"{sets[0]}, networks", *sets[1:]]
    settings = f"resolution {costs['resolution']}, batch {costs['batch']}, {costs['cpu']}, torch {costs['torch']}"
    return f"{markdown_table(header, rows, left=4)}\n\nTimes: `{costs['network']}`, {settings}."


def _sets() -> list[str]:
    """The titles of the sets of trained networks that ship."""
    from plainnet.validation.trained_sets import SETS

    return [each.title for each in SETS.values()]


def _spearman(title: str, proxy: str) -> str:
    """The stored rank correlation of a proxy on a set."""
    from plainnet.validation.trust import shipped_record

    record = shipped_record(title, proxy)
    return "" if record is None else f"{record['agreement']['spearman'][0]:.2f}"


def sets_table() -> str:
    """What the composite is worth on every set, beside its first version and the simple counts: Spearman / Kendall."""
    from plainnet.results.tables import markdown_table
    from plainnet.validation.trust import shipped_record

    names = ["composite", "composite(version=1)", "macs", "params", "depth"]
    records = {title: [shipped_record(title, name) for name in names] for title in _sets()}
    rows = []
    for title, found in records.items():
        figures = [[record["agreement"][which][0] for which in ("spearman", "kendall")] for record in found if record]
        rows.append([title, f"{found[0]['networks']:,}", *(f"{rho:.3f} / {tau:.3f}" for rho, tau in figures)])
    columns = [
        [record["agreement"]["spearman"][0] for record in column if record]
        for column in zip(*records.values(), strict=True)
    ]
    rows.append(["**mean**", "", *(f"**{sum(column) / len(column):.3f}**" for column in columns)])
    rows.append(["**worst**", "", *(f"**{min(column):.3f}**" for column in columns)])
    return markdown_table(["set", "networks", "composite", "version 1", "MACs", "params", "depth"], rows)


def zen_figure() -> str:
    """Closed form against Monte-Carlo for the stored networks, both variants, as an SVG."""
    from plainnet.proxies.closed.zen import zen_score

    data = json.loads((DOCS.parent / "tests/proxies/data/zen_monte_carlo.json").read_text(encoding="utf-8"))
    side, low, high = 420, 0, 170
    marks = []
    for column, (variant, color) in enumerate((("paper", "#1f4ea3"), ("zennas", "#d9822b"))):
        for text, values in {**data["random"], **data["held_out"], **data["near"]}.items():
            closed = zen_score(text, data["resolution"], variant=variant, batch_size=data["batch"])
            x, y = (50 + (value - low) / (high - low) * side for value in (values[2 * column], closed))
            marks.append(f'<circle cx="{x:.0f}" cy="{side + 70 - y:.0f}" r="2.5" fill="{color}" fill-opacity="0.5"/>')
        legend = f'<circle cx="70" cy="{40 + 18 * column}" r="4" fill="{color}"/>'
        marks.append(f'{legend}<text x="80" y="{44 + 18 * column}">{variant}</text>')
    ticks = [
        f'<text x="{50 + (tick - low) / (high - low) * side:.0f}" y="{side + 38}" text-anchor="middle">{tick}</text>'
        f'<text x="44" y="{side + 24 - (tick - low) / (high - low) * side:.0f}" text-anchor="end">{tick}</text>'
        for tick in range(low, high, 40)
    ]
    frame = f'<rect x="50" y="20" width="{side}" height="{side}" fill="none" stroke="#999"/>'
    line = f'<line x1="50" y1="{side + 20}" x2="{side + 50}" y2="20" stroke="#999" stroke-dasharray="4"/>'
    names = f'<text x="{50 + side // 2}" y="{side + 58}" text-anchor="middle">Monte-Carlo, 16 repeats</text>'
    names += f'<text transform="translate(14 {side // 2}) rotate(-90)" text-anchor="middle">closed form</text>'
    box = f'viewBox="0 0 {side + 70} {side + 70}" font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    back = f'<rect width="{side + 70}" height="{side + 70}" fill="#fff"/>'
    return "\n".join([head, back, frame, line, *ticks, names, *marks, "</svg>\n"])


def graph_figure(text: str, side: int, title: str) -> str:
    """The drawing of a graph, as `plainnet draw` writes it."""
    from plainnet.blocks.rows.shapes import Shape
    from plainnet.blocks.structure import parse
    from plainnet.profiler.network_drawing import draw_network

    structure = parse(text)
    return draw_network(structure, Shape(structure.in_channels, side, side), title=title)


def shortcut_figure() -> str:
    """A shortcut over three blocks."""
    text = "ConvKX(stem|3,8,3,1)ConvKXBNRELU(8,8,3,1)ConvKXBN(8,8,3,1)MultiSumBlock(BN(8);From(stem))RELU(8)"
    return graph_figure(text, 32, "A shortcut over three blocks")


def pyramid_figure() -> str:
    """The pyramid of two levels."""
    text = (
        "ConvKXBNRELU(3,16,3,2)ConvKXBNRELU(c2|16,32,3,2)ConvKXBNRELU(c3|32,64,3,2)ConvKX(p3|64,24,1,1)"
        "MultiSumBlock(p2|Upsample(24,2,0);From(c2)ConvKX(32,24,1,1))Outputs(p2,p3)"
    )
    return graph_figure(text, 64, "A pyramid of two levels")


def unet_figure() -> str:
    """A UNet of the width and depth of the published one."""
    from plainnet.templates.necks import unet

    return graph_figure(unet(2), 256, "A UNet")


FILES: dict[str, Callable[[], str]] = {
    "proxies/zen.svg": zen_figure,
    "graph-shortcut.svg": shortcut_figure,
    "graph-pyramid.svg": pyramid_figure,
    "graph-unet.svg": unet_figure,
}
"""Generated file -> what makes it."""

PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "blocks": ("language.md", blocks_table),
    "proxies": ("proxies.md", proxies_table),
    "sets": ("proxies/composite.md", sets_table),
}
"""Name of a part -> (the document, what makes it)."""


def generated(name: str) -> tuple[str, str]:
    """(the document as it is, the document as it should be) for one part."""
    file, make = PARTS[name]
    text = (DOCS / file).read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    assert pattern.search(text), f"{file} has no part {name}"
    return text, pattern.sub(lambda match: f"{match.group(1)}{make()}\n{match.group(2)}", text)


def main() -> int:
    """Write what is out of date; with --check only say so, with exit code 1."""
    check = "--check" in sys.argv[1:]
    stale = 0
    documents = [(name, file, *generated(name)) for name, (file, _) in PARTS.items()]
    for file, make in FILES.items():
        path = DOCS / file
        documents.append(("all of it", file, path.read_text(encoding="utf-8") if path.is_file() else "", make()))
    for name, file, before, after in documents:
        if before != after:
            stale += 1
            print(f"{file}: {name} {'is out of date, run `make docs`' if check else 'written'}")
            if not check:
                (DOCS / file).write_text(after, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
