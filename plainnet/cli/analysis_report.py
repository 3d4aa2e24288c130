"""An analysis as a person, a program or a document reads it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from plainnet.cli.latency_table import latency_table
from plainnet.cli.tables import csv_table, fit_columns, markdown_table, table_width, text_table, wrapped
from plainnet.profiler.analysis import Analysis, BlockAnalysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plainnet.profiler.latency_pieces import Point
    from plainnet.profiler.verify import Verification

__all__ = ["render"]

MIN_NAME, MAX_NAME = 16, 56
"""Characters of a block's name that are shown: on the narrowest terminal, and at most."""
_DROP = ("peak bytes", "layers", "macs %", "activations", "output")
"""The columns that a narrow terminal does without, the first ones first."""


def render(
    result: Analysis,
    form: str | None = None,
    *,
    verification: Verification | None = None,
    width: int | None = None,
    depth: int = 2,
    points: Sequence[Point] | None = None,
) -> str:
    """The analysis as text (None), "json", "csv" or "markdown".

    verification: the cross-check, for text and JSON (there under `verify`).
    width: the columns of the terminal that text is to fit into; None for as many as it takes.
    depth: how deep the table of submodules goes, for text; 0 for none.
    points: latencies at several batch sizes and thread counts, for text and JSON (there under `latencies`).
    """
    if form == "json":
        verify = {} if verification is None else {"verify": verification.as_dict()}
        latencies = {} if points is None else {"latencies": [point.as_dict() for point in points]}
        return json.dumps({**result.as_dict(), **latencies, **verify}, indent=2, allow_nan=False)
    if form == "csv":
        return csv_table(*_csv(result))
    if form == "markdown":
        return markdown_table(*_table(result), left=2)
    check = ["", *str(verification).splitlines()] if verification is not None else []
    lines = [
        *(wrapped(line, width, indent=12) for line in _header(result)),
        "",
        *_module_table(result, width, depth),
        *_text_table(result, width),
        "",
        *(wrapped(line, width, indent=21) for line in [*_totals(result), *check]),
    ]
    if points:
        lines += ["", latency_table(points, width)]
    return "\n".join(lines)


def _text_table(result: Analysis, width: int | None) -> list[str]:
    """The table of blocks; on a terminal that is too narrow with shorter names, and then without some columns."""
    header, rows = _table(result)
    if width is None:
        return [text_table(header, _shortened(rows, MAX_NAME), left=2)]
    header, narrow, dropped = fit_columns(
        header, _shortened(rows, MIN_NAME), width, drop=[name for name in _DROP if name in header]
    )
    room = width - table_width(header, narrow) + max(len(row[1]) for row in narrow)
    fitting = [
        [row[0], _cut(full[1], min(MAX_NAME, max(MIN_NAME, room))), *row[2:]]
        for row, full in zip(narrow, rows, strict=True)
    ]
    note = f"(no room for {', '.join(dropped)}: --csv, --markdown or a wider terminal)"
    return [text_table(header, fitting, left=2), *([wrapped(note, width)] if dropped else [])]


def _module_table(result: Analysis, width: int | None, depth: int) -> list[str]:
    """The submodules of a module of the user's own, and an empty line."""
    if result.modules is None or len(result.modules) < 2 or not depth:
        return []
    from plainnet.profiler.module_table import module_rows

    total = max(1, result.macs)
    header = ["module", "kind", "output", "params", "macs", "macs %"]
    rows = [
        [
            "  " * row.depth + (row.name or result.name or row.kind),
            row.kind + (f" x{row.count}" if row.count > 1 else ""),
            _nested(row.output_shape) if row.output_shape is not None else "",
            f"{row.params:,}",
            f"{row.macs:,}" + ("+?" if row.uncounted else ""),
            f"{100 * row.macs / total:.1f}",
        ]
        for row in module_rows(result.modules, depth=depth)
    ]
    dropped: list[str] = []
    if width is not None:
        header, rows, dropped = fit_columns(header, rows, width, drop=["output", "kind"])
    notes = [f"(no room for {', '.join(dropped)}: a wider terminal)"] if dropped else []
    if any(row.uncounted for row in module_rows(result.modules, depth=depth)):
        notes.append("+? means that an operator without a rule runs inside: its share is not known")
    return [
        text_table(header, rows, left=header.index("params") - ("output" in header), rule=False),
        *(wrapped(note, width) for note in notes),
        "",
    ]


def _shortened(rows: list[list[str]], length: int) -> list[list[str]]:
    return [[row[0], _cut(row[1], length), *row[2:]] for row in rows]


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def _header(result: Analysis) -> list[str]:
    machine = result.machine
    versions = " ".join(f"{name} {machine[name]}" for name in ("plainnet", "torch", "python") if machine.get(name))
    lines = [f"network     {result.name or 'structure'}" + (f"  #{result.hash}" if result.hash else "")]
    variant = " ".join(name if value is True else f"{name}={value}" for name, value in result.variant.items())
    if variant:
        lines.append(f"variant     {variant}")
    batch = "" if result.batch is None else f", batch {result.batch}"
    floats = f", {result.dtype}" if result.inputs is None else ""  # inputs of the caller's own have types of their own
    lines.append(f"input       {_inputs(result)}{batch}{floats}")
    lines.append(f"with        {versions} on {machine.get('cpu', 'an unknown CPU')}, {machine.get('cores', '?')} cores")
    return lines


