"""An analysis as a person, a program or a document reads it."""

from __future__ import annotations

import json
from typing import Any

from plainnet.cli.tables import csv_table, markdown_table, text_table
from plainnet.profiler.analysis import Analysis, BlockAnalysis

__all__ = ["render"]

MAX_NAME = 56


def render(result: Analysis, form: str | None = None) -> str:
    """The analysis as text (None), "json", "csv" or "markdown"."""
    if form == "json":
        return json.dumps(result.as_dict(), indent=2, allow_nan=False)
    if form == "csv":
        return csv_table(*_csv(result))
    header, rows = _table(result, shorten=form is None)
    if form == "markdown":
        return markdown_table(header, rows, left=2)
    return "\n".join([*_header(result), "", text_table(header, rows, left=2), "", *_totals(result)])


def _header(result: Analysis) -> list[str]:
    machine = result.machine
    versions = " ".join(f"{name} {machine[name]}" for name in ("plainnet", "torch", "python") if machine.get(name))
    lines = [f"network     {result.name or 'structure'}" + (f"  #{result.hash}" if result.hash else "")]
    variant = " ".join(name if value is True else f"{name}={value}" for name, value in result.variant.items())
    if variant:
        lines.append(f"variant     {variant}")
    lines.append(f"input       {_shape(result.input)}, batch {result.batch}, {result.dtype}")
    lines.append(f"with        {versions} on {machine.get('cpu', 'an unknown CPU')}, {machine.get('cores', '?')} cores")
    return lines


def _shape(shape: Any) -> str:
    if shape is None:
        return ""
    return "x".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def _table(result: Analysis, *, shorten: bool) -> tuple[list[str], list[list[str]]]:
    header = ["#", "block", "output", "params", "macs", "macs %", "activations", "layers", "peak bytes"]
    total = max(1, result.macs)

    def line(block: BlockAnalysis) -> list[str]:
        name = block.name if not shorten or len(block.name) <= MAX_NAME else block.name[: MAX_NAME - 1] + "…"
        numbers = [
            _number(block.params),
            f"{block.macs:,}",
            f"{100 * block.macs / total:.1f}",
            f"{block.activations:,}",
        ]
        return [
            str(block.index),
            name,
            _shape(block.out_shape),
            *numbers,
            str(block.layers),
            _number(block.peak_activation_bytes),
        ]

    sums = ["", "total", _shape(result.output_shape), f"{result.params:,}", f"{result.macs:,}", "100.0"]
    sums += [f"{result.activations:,}", str(result.layers), _number(result.peak_activation_bytes)]
    return header, [*map(line, result.blocks), sums]


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _csv(result: Analysis) -> tuple[list[str], list[list[str]]]:
    """Every number of every block, unformatted."""
    rows = []
    for block in result.blocks:
        record = {key: value for key, value in block.as_dict().items() if key != "operations"}
        record.update({key: _shape(record[key]) for key in ("in_shape", "out_shape")}, **block.operations)
        rows.append(record)
    return list(rows[0]), [list(map(str, row.values())) for row in rows]


def _totals(result: Analysis) -> list[str]:
    operations = ", ".join(
        f"{name.removesuffix('_ops')} {count:,}" for name, count in result.operations.items() if count
    )
    lines = [
        f"params               {result.params:,}  ({_bytes(result.weight_bytes)} of weights)",
        f"macs                 {result.macs:,}  (convolutions and linear layers, one image)",
        f"flops                {result.flops:,}  (2 * macs)",
        f"other operations     {operations or 'none'}",
        f"activations          {result.activations:,}  (elements that convolutions and linear layers put out)",
        f"layers               {result.layers}  ({result.convolutions} convolutions)",
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
    lines = [f"zen-score            {zen['mean']:.2f}{spread}  ({how}; closed form {zen['closed_form']:.2f})"]
    return lines + [_trust(sentence) for sentence in zen["trust"]]


def _composite(composite: dict[str, Any] | None) -> list[str]:
    if composite is None or composite["score"] is None:
        return []
    return [f"composite            {composite['score']:.3f}", *map(_trust, composite["trust"])]


def _trust(sentence: str) -> str:
    return f"                     {sentence}"
