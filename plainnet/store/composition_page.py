"""What a network of components is made of, as Markdown, from its record alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.blocks.structure import parse
from plainnet.store.record import Record
from plainnet.templates.taken_apart import taken_apart

__all__ = ["composition_page", "made_of_table", "rows_of"]


def composition_page(record: Record) -> str:
    """A page: the parts with their wires, what comes out, each part's string, and which weights are whose."""
    structure, size = record.structure, record.input.trained_at
    assert structure.string is not None
    assert size is not None
    identity = record.identity
    network = parse(structure.string)
    components = taken_apart(network, (size[0], size[1]))
    counts = f"{record.cost.params:,} params, {record.cost.macs:,} MACs" if record.cost.macs else "not counted"
    lines = [
        f"# {identity.name}.{identity.tag}",
        "",
        f"A network of {len(components)} parts for images of {record.input.channels}x{size[0]}x{size[1]}: {counts}.",
        "",
        "## Parts",
        "",
        *made_of_table(record),
        "",
        "## Wires",
        "",
        *rows_of(
            ("part", "takes"),
            [(part, ", ".join(each["from"]) or "the image") for part, each in components.items()],
        ),
        "",
        "## What comes out",
        "",
        *rows_of(
            ("head", "channels", "resolution"),
            [(each.head, str(each.channels), each.resolution or "") for each in record.outputs],
        ),
        "",
        "## Strings",
        "",
    ]
    for part, each in components.items():
        lines += [f"{part}:", "", "```text", each["blocks"], "```", ""]
    lines += ["The whole network:", "", "```text", structure.string, "```", ""]
    return "\n".join(lines)


def made_of_table(record: Record) -> list[str]:
    """Part by part what a record says that its network is made of; nothing for any other network."""
    made = record.extra.get("made_of")
    if not isinstance(made, Mapping):
        return []
    rows = [
        (str(part), _said(each), _weights(each), _count(each.get("params")))
        for part, each in made.items()
        if isinstance(each, Mapping)
    ]
    return rows_of(("part", "made of", "weights", "params"), rows)


def _said(each: Mapping[str, Any]) -> str:
    said = each.get("said")
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return f"{text[:59]}…" if len(text) > 60 else text


def _weights(each: Mapping[str, Any]) -> str:
    tensors, new = each.get("tensors"), each.get("new")
    if not tensors:
        return "none"
    if "from" not in each:
        return f"{new} tensors, all new: random"
    random = f", {new} of them still random" if new else ""
    apart = ", trained with another backbone" if each.get("apart") else ""
    return f"{tensors} tensors of {each['from']} ({each.get('part')}){random}{apart}"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def rows_of(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The lines of a Markdown table, whatever stands in its cells."""

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(header), line(("---",) * len(header)), *map(line, rows)]
