"""The page about what a network costs: its stages, where its work lies, its latency, how far it is from the machine's roof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.drawing import DRAWN, block_of_report, draw_blocks
from plainnet.pages.figures import figure_in_words, figure_value, in_bytes
from plainnet.pages.page import Page
from plainnet.pages.parts import (
    Html,
    cards,
    copyable,
    escaped,
    meter_cell,
    rounded,
    section,
    significant,
    table,
    warning,
)
from plainnet.pages.profile_parts import cross_check, latency_points, scores
from plainnet.pages.shell import page

__all__ = ["PAGE", "profile_page"]

QUANTILES = (("min_ms", "fastest"), ("median_ms", "median"), ("p90_ms", "90 in 100"), ("p99_ms", "99 in 100"))
MEASURED = ("count", "flops", "bytes", "measured_us", "roof_us", "bound", "intensity", "distance")
MODULES = 400
"""Submodules in the table at most, the outer ones first."""


def profile_page(facts: Mapping[str, Any]) -> str:
    """The page that tells what `plainnet analyze --json` prints, with all that was asked for."""
    title = facts["name"] or (f"network {facts['hash']}" if facts["hash"] else "network")
    classes = f", {facts['num_classes']:,} classes" if facts["num_classes"] else ""
    batch = f", batch {facts['batch']}" if facts["batch"] is not None else ""
    how = f"input {_input(facts)}{classes}{batch}, {facts['dtype']}"
    header = f"<h1>{escaped(title)}</h1><p class='lead'>{escaped(how)}</p>"
    main = [
        _cards(facts),
        *_network(facts),
        *([section("Where the work lies", _blocks(facts["blocks"]), note=_SHARES)] if facts["blocks"] else []),
        *_modules(facts.get("modules")),
        *_latency(facts.get("latency")),
        *latency_points(facts.get("latencies")),
        *_roofline(facts.get("roofline")),
        *_memory(facts.get("memory")),
        *scores(facts),
        *cross_check(facts.get("verify")),
        section("All figures", _figures(facts)),
    ]
    notes = "".join(warning(str(note)) for note in facts.get("notes") or ())
    return page(title, header + notes, main)


def _input(facts: Mapping[str, Any]) -> str:
    """The image, or each input of a module that takes its own."""
    if facts["input"] is not None or not (given := facts.get("inputs")):
        return _shape(facts["input"])
    return ", ".join(
        [*map(_shape, given["inputs"]), *(f"{name} {_shape(each)}" for name, each in given["kwargs"].items())]
    )


def _shape(value: Any) -> str:
    """3×32×32; several of them in their lists and dicts."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} {_shape(each)}" for name, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        if all(isinstance(each, int) for each in value):
            return "×".join(map(str, value))
        return "[" + ", ".join(map(_shape, value)) + "]"
    return "" if value is None else str(value)


_SHARES = "Each bar is a block's share of the whole network; the marked figure is the largest of its column."


def _cards(facts: Mapping[str, Any]) -> Html:
    latency = facts.get("latency")
    shown = [
        (rounded(facts["params"]), "params"),
        (rounded(facts["macs"]), "MACs an image" if facts["input"] is not None else "MACs of these inputs"),
        (in_bytes(facts["weight_bytes"]), "weights"),
    ]
    if facts["peak_activation_bytes"] is not None:
        shown.append((in_bytes(facts["peak_activation_bytes"]), "activations at once"))
    if latency:
        shown.append((f"{significant(latency['median_ms'], 3)} ms", f"latency on {latency['device']}, median"))
    if facts.get("receptive_field") is not None:
        shown.append((f"{facts['receptive_field']:,}", "receptive field"))
    return cards(shown)


def _network(facts: Mapping[str, Any]) -> list[Html]:
    blocks = [block_of_report(each) for each in facts["blocks"] or () if each["name"] != "head" and each["out_shape"]]
    if not blocks or not facts["structure"]:
        return []
    drawing = f'<div class="scroll" tabindex="0">{draw_blocks(blocks)}</div>'
    return [section("The network", drawing, copyable(facts["structure"]), note=DRAWN)]


def _blocks(blocks: Sequence[Mapping[str, Any]]) -> Html:
    known = (
        ("params", "params"),
        ("macs", "MACs"),
        ("activations", "activations"),
        ("peak_activation_bytes", "bytes at once"),
    )
    columns = [each for each in known if all(block.get(each[0]) is not None for block in blocks)]
    sums = {name: sum(block[name] for block in blocks) or 1 for name, _ in columns}
    most = {name: max(block[name] for block in blocks) for name, _ in columns}
    rows = [
        [
            str(number),
            Html(f"<code>{escaped(block['name'])}</code>"),
            _shape(block["out_shape"]),
            *(
                meter_cell(
                    in_bytes(block[name]) if name.endswith("bytes") else rounded(block[name]),
                    block[name] / (most[name] or 1) if name.endswith("bytes") else block[name] / sums[name],
                    is_most=block[name] == most[name] > 0,
                )
                for name, _ in columns
            ),
        ]
        for number, block in enumerate(blocks)
    ]
    return table(["block", "name", "output", *(words for _, words in columns)], rows, left=3, kind="bars", stacks=True)


