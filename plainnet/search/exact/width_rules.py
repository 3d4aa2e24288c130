"""What rules for the widths of neighbours say of each place of a graph."""

from __future__ import annotations

import numpy as np

from plainnet.search.exact.place_options import Slots

__all__ = ["width_rules"]


def width_rules(slots: Slots) -> dict[tuple[int, bool], tuple[bool, float]]:
    """(Place, whether it is a further block) -> whether it may not narrow and how much it may widen, where rules of
    the space say so.
    """
    rules = slots.mutator.space.widths
    ordered = rules.at_least_input or rules.at_most_next
    free = [rule.change.get("out_channels") is not None for rule in slots.mutator.rules]
    found: dict[tuple[int, bool], tuple[bool, float]] = {}
    before: int | None = None
    for number, gene in enumerate(slots.start):
        if not gene.wide:
            if slots.places[number].widths is not None:
                before = None  # other channels come in than the last block with a width put out
            continue
        factor = rules.at_most_input_times if free[gene.rule] and rules.at_most_input_times is not None else np.inf
        found[number, True] = (ordered and free[gene.rule], float(factor))
        if before is not None:
            found[number, False] = (ordered and (free[gene.rule] or free[before]), float(factor))
        before = gene.rule
    return found
