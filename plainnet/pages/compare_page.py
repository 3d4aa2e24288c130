"""The page of networks side by side: figures with their differences, drawings, blocks where they correspond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.drawing import DRAWN, block_of_report, draw_blocks
from plainnet.pages.figures import figure_in_words, figure_value
from plainnet.pages.page import Page
from plainnet.pages.parts import Html, copyable, escaped, in_percent, measured, section, significant, table
from plainnet.pages.shell import page

__all__ = ["PAGE", "compare_page"]


def compare_page(facts: Mapping[str, Any]) -> str:
    """The page that tells what `plainnet compare --json` prints."""
    names = [each["said"] for each in facts["networks"]]
    short = [name if len(name) <= 40 else f"{name[:37]}..." for name in names]
    main = [
        section("Figures", _figures(facts, short), note=_FIGURES),
        *_networks(short, facts["reports"]),
        *(
            section(f"{short[0]} → {other}", _blocks(pairs), note=_PAIRS)
            for other, pairs in zip(short[1:], facts["blocks"], strict=True)
        ),
    ]
    title = " and ".join(short) if len(short) == 2 else f"{len(short)} networks"
    header = f"<h1>{escaped(title)}</h1><p class='lead'>Side by side; differences are those from the first one.</p>"
    return page(title, header, main)


_FIGURES = "Scores whose intervals overlap cannot be told apart, and neither can latencies whose quotient may be one."
_PAIRS = "Blocks where they correspond; what is equal is faint."


def _figures(facts: Mapping[str, Any], names: Sequence[str]) -> Html:
    counts = facts["counts"]
    rows: list[list[object]] = []
    for key, value in counts[0].items():
        others = (_beside(key, count[key], value) for count in counts[1:])
        rows.append([figure_in_words(key), "–" if value is None else figure_value(key, value), *others])
    for proxy, scores in facts["scores"].items():
        rows.append([proxy, *(_score(each) for each in scores)])
    latency = facts.get("latency")
    if latency:
        medians = zip(latency["median_ms"], latency["ratios"], strict=True)
        rows.append(["median latency (ms)", *(_latency(median_ms, ratio) for median_ms, ratio in medians)])
    return table(["figure", *names], rows, left=1, kind="beside")


def _beside(name: str, value: float | None, first: float | None) -> Html:
    if value is None:
        return Html("–")
    change = f" <small>{in_percent((value - first) / first, sign=True)}</small>" if first and value != first else ""
    return Html(f"{figure_value(name, value)}{change}")


def _score(score: Mapping[str, Any]) -> Html:
    if score["mean"] is None:
        return Html("–")
    interval = score["ci95"]
    if score["exact"] or interval is None or None in interval:
        shown = significant(score["mean"])
    else:
        half = (interval[1] - interval[0]) / 2
        shown = f"{measured(score['mean'], half)} <small>{_interval(interval)}</small>"
    return Html(f"{shown}{_same(score['distinguishable_from_first'])}")


def _latency(median_ms: float, ratio: Mapping[str, Any] | None) -> Html:
    """A median, and how many times that of the first network it is."""
    if ratio is None:
        return Html(significant(median_ms, 4))
    times = f"×{significant(ratio['ratio'], 3)}, {_interval(ratio['ci95'])}"
    return Html(f"{significant(median_ms, 4)} <small>{times}</small>{_same(ratio['tells_apart'])}")


def _interval(ends: Sequence[float]) -> str:
    low, high = ends
    return f"{measured(low, (high - low) / 2)} to {measured(high, (high - low) / 2)}"


def _same(tells_apart: bool | None) -> str:
    return " <small>cannot be told apart</small>" if tells_apart is False else ""


def _networks(names: Sequence[str], reports: Sequence[Mapping[str, Any]]) -> list[Html]:
    """Each network drawn, all at one scale."""
    blocks = [
        [block_of_report(each) for each in report["blocks"] or () if each["in_shape"] and each["name"] != "head"]
        if report["structure"]
        else []
        for report in reports
    ]
    found = []
    for name, report, own in zip(names, reports, blocks, strict=True):
        if not own:
            found.append(section(name, note="A module of its author's; its figures are those above."))
            continue
        drawing = f'<div class="scroll" tabindex="0">{draw_blocks(own, beside=blocks)}</div>'
        found.append(section(name, drawing, copyable(report["structure"]), note=f"{DRAWN} All are drawn at one scale."))
    return found


def _blocks(pairs: Sequence[Mapping[str, Any]]) -> Html:
    rows = []
    for pair in pairs:
        sides = [pair[side]["name"] if pair[side] else "–" for side in ("first", "second")]
        tone = "faint" if pair["equal"] else ""
        codes = [Html(f"<code class='{tone}'>{escaped(side)}</code>") for side in sides]
        rows.append([*codes, *(_change(pair[key]) for key in ("params", "macs"))])
    return table(["first", "second", "params", "MACs"], rows, left=2)


def _change(value: float | None) -> str:
    return "–" if value is None else "=" if value == 0 else f"{value:+,}"


PAGE = Page("comparison", compare_page)
