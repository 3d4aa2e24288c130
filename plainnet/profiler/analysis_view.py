"""An analysis as a person or a table reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plainnet.profiler.measured_view import Lines, clocks_text, inputs_text, latency_lines, memory_lines, shape_text
from plainnet.results.numbers import byte_text, interval_text, score_text
from plainnet.results.result import View
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.profiler.analysis import Analysis, BlockAnalysis

__all__ = ["analysis_view", "block_columns"]

_DROP = ("peak bytes", "layers", "macs %", "activations", "output")
"""The columns that a narrow terminal does without, the first ones first."""
_HINT = "--csv, --markdown or a wider terminal"


def analysis_view(result: Analysis, *, depth: int) -> View:
    """What it is, the tables of submodules and of blocks, the totals."""
    submodules, notes = _submodules(result, depth)
    return View(_header(result), [*submodules, _blocks(result)], [*notes, *_totals(result)])


def _submodules(result: Analysis, depth: int) -> tuple[list[Table], Lines]:
    """The submodules of a module of the user's own, and what to know about them."""
    if result.modules is None or len(result.modules) < 2 or not depth:
        return [], []
    from plainnet.profiler.module_table import module_rows

    total = max(1, result.macs)
    found = module_rows(result.modules, depth=depth)
    rows = [
        [
            "  " * row.depth + (row.name or result.name or row.kind),
            row.kind + (f" x{row.count}" if row.count > 1 else ""),
            shape_text(row.output_shape) if row.output_shape is not None else "",
            f"{row.params:,}",
            f"{row.macs:,}" + ("+?" if row.uncounted else ""),
            f"{100 * row.macs / total:.1f}",
            byte_text(row.output_bytes) if row.output_shape is not None else "",
            "" if row.ms is None else f"{row.ms:.3f}",
        ]
        for row in found
    ]
    columns = ["module", "kind", "output", "params", "macs", "macs %", "puts out", "ms"]
    unknown = "+? means that an operator without a rule runs inside: its share is not known"
    notes = [("", unknown)] if any(row.uncounted for row in found) else []
    drop = ("output", "puts out", "kind", "macs %")
    table = Table(columns, rows, left=2, drop=drop, cut=("module", "kind"), hint="a wider terminal, or a pipe")
    if result.module_times is None:
        return [table.without(["ms"])], notes
    return [table], [*notes, ("ms of modules", clocks_text(result.module_times, result.latency))]


def _header(result: Analysis) -> Lines:
    machine = result.machine
    versions = " ".join(f"{name} {machine[name]}" for name in ("plainnet", "torch", "python") if machine.get(name))
    lines = [("network", (result.name or "structure") + (f"  #{result.hash}" if result.hash else ""))]
    variant = " ".join(name if value is True else f"{name}={value}" for name, value in result.variant.items())
    if variant:
        lines.append(("variant", variant))
    batch = "" if result.batch is None else f", batch {result.batch}"
    floats = f", {result.dtype}" if result.inputs is None else ""  # inputs of the caller's own have types of their own
    lines.append(("input", f"{_inputs(result)}{batch}{floats}"))
    cores = machine.get("cores", "?")
    lines.append(("with", f"{versions} on {machine.get('cpu', 'an unknown CPU')}, {cores} cores"))
    return lines


def _inputs(result: Analysis) -> str:
    """The image, or each input of the caller's own."""
    return _shape(result.input) if result.inputs is None else inputs_text(result.inputs)


