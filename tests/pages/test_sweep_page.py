"""The page of a sweep: steps over the budgets, the networks along them, and where their runs are."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from plainnet.pages.sweep_page import sweep_page
from plainnet.search.report import sweep_facts
from plainnet.search.runs.sweep import Outcome
from tests.search.small import small_config

NET = "SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,16,1,1)"


def outcome(limit: float, score: float, *, structure: str = NET, params: float | None = None) -> Outcome:
    best = {
        "structure": structure, "hash": f"h{limit:.0f}", "params": params or limit - 1, "macs": 5, "layers": 2, "zen": score,
    }  # fmt: skip
    bound = {"bound": score + 1, "objective": "zen"} if limit < 300 else None
    return Outcome(
        "params", limit, f"runs/params-{limit:.0f}", {"best": best, "candidates": 9, "seconds": 1.0, "bound": bound}
    )


def told(outcomes: list[Outcome]) -> dict[str, Any]:
    config = small_config(resolution=8, limits={"params": 9, "layers": 20})
    facts = sweep_facts(outcomes, command="x", config=config, page_of=lambda run: f"{run.name}.html")
    return dict(facts.told)


def test_each_budget_is_a_tick_and_the_networks_stand_along_the_front() -> None:
    facts = told([outcome(100, 1.0), outcome(250, 2.0), outcome(400, 1.5), outcome(1000, 3.0, structure="Other(1)")])
    page = sweep_page(facts)
    assert re.findall(r"<text class='mid' [^>]*>([^<]*)</text>", page)[:4] == ["100", "250", "400", "1000"]
    assert "params, the budgets marked" in page
    assert "maximises Zen-score · layers ≤ 20 · input 8 × 8" in page
    assert "params ≤ 9" not in page, "what varies is no budget of all"
    assert re.findall(r"<h3>([^<]*)</h3>", page) == [
        "params ≤ 100: Zen-score 1",
        "params ≤ 250: Zen-score 2",
    ], "400 is beaten by 250, and nobody can draw a block that is not known"
    assert [f"params-{limit}.html" in page for limit in (100, 250, 400, 1000)] == [True] * 4
    assert facts["bounds"] == [(100, 2.0), (250, 3.0)], "what the searches proved under their limits"
    assert "proven bound" in page


def test_many_networks_are_drawn_from_end_to_end() -> None:
    page = sweep_page(told([outcome(float(limit), float(limit), params=limit) for limit in range(10, 40)]))
    limits = [int(each) for each in re.findall(r"<h3>params ≤ (\d+):", page)]
    assert len(limits) == 6
    assert (limits[0], limits[-1]) == (10, 39)
    labels = re.findall(r"<text class='mid' x='([\d.]+)' y='312'>", page)
    assert len(labels) < 30
    places = [float(each) for each in labels]
    assert all(after - before > 50 for before, after in itertools.pairwise(places))


@pytest.mark.parametrize("cost", ["latency_ms"])
def test_budgets_of_what_is_not_drawn_are_no_ticks(cost: str) -> None:
    found = outcome(100, 1.0)
    page = sweep_page(told([Outcome(cost, 100.0, "runs/a", found.result)]))
    assert "the budgets marked" not in page


def test_a_page_of_nowhere_is_no_link() -> None:
    facts = dict(sweep_facts([outcome(100, 1.0)], command="x").told)
    assert "href='" not in sweep_page(facts)
    assert "Along the front" not in sweep_page(facts), "without an input nothing is drawn"
