"""The optimum against all networks of small spaces, one by one: value and bound, every family, several budgets, odd sizes."""

from __future__ import annotations

import dataclasses
import math

import pytest

from plainnet.blocks import parse
from plainnet.proxies.closed.zen import zen_score
from plainnet.search.candidates.budgets import Budgets
from plainnet.search.candidates.genes import GenePool
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.exact.next_best import MARGINS
from plainnet.search.exact.optimum import solved
from plainnet.search.exact.summed_objectives import NotASumError
from plainnet.search.space.mutation import Mutator
from plainnet.search.space.space import Widths
from tests.search.exact.brute import FAMILIES, OBJECTIVES, OF_LOGARITHMS, best_of_all, drawn_case
from tests.search.random_spaces import breaks


def check(family: str, number: int, objectives: tuple[str, ...] = OBJECTIVES) -> str:
    """Solve one space without any gap and compare; what came of it."""
    case = drawn_case(family, number, objectives)
    if case is None:
        return "too many"
    config, networks, counter = case
    best = best_of_all(config, networks, counter)
    try:
        found = solved(config, gap=0.0).result()
    except NotASumError:
        return "refused"
    if best is None:
        assert found.reason == "infeasible"
        assert (found.best, found.value, found.bound, found.gap) == (None, None, None, None)
        return "infeasible"
    sign = 1 if found.maximise else -1
    assert found.bound is not None
    assert sign * found.bound >= best[0] - 1e-9 * abs(best[0])
    assert found.value is not None
    assert found.best is not None
    if config.space.widths == Widths():
        assert math.isclose(sign * found.value, best[0], rel_tol=1e-9)
    else:  # rules that tie widths may keep mutation from what they allow
        assert sign * found.value >= best[0] - 1e-9 * abs(best[0])
        mutator = Mutator(config.space, GenePool(), config.setting.shape)
        if config.space.split is not None:
            return "optimal"  # which block has which rule the text does not say
        genes = mutator.pool.of_structure(parse(found.best.structure), [gene.rule for gene in mutator.starts[0]])
        assert not breaks(config.space, mutator, genes)
    assert found.reason == "optimal"
    assert found.gap == 0
    return "optimal"


TAKES_UP = ("k1dwk1", "kxkx")
"""Families in which a block's felt depth depends on the blocks before it, and so on their depths."""


@pytest.mark.parametrize("family", FAMILIES)
def test_the_optimum_is_the_best_of_all(family: str) -> None:
    numbers, outcomes = iter(range(20)), list[str]()
    while outcomes.count("optimal") < 2:
        outcomes.append(check(family, next(numbers)))


@pytest.mark.slow
@pytest.mark.parametrize("objective", OF_LOGARITHMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_optimum_of_products_is_the_best_of_all(family: str, objective: str) -> None:
    outcomes = list[str]()
    while outcomes.count("optimal") < 2 and len(outcomes) < 12:
        outcomes.append(check(family, len(outcomes), (objective,)))
    is_refused = "composite" in objective and family in TAKES_UP
    assert ("optimal" in outcomes) == (not is_refused), outcomes


@pytest.mark.slow
@pytest.mark.parametrize("family", ["resnet", "k1kxk1"])
def test_the_next_best_are_the_next_best_of_all(family: str) -> None:
    compared = 0
    for number in range(40):
        case = drawn_case(family, number)
        if case is None or case[0].space.widths != Widths():
            continue
        _, networks, counter = case
        config = dataclasses.replace(case[0], objectives=("zen",))
        objective, budgets = find_objective("zen", config.setting), Budgets(config.limits)
        within = [(genes, costs) for genes in networks if (costs := counter.costs(genes)) is not None]
        values = {
            "".join(gene.text for gene in genes): objective.fitness(genes, costs)
            for genes, costs in within
            if not budgets.over(costs._asdict())
        }
        if len(values) < 40:
            continue
        run = solved(config, near=10)
        best = sorted(values.values(), reverse=True)
        margin = best[0] - MARGINS[-1] * abs(best[0])
        wanted = {text for text, value in values.items() if value >= max(margin, best[9]) + 1e-9}
        assert wanted <= set(run.known.found)
        to = run.result().complete_to
        assert to is not None
        assert to <= max(margin, best[9]) + 1e-9
        assert {text for text, value in values.items() if value > to + 1e-9} <= set(run.known.found)
        whole = run.result().whole
        assert whole is not None
        known = sorted(run.known.found.values(), key=lambda each: -each.value)[:10]
        assert whole.scores["zen"] == pytest.approx(
            max(zen_score(each.text, config.resolution) for each in known), rel=1e-9
        )
        compared += len(wanted)
        if compared >= 10:
            break
    assert compared >= 8


@pytest.mark.tail
@pytest.mark.parametrize("family", FAMILIES)
def test_the_optimum_is_the_best_of_all_in_many_spaces(family: str) -> None:
    outcomes = [check(family, number) for number in range(2, 33)]
    assert outcomes.count("optimal") >= 10
    outcomes = [check(family, number, OF_LOGARITHMS) for number in range(2, 33)]
    assert outcomes.count("optimal") >= 5
