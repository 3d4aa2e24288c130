"""The page of a search: what must not be overlooked comes first."""

from __future__ import annotations

from typing import Any

from plainnet.pages.search_page import search_page

MISSED = "no finalist runs within 20 ms"


def test_a_budget_that_is_not_met_is_said_in_red_above_all_else(facts_about: dict[str, Any]) -> None:
    facts = {**facts_about["search"], "events": ["the machine was slow"]}
    assert "Budget not met" not in search_page({**facts, "unmet": ""})
    page = search_page({**facts, "unmet": MISSED})
    header = page[page.index("<header>") : page.index("</header>")]
    assert f'<p class="warn unmet"><b>Budget not met:</b> {MISSED}.</p>' in header
    assert '<p class="warn">the machine was slow</p>' in header, "with what happened in the run"


def test_a_search_in_one_go_has_nothing_over_time(facts_about: dict[str, Any]) -> None:
    facts = facts_about["search"]
    epochs = facts["history"]["epochs"]
    once = {**facts, "history": {**facts["history"], "epochs": epochs[:1]}}
    assert "<h2>Over time</h2>" not in search_page(once)
    twice = {**facts, "history": {**facts["history"], "epochs": [epochs[0], epochs[0]]}}
    assert "<h2>Over time</h2>" in search_page(twice)