def _modules(modules: Sequence[Mapping[str, Any]] | None) -> list[Html]:
    """The tree of a module's submodules, indented by depth."""
    if not modules:
        return []
    shown = [each for each in modules if each["macs"] or each["params"]][:MODULES]
    whole = max((each["macs"] or 0 for each in shown), default=0) or 1
    slowest = max((each.get("ms") or 0 for each in shown), default=0)
    columns = ["module", "kind", "output", "params", "MACs", "puts out", *(["ms"] if slowest else [])]
    rows = list[list[Any]]()
    for each in shown:
        path, macs = each["path"], each["macs"] or 0
        depth = path.count(".") + 1 if path else 0
        label = Html(f"<code class='d{min(depth, 6)}'>{escaped(path or 'the whole')}</code>")
        cells = [
            label,
            each["kind"],
            _shape(each["output_shape"]),
            rounded(each["params"] or 0),
            meter_cell(rounded(macs), macs / whole),
        ]
        cells.append(in_bytes(each.get("output_bytes") or 0))
        ms = each.get("ms") or 0.0
        rows.append([*cells, meter_cell(f"{ms:.3f}", ms / slowest)] if slowest else cells)
    note = f"The first {MODULES}." if len(shown) == MODULES else "Each with all that is inside of it."
    note += (
        " Those without params and MACs are left out." if any(not (m["macs"] or m["params"]) for m in modules) else ""
    )
    return [section("Submodules", table(columns, rows, left=3, kind="bars"), note=note)]


def _latency(latency: Mapping[str, Any] | None) -> list[Html]:
    if not latency:
        return []
    low, high = latency["ci95_ms"]
    known = [(name, words) for name, words in QUANTILES if latency.get(name) is not None]
    points = [(latency[name], float(number)) for number, (name, _) in enumerate(known)]
    said = [f"{words}: {significant(latency[name], 4)} ms" for name, words in known]
    spread = Series("quantiles", points, kind="dots", tone="best", said=said)
    interval = Series("95 % interval of the median", [(low, 1.0), (high, 1.0)], tone="accent")
    says = f"The median is {significant(latency['median_ms'], 4)} ms, its 95 % interval "
    says += f"{significant(low, 4)} to {significant(high, 4)} ms"
    up = Axis("", names=[words for _, words in known], low=-0.5, high=len(known) - 0.5)
    figure = chart([interval, spread], Axis("ms"), up, says=says, height=220)
    warnings = "".join(warning(str(text)) for text in latency.get("warnings") or ())
    threads = f"{latency['threads']} thread{'s' * (latency['threads'] != 1)}"
    where = f"{latency['n']:,} runs on {latency['device_name']}, {threads}, torch {latency['torch']}."
    return [section("Latency", figure, warnings, note=where)]


def _roofline(roof: Mapping[str, Any] | None) -> list[Html]:
    """Layers as points below what the machine can do: operations a second over operations a byte."""
    if not roof:
        return []
    layers = [each for each in roof["layers"] if each["measured_us"] and each["flops"] and each["bytes"]]
    peak, slope = roof["peaks"]["gflops"], roof["peaks"]["gbytes_per_second"]
    places = sorted([*(each["intensity"] for each in layers), peak / slope])
    ends = sorted({places[0] / 2, peak / slope, places[-1] * 2})
    series = [Series("the machine's roof", [(x, min(peak, slope * x)) for x in ends], tone="out")]
    for bound, tone in (("compute", "accent"), ("memory", "best")):
        some = sorted((each for each in layers if each["bound"] == bound), key=lambda each: float(each["intensity"]))
        reached = [(each["intensity"], each["flops"] / each["measured_us"] / 1e3) for each in some]
        said = [_layer(each) for each in some]
        series.append(Series(f"bound by {bound}", reached, kind="dots", tone=tone, said=said))
    says = f"{len(layers)} kinds of layers below a roof of {peak:,.0f} GFLOP/s and {slope:,.0f} GB/s"
    figure = chart(series, Axis("operations a byte", log=True), Axis("GFLOP/s", log=True), says=says, height=420)
    return [section("Roofline", figure, note="How far each kind of layer is from what the machine can do at most.")]


def _layer(each: Mapping[str, Any]) -> str:
    about = ", ".join(
        f"{name} {value}" for name, value in each.items() if name not in MEASURED and value not in (None, "")
    )
    return f"{about}\n{each['measured_us']:,.0f} us, {each['distance']:.1f} times what its roof allows"


def _memory(memory: Mapping[str, Any] | None) -> list[Html]:
    known = {name: value for name, value in (memory or {}).items() if isinstance(value, (int, float))}
    rows = [
        [name.replace("_", " "), in_bytes(value) if "bytes" in name else f"{value:,}"] for name, value in known.items()
    ]
    return [section("Memory", table(["of", "bytes"], rows, left=1))] if rows else []


def _figures(facts: Mapping[str, Any]) -> Html:
    operations = {name: value for name, value in (facts.get("operations") or {}).items() if value}
    known = {name: value for name, value in {**facts, **operations}.items() if type(value) in (int, float)}
    if facts["structure"] is None:  # nobody knows how many classes a module tells apart
        known.pop("num_classes", None)
    rows = [[figure_in_words(name), figure_value(name, value)] for name, value in known.items()]
    return table(["figure", "value"], rows, left=1)


PAGE = Page("analysis", profile_page)