def _shape(shape: Any) -> str:
    if shape is None:
        return ""
    return "x".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def _blocks(result: Analysis) -> Table:
    kind = "block" if result.modules is None else "operator"
    columns = ["#", kind, "output", "params", "macs", "macs %", "activations", "layers", "peak bytes"]
    total = max(1, result.macs)

    def line(block: BlockAnalysis) -> list[str]:
        return [
            str(block.index),
            block.name,
            _shape(block.out_shape),
            _number(block.params),
            f"{block.macs:,}",
            f"{100 * block.macs / total:.1f}",
            f"{block.activations:,}",
            _number(block.layers),
            _number(block.peak_activation_bytes),
        ]

    sums = ["", "total", shape_text(result.output_shape), f"{result.params:,}", f"{result.macs:,}", "100.0"]
    sums += [f"{result.activations:,}", _number(result.layers), _number(result.peak_activation_bytes)]
    rows = [*map(line, result.blocks), sums]
    empty = [name for index, name in enumerate(columns) if index > 1 and not any(row[index] for row in rows)]
    table = Table(columns, rows, left=2, rule=True, drop=_DROP, cut=(kind,), hint=_HINT)
    return table.without(empty)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def block_columns(result: Analysis) -> list[dict[str, Any]]:
    """Every number of every block, unformatted; shapes as text, and each kind of other operations as a column."""
    records = []
    for block in result.blocks:
        record = {key: value for key, value in block.as_dict().items() if key != "operations"}
        record.update({key: _shape(record[key]) for key in ("in_shape", "out_shape")}, **block.operations)
        records.append(record)
    return records


def _totals(result: Analysis) -> Lines:
    operations = ", ".join(
        f"{name.removesuffix('_ops')} {count:,}" for name, count in result.operations.items() if count
    )
    amount = "one image" if result.inputs is None else "these inputs"
    activations = f"{result.activations:,}  (elements that convolutions and linear layers put out)"
    layers = ("convolutions", f"{result.convolutions}")
    if result.layers is not None:
        layers = ("layers", f"{result.layers}  ({result.convolutions} convolutions)")
    lines = [
        ("params", f"{result.params:,}  ({byte_text(result.weight_bytes)} of weights)"),
        ("macs", f"{result.macs:,}  (convolutions and linear layers, {amount})"),
        ("flops", f"{result.flops:,}  (2 * macs)"),
        ("other operations", operations or "none"),
        ("activations", activations),
        layers,
    ]
    if result.peak_activation_bytes is not None:
        lines.append(("peak activation", byte_text(result.peak_activation_bytes)))
    if result.receptive_field is not None:
        seen = f"receptive field {result.receptive_field}, stride {result.stride}"
        lines.append(("features", f"{_shape(result.feature_shape)}  ({seen})"))
    scores = [*_composite(result.composite), *_zen(result.zen)]  # the one that ranks trained networks best comes first
    return [
        *lines,
        *_training(result.training),
        *([] if result.memory is None else memory_lines(result.memory)),
        *([] if result.latency is None else latency_lines(result.latency)),
        *scores,
        *(("note:", note) for note in result.notes),
    ]


def _training(training: dict[str, Any] | None) -> Lines:
    if training is None:
        return []
    times = (
        f", {training['step_macs'] / training['forward_macs']:.2f} forward passes" if training["forward_macs"] else ""
    )
    said = f"forward {training['forward_macs']:,} macs, backward {training['backward_macs']:,}  (one step{times})"
    missing = ", ".join(training["uncounted"])
    return [
        ("step", said),
        *([("note:", f"not counted in training, there is no rule for: {missing}")] if missing else []),
    ]


def _zen(zen: dict[str, Any] | None) -> Lines:
    if zen is None:
        return []
    how = f"{zen['variant']}, {zen['repeats']} repeat{'' if zen['repeats'] == 1 else 's'}, batch {zen['batch']}"
    half, spread = None, ""
    if zen["ci95"] is not None:
        half, spread = (zen["ci95"][1] - zen["ci95"][0]) / 2, f", 95 % CI {interval_text(tuple(zen['ci95']))}"
    mean = "not finite" if zen["mean"] is None else score_text(zen["mean"], half)
    closed = "not finite" if zen["closed_form"] is None else f"{zen['closed_form']:.2f}"
    lines = [("zen-score", f"{mean}{spread}  ({how}; closed form {closed}; higher is better)")]
    return lines + [(" ", sentence) for sentence in zen["trust"]]


def _composite(composite: dict[str, Any] | None) -> Lines:
    if composite is None or composite["score"] is None:
        return []
    said = f"{composite['score']:.3f}  (a closed form for ranking networks; higher is better)"
    return [("composite", said), *((" ", sentence) for sentence in composite["trust"])]
