"""The page about a sweep of optima: the networks, and the proven bound above them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plainnet.errors import UsageError
from plainnet.search.exact.result import Network, Optimum
from plainnet.search.report.page import fill, write_page
from plainnet.search.report.parts import copyable, escaped, exact, significant

__all__ = ["write_exact_sweep"]

SHOWN = ("params", "macs", "layers")


def write_exact_sweep(found: Sequence[tuple[float, Optimum]], budget: str, path: Path, *, command: str) -> Path:
    """Write the page about optima under limits of one budget; its path. `command`: what makes the sweep again."""
    solved = [(limit, each, each.best) for limit, each in found if each.best is not None]
    if not solved:
        raise UsageError("no budget of the sweep gave a network")
    costs = list(dict.fromkeys([budget, *SHOWN]))
    head = [f"{budget.replace('_', ' ')} limit", "value", "bound", "gap", *costs]
    missing = "".join(
        f"<p class='warn'>{escaped(budget)} ≤ {exact(limit)}: {escaped(each.reason)}</p>"
        for limit, each in found
        if each.best is None
    )
    parts = {
        "title": escaped(f"{len(found)} optima under {budget.replace('_', ' ')}"),
        "about": escaped(f"solved in {sum(each.seconds for _, each in found):,.0f} s"),
        "problems": missing,
        "head": "".join(f"<th>{escaped(each)}</th>" for each in head),
        "rows": "".join(_row(limit, each, best, costs) for limit, each, best in solved),
        "reproduce": copyable(command),
    }
    points = [
        [best.costs[budget], best.value, best.structure, best.hash]
        for _, _, best in sorted(solved, key=lambda each: each[2].costs[budget])
    ]
    name = next(iter(solved[0][2].scores))
    data = {"points": points, "x": budget, "y": name, "bounds": _steps(found)}
    return write_page(fill("exact_sweep.html", parts, {"front": data}), path)


def _steps(found: Sequence[tuple[float, Optimum]]) -> list[list[float]]:
    """What is proven at each limit: what costs no more has no better value. Where nothing is proven there is no step."""
    return sorted([limit, each.bound] for limit, each in found if each.bound is not None)


def _row(limit: float, found: Optimum, best: Network, costs: Sequence[str]) -> str:
    numbers = [exact(limit), significant(best.value, 9), "–" if found.bound is None else significant(found.bound, 9)]
    numbers.append("–" if found.gap is None else f"{found.gap:.3%}")
    numbers += [exact(best.costs[name]) if name in best.costs else "–" for name in costs]
    structure = escaped(best.structure)
    cells: Any = "".join(f"<td>{cell}</td>" for cell in numbers)
    return (
        f"<tr>{cells}<td class='structure' title='{structure}'><code>{escaped(best.hash)}</code>"
        f"<button data-copy='{structure}'>Copy</button></td></tr>"
    )
