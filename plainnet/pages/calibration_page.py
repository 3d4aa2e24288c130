"""The page about a calibration: what a score that was fitted to trained networks says of those that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.pages.charts import Axis, Series, chart
from plainnet.pages.page import Page
from plainnet.pages.parts import Html, cards, copyable, escaped, in_percent, measured, section, significant, table
from plainnet.pages.ranking_figures import figures_table, number_of, terms
from plainnet.pages.shell import page

__all__ = ["PAGE", "calibration_page"]

MODEL = "calibrated, left out"
_CLOUD = (
    "Each dot is a trained network, and the line through it the 90 % interval of its accuracy, both from a model that has not "
    "seen it: where the line meets the diagonal, the accuracy that was measured lies within."
)
_FIGURES = (
    "Each score ranks the same networks. The small line below a figure is its 95 % interval, from bootstrap resamples."
)
_TABLE = "Expected by a model that has not seen the network, with the 90 % interval; the worst miss first."
DRAWN, LISTED = 1_000, 200
"""Networks in the chart, evenly drawn, and in the table, at most."""


def calibration_page(facts: Mapping[str, Any]) -> str:
    """The page about a calibration. facts: what `plainnet report FILE --json` prints of what `plainnet calibrate` wrote."""
    networks, singles = facts["networks"], facts["singles"]
    best = max(singles, key=lambda name: _spearman(singles[name]))
    figures = [
        (f"{_spearman(facts['left_out']):.2f}", "Spearman of networks left out"),
        (f"{_spearman(singles[best]):.2f}", f"by {best}, the best single score"),
        (in_percent(facts["covered_by_90_percent"], digits=0), "of accuracies within their 90 % interval"),
        (f"{len(networks):,}", "trained networks"),
    ]
    main = [
        cards(figures),
        section("Expected against measured", _cloud(facts), note=_CLOUD + _some(len(networks), DRAWN)),
        section(
            "Beside single scores",
            figures_table({MODEL: facts["left_out"], **singles}, ("spearman", "kendall")),
            terms("Spearman", "Kendall"),
            note=_FIGURES,
        ),
        section("What is not promised", _not_promised(facts["not_promised"])),
        section("What to do with it", *map(copyable, facts["commands"])),
        section("The networks", _listed(networks), note=_TABLE + _some(len(networks), LISTED)),
    ]
    size = "x".join(map(str, facts["resolution"]))
    lead = f"Fitted to {len(networks):,} trained networks of {facts['source']}, for inputs of {size}"
    header = f"<h1>{escaped(facts['title'])}</h1><p class='lead'>{escaped(lead)}</p>"
    return page(f"{facts['title']} · calibration", header, main)


def _not_promised(kinds: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escaped(each)}</li>' for each in kinds)}</ul>"


def _some(count: int, shown: int) -> str:
    return f" {shown:,} of {count:,}." if count > shown else ""


def _spearman(figures: Mapping[str, Sequence[float | str]]) -> float:
    """The correlation, and -1 for a score that has none."""
    value = number_of(figures["spearman"][0])
    return value if value == value else -1.0


def _is_within(network: Mapping[str, Any]) -> bool:
    low: float | None = network["low"]
    found: float = network["measured"]
    high: float = network["high"]
    return (low is None or low <= found) and found <= high


def _cloud(facts: Mapping[str, Any]) -> str:
    networks = sorted(facts["networks"], key=lambda each: each["measured"])
    networks = networks[:: -(-len(networks) // DRAWN)]
    ends = [end for each in networks for end in (each["measured"], each["low"], each["high"]) if end is not None]
    bottom = min(ends)
    said = [
        f"{each['name']}\nmeasured {significant(each['measured'])}\nexpected {_expected(each)}, {_interval(each)}"
        for each in networks
    ]
    line = [networks[0]["measured"], networks[-1]["measured"]]
    within, beyond = (
        [
            (each["measured"], end)
            for each in networks
            if _is_within(each) == side
            for end in (bottom if each["low"] is None else each["low"], each["high"], None)
        ]
        for side in (True, False)
    )
    series = [
        Series("interval with the measured accuracy in it", within, tone="cloud"),
        Series("interval without it", beyond, tone="best"),
        Series("expected as measured", [(value, value) for value in line], tone="soft"),
        Series(
            "networks",
            [(each["measured"], each["expected"]) for each in networks],
            kind="dots",
            tone="accent",
            said=said,
        ),
    ]
    says = (
        f"Expected over measured accuracy of {len(facts['networks']):,} networks that the model has not seen: "
        f"Spearman {_spearman(facts['left_out']):.3f}"
    )
    return chart(series, Axis("measured accuracy"), Axis("expected accuracy"), says=says, height=520, numbers=False)


def _listed(networks: Sequence[Mapping[str, Any]]) -> Html:
    worst = sorted(networks, key=lambda each: -abs(each["expected"] - each["measured"]))
    rows = [
        [
            each["name"],
            significant(each["measured"]),
            _expected(each),
            _interval(each) if _is_within(each) else Html(f"<span class='bad'>{_interval(each)}</span>"),
        ]
        for each in worst[:LISTED]
    ]
    return table(["network", "measured", "expected", "90 % interval"], rows, left=1)


def _expected(network: Mapping[str, Any]) -> str:
    return measured(network["expected"], network["high"] - network["expected"])


def _interval(network: Mapping[str, Any]) -> str:
    """Both ends, rounded as what they are around; the lower one is open where failures lie below it."""
    half = network["high"] - network["expected"]
    high = measured(network["high"], half)
    return f"below {high}" if network["low"] is None else f"{measured(network['low'], half)} to {high}"


PAGE = Page("calibration", calibration_page)
