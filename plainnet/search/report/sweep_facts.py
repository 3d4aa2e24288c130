"""What pages tell about sweeps, as plain data: the best networks under each limit, found or computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plainnet.blocks.structure import parse
from plainnet.errors import PlainnetError, UsageError
from plainnet.pages.page import Facts
from plainnet.pages.parts import in_percent
from plainnet.profiler.network_drawing import drawn_blocks
from plainnet.search.exact.result import Network, Optimum
from plainnet.search.report.labels import in_words, input_in_words
from plainnet.search.runs.networks_table import ABOUT
from plainnet.search.runs.sweep import Outcome, beaten, score_name
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import COSTS

__all__ = ["exact_sweep_facts", "sweep_facts"]

SHOWN = ("params", "macs", "layers")


def sweep_facts(
    outcomes: Sequence[Outcome],
    *,
    command: str,
    higher: bool = True,
    config: SearchConfig | None = None,
    page_of: Callable[[Path], str] | None = None,
) -> Facts:
    """The facts of a sweep of searches. `command`: what makes it again; `higher`: whether the score is to be large; `config`:
    what its searches share, with which its networks are drawn; `page_of`: where the page of a run is found, by its folder.
    Raises `UsageError` where no budget gave a network.
    """
    results = [(outcome, outcome.result) for outcome in outcomes if outcome.result is not None]
    if not results:
        raise UsageError("no budget of the sweep gave a network")
    best = [result["best"] for _, result in results]
    budget = results[0][0].budget
    scores = [key for key in best[0] if key not in (*ABOUT, *COSTS)]
    costs = [name for name in COSTS if any(each.get(name) is not None for each in best)]
    name, worse = score_name(outcomes), beaten(outcomes, higher=higher)
    cost = budget if budget in costs else "macs"
    lines = [
        _found(outcome, result, (cost, name), scores, costs)
        | {
            "beaten": outcome in worse,
            "page": page_of(Path(outcome.folder)) if page_of is not None else None,
            "blocks": _drawn(result["best"]["structure"], config),
        }
        for outcome, result in results
    ]
    facts: dict[str, Any] = {
        **_asked(config, in_words(name), budget, higher=higher),
        "budget": in_words(budget),
        "cost": in_words(cost),
        "value": in_words(name),
        "solved": False,
        "higher": higher,
        "proposed": sum(result["candidates"] for _, result in results),
        "seconds": sum(result["seconds"] for _, result in results),
        "problems": [[each.limit, each.problem.splitlines()[0]] for each in outcomes if each.problem],
        "scores": list(map(in_words, scores)),
        "costs": list(map(in_words, costs)),
        "lines": lines,
        "bounds": _bounds(results, name),
        "command": command,
    }
    return Facts("sweep", facts)


def _found(
    outcome: Outcome, result: dict[str, Any], drawn: tuple[str, str], scores: Sequence[str], costs: Sequence[str]
) -> dict[str, Any]:
    """The network of one search; `drawn`: its columns along and up."""
    best = result["best"]
    return {
        "limit": outcome.limit,
        "cost": best[drawn[0]],
        "value": best[drawn[1]],
        "scores": [best.get(score) for score in scores],
        "costs": [best.get(cost) for cost in costs],
        "structure": best["structure"],
        "hash": best["hash"],
    }


def _bounds(results: Sequence[tuple[Outcome, dict[str, Any]]], name: str) -> list[tuple[float, float]]:
    """What the searches proved under their limits, of the score that is drawn."""
    found = [(outcome.limit, result.get("bound") or {}) for outcome, result in results]
    return sorted(
        (limit, bound["bound"])
        for limit, bound in found
        if bound.get("bound") is not None and bound["objective"] == name
    )


def _asked(config: SearchConfig | None, value: str, budget: str, *, higher: bool) -> dict[str, Any]:
    """The space, and what was asked in it, beside the budget that varies."""
    if config is None:
        return {"space": "", "asked": []}
    limits = [f"{in_words(name)} ≤ {limit:,.12g}" for name, limit in config.limits.items() if name != budget]
    way = f"{'maximises' if higher else 'minimises'} {value}"
    return {"space": config.space.name, "asked": [way, *limits, f"input {input_in_words(config)}"]}


def _drawn(structure: str, config: SearchConfig | None) -> list[dict[str, Any]]:
    """The network's blocks; none for one that needs its author's files."""
    if config is None:
        return []
    try:
        return drawn_blocks(parse(structure), config.setting.shape, variant=config.setting.variant)
    except PlainnetError:
        return []


def exact_sweep_facts(
    found: Sequence[tuple[float, Optimum]], budget: str, *, command: str, config: SearchConfig | None = None
) -> Facts:
    """The facts of optima under limits of one budget. `command`: what makes the sweep again; `config`: what they share, with
    which their networks are drawn. Raises `UsageError` where no limit gave a network.
    """
    solved = [(limit, each, each.best) for limit, each in found if each.best is not None]
    if not solved:
        raise UsageError("no budget of the sweep gave a network")
    costs = list(dict.fromkeys([budget, *SHOWN]))
    value = in_words(next(iter(solved[0][2].scores)))
    facts: dict[str, Any] = {
        **_asked(config, value, budget, higher=solved[0][1].maximise),
        "budget": in_words(budget),
        "cost": in_words(budget),
        "value": value,
        "solved": True,
        "higher": solved[0][1].maximise,
        "seconds": sum(each.seconds for _, each in found),
        "problems": [[limit, each.reason] for limit, each in found if each.best is None],
        "scores": [value, "proven bound", "gap"],
        "costs": list(map(in_words, costs)),
        "lines": [
            {**_line(limit, each, best, budget, costs), "blocks": _drawn(best.structure, config)}
            for limit, each, best in solved
        ],
        # What is proven at each limit: what costs no more has no better value. Where nothing is proven there is no step.
        "bounds": sorted([limit, each.bound] for limit, each in found if each.bound is not None and not each.sampled),
        "command": command,
    }
    return Facts("sweep", facts)


def _line(limit: float, found: Optimum, best: Network, budget: str, costs: Sequence[str]) -> dict[str, Any]:
    return {
        "limit": limit,
        "cost": best.costs[budget],
        "value": best.value,
        "scores": [best.value, found.bound, None if found.gap is None else in_percent(found.gap, digits=3)],
        "costs": [best.costs.get(name) for name in costs],
        "structure": best.structure,
        "hash": best.hash,
        "beaten": False,
        "page": None,
    }
