"""The network that a certificate names: in the space, within the budgets, and worth what is claimed, from its string alone."""

from __future__ import annotations

from collections.abc import Sequence

from plainnet.blocks.rows.block import Block
from plainnet.blocks.structure import parse
from plainnet.errors import PlainnetError
from plainnet.search.candidates.budgets import Budgets
from plainnet.search.candidates.compounds import genes_of
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import GenePool
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.exact.check_space import CheckedPlace, Choice
from plainnet.search.settings.config import SearchConfig

__all__ = ["is_of", "network_fault"]

CLOSE = 1e-9
"""How far, as a fraction, a value may be from the claimed one."""


def network_fault(config: SearchConfig, structure: str, value: float) -> str:
    """What is wrong with a network that is said to be within the budgets and worth `value`; empty for nothing."""
    try:
        genes = genes_of(parse(structure), GenePool())
        costs = Counter(config.setting, asked=config.asked).costs(genes)
    except PlainnetError as error:
        return f"the network cannot be read: {error}"
    if costs is None:
        return f"{structure} does not fit the input"
    for name, (cost, limit) in Budgets(config.limits).over(costs._asdict()).items():
        return f"{structure} has {cost:,} {name}, over the budget of {limit:,.12g}"
    found = find_objective(config.objectives[0], config.setting).fitness(genes, costs)
    if not abs(found - value) <= CLOSE * (1 + abs(value)):
        return f"{structure} is worth {found:.9f}, not the {value:.9f} that is claimed"
    return ""


def is_of(structure: str, places: Sequence[CheckedPlace]) -> bool:
    """Whether a network is made of blocks that its places may hold."""
    at = {0}
    """the places that may come next, in any way of reading the blocks so far"""
    for block in parse(structure).blocks:
        after = {place + 1 for place in at if place < len(places) and _fits(block, places[place], places[place].first)}
        after |= {place for place in at if place and _fits(block, places[place - 1], places[place - 1].further)}
        at = after
    return len(places) in at


def _fits(block: Block, place: CheckedPlace, choices: Sequence[Choice]) -> bool:
    values = {field.name: getattr(block, field.name) for field in block.fields}
    if place.widths is None:
        return any(block.name == each.name for each in choices)
    return values["out_channels"] in place.widths and any(_is(block.name, values, each) for each in choices)


def _is(name: str, values: dict[str, int], choice: Choice) -> bool:
    """Whether a block is one of a choice."""
    if name != choice.name or values.keys() != choice.values.keys():
        return False
    for key, value in values.items():
        if key == choice.depth:
            fits = value in choice.depths
        elif key == choice.inner:
            fits = value in choice.inner_values or (
                choice.ratio is not None and value == choice.inner_of(values["out_channels"])
            )
        else:
            fits = key in ("in_channels", "out_channels") or value == choice.values[key]
        if not fits:
            return False
    return True
