"""An optimum as a person reads it: the network, what is proven, what more of a budget is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainnet.results.result import View
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.search.exact.result import Network, Optimum

__all__ = ["optimum_view", "sampled_text", "value_text"]

_WHY = {
    "time": "the time was over",
    "interrupted": "it was stopped",
    "size": "what is left is too much to go through",
}


def optimum_view(result: Optimum) -> View:
    """The network with its costs and scores, the claim, the prices, the next best, the grid that it holds for."""
    best = result.best
    before = (
        [] if best is None else [("", best.structure), ("hash", best.hash), ("costs", _costs(best)), *_scores(best)]
    )
    before += [("", _claim(result)), *(("", line) for line in _prices(result))]
    whole = result.whole
    if whole is not None and best is not None:
        before.append(("", f"of the best that were met, the best by the whole form has zen {whole.scores['zen']:.6g}:"))
        before += [("", whole.structure), ("hash", whole.hash), ("costs", _costs(whole)), *_scores(whole)]
    others = result.others
    after = [("", f"holds for block {line}") for line in result.grid]
    if result.sampled:
        before.append(("", sampled_text(result)))
    after.append(("", f"{result.seconds:.1f} s, {result.nodes:,} evaluations of the dynamic program"))
    if others:
        before.append(("", "the next best, none left out:" if _are_all(result) else "the next best that were met:"))
    return View(before, [_others(others)] if others else [], after)


def _are_all(result: Optimum) -> bool:
    """Whether no network is better than the last of those that are told, and not among them."""
    least, last = result.complete_to, result.others[-1].value
    return least is not None and (last >= least if result.maximise else last <= least)


def value_text(value: float | None) -> str:
    """A value of the objective: counts in full, others with four digits behind the point."""
    return "none yet" if value is None else f"{value:,.10g}" if value == int(value) else f"{value:,.4f}"


def sampled_text(result: Optimum) -> str:
    """What the bound does not hold for."""
    return f"not proven for all widths of the space, only for those that are listed as looked at: {result.sampled}"


def _costs(best: Network) -> str:
    return ", ".join(f"{name} {value:,.10g}" for name, value in best.costs.items())


def _scores(best: Network) -> list[tuple[str, str]]:
    return [(name, f"{value:,.10g}" if value == int(value) else f"{value:.6g}") for name, value in best.scores.items()]


def _others(networks: tuple[Network, ...]) -> Table:
    costs = list(dict.fromkeys(name for each in networks for name in each.costs))
    rows = [
        [
            value_text(each.value),
            *(f"{each.costs[name]:,.10g}" if name in each.costs else "" for name in costs),
            each.hash,
            each.structure,
        ]
        for each in networks
    ]
    drop = ("convolutions", "activations", "peak_activation", "macs")
    return Table(["value", *costs, "hash", "structure"], rows, left=0, drop=drop, wide=("structure",))


def _prices(result: Optimum) -> list[str]:
    lines = []
    for name, price in result.prices.items():
        if price:
            size = 10 ** max(0, len(str(int(result.limits[name]))) - 3)
            lines.append(
                f"{size:,} more {name} are worth about {price * size:.4g} here: what its price says, not proven"
            )
    return lines


def _claim(result: Optimum) -> str:
    """What is proven, in one line."""
    than = "at most" if result.maximise else "at least"
    of_all = "of the widths looked at" if result.sampled else "of this space"
    if result.reason == "infeasible":
        return f"no network {of_all} is within the budgets: proven"
    early = f"; {_WHY[result.limit]}" if result.limit else ""
    if result.best is None:
        known = "nothing is proven" if result.bound is None else f"any would have {than} {value_text(result.bound)}"
        return f"no network within the budgets was found, and {known}{early}"
    if result.bound is None or result.gap is None:
        return f"no bound is proven{early}"
    if result.gap == 0:
        return f"no network {of_all} within the budgets is better: proven by {result.proof}"
    kept = "" if result.gap <= result.asked else f", more than the {result.asked:.3%} asked for"
    return f"every network {of_all} has {than} {value_text(result.bound)}: gap {result.gap:.3%}{kept}{early}"