def _inputs(result: Analysis) -> str:
    """The image, or each input of the caller's own."""
    if result.inputs is None:
        return _shape(result.input)
    named = (f"{name}={_nested(shape)}" for name, shape in result.inputs["kwargs"].items())
    return ", ".join([*map(_nested, result.inputs["inputs"]), *named])


def _nested(shape: Any) -> str:
    if isinstance(shape, dict):
        return "{" + ", ".join(f"{name}={_nested(part)}" for name, part in shape.items()) + "}"
    if isinstance(shape, (list, tuple)):
        is_shape = shape and all(isinstance(size, int) for size in shape)
        return _shape(list(shape)) if is_shape else "[" + ", ".join(map(_nested, shape)) + "]"
    return str(shape)


def _shape(shape: Any) -> str:
    if shape is None:
        return ""
    return "x".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def _table(result: Analysis) -> tuple[list[str], list[list[str]]]:
    header = [
        "#",
        "block" if result.modules is None else "operator",
        "output",
        "params",
        "macs",
        "macs %",
        "activations",
        "layers",
        "peak bytes",
    ]
    total = max(1, result.macs)

    def line(block: BlockAnalysis) -> list[str]:
        numbers = [
            _number(block.params),
            f"{block.macs:,}",
            f"{100 * block.macs / total:.1f}",
            f"{block.activations:,}",
        ]
        return [
            str(block.index),
            block.name,
            _shape(block.out_shape),
            *numbers,
            _number(block.layers),
            _number(block.peak_activation_bytes),
        ]

    sums = ["", "total", _nested(result.output_shape), f"{result.params:,}", f"{result.macs:,}", "100.0"]
    sums += [f"{result.activations:,}", _number(result.layers), _number(result.peak_activation_bytes)]
    rows = [*map(line, result.blocks), sums]
    known = [index for index in range(len(header)) if index < 2 or any(row[index] for row in rows)]
    return [header[index] for index in known], [[row[index] for index in known] for row in rows]


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _csv(result: Analysis) -> tuple[list[str], list[list[str]]]:
    """Every number of every block, unformatted."""
    rows = []
    for block in result.blocks:
        record = {key: value for key, value in block.as_dict().items() if key != "operations"}
        record.update({key: _shape(record[key]) for key in ("in_shape", "out_shape")}, **block.operations)
        rows.append(record)
    if not rows:  # a module that runs no operator that costs anything
        return [part.name for part in fields(BlockAnalysis) if part.name != "operations"], []
    return list(rows[0]), [list(map(str, row.values())) for row in rows]


def _totals(result: Analysis) -> list[str]:
    operations = ", ".join(
        f"{name.removesuffix('_ops')} {count:,}" for name, count in result.operations.items() if count
    )
    amount = "one image" if result.inputs is None else "these inputs"
    lines = [
        f"params               {result.params:,}  ({_bytes(result.weight_bytes)} of weights)",
        f"macs                 {result.macs:,}  (convolutions and linear layers, {amount})",
        f"flops                {result.flops:,}  (2 * macs)",
        f"other operations     {operations or 'none'}",
        f"activations          {result.activations:,}  (elements that convolutions and linear layers put out)",
        f"convolutions         {result.convolutions}"
        if result.layers is None
        else f"layers               {result.layers}  ({result.convolutions} convolutions)",
    ]
    if result.peak_activation_bytes is not None:
        lines.append(f"peak activation      {_bytes(result.peak_activation_bytes)}")
    if result.receptive_field is not None:
        seen = f"receptive field {result.receptive_field}, stride {result.stride}"
        lines.append(f"features             {_shape(result.feature_shape)}  ({seen})")
    lines += [
        *_latency(result.latency),
        *_zen(result.zen),
        *_composite(result.composite),
        *(f"note: {note}" for note in result.notes),
    ]
    return lines


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1024
    return f"{count:.1f} GiB"


def _latency(latency: dict[str, Any] | None) -> list[str]:
    if latency is None:
        return []
    low, high = latency["ci95_ms"]
    numbers = f"median {latency['median_ms']:.3g} ms, 95 % CI [{low:.3g}, {high:.3g}]"
    numbers += f", p90 {latency['p90_ms']:.3g}, p99 {latency['p99_ms']:.3g}"
    threads = latency["threads"]
    lines = [f"latency              {numbers}  ({latency['device']}, {threads} thread{'' if threads == 1 else 's'})"]
    return lines + [f"note: {note}" for note in latency.get("warnings", [])]


def _zen(zen: dict[str, Any] | None) -> list[str]:
    if zen is None:
        return []
    spread = f", 95 % CI [{zen['ci95'][0]:.2f}, {zen['ci95'][1]:.2f}]" if zen["ci95"] is not None else ""
    how = f"{zen['variant']}, {zen['repeats']} repeat{'' if zen['repeats'] == 1 else 's'}, batch {zen['batch']}"
    mean, closed = ("not finite" if zen[name] is None else format(zen[name], ".2f") for name in ("mean", "closed_form"))
    lines = [f"zen-score            {mean}{spread}  ({how}; closed form {closed})"]
    return lines + [_trust(sentence) for sentence in zen["trust"]]


def _composite(composite: dict[str, Any] | None) -> list[str]:
    if composite is None or composite["score"] is None:
        return []
    return [f"composite            {composite['score']:.3f}", *map(_trust, composite["trust"])]


def _trust(sentence: str) -> str:
    return f"                     {sentence}"
