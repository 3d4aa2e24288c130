"""The networks that an exact search met: counted and scored in the ordinary way, and kept where they are within the budgets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from plainnet.search.candidates.budgets import Budgets, Costs
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import Genes
from plainnet.search.exact.best_paths import genes_of
from plainnet.search.exact.graph import Graph
from plainnet.search.exact.program import Step
from plainnet.search.exact.summed_objectives import NotASumError

__all__ = ["Found", "Known"]


class Found(NamedTuple):
    """A network within the budgets."""

    value: float
    """to be made large"""
    text: str
    costs: Costs
    source: tuple[tuple[int, str], ...] = ()
    """each block with the number of its rule; empty for a network that was read"""

    @classmethod
    def of(cls, genes: Genes, value: float, costs: Costs) -> Found:
        """A network that was made of the space."""
        text = "".join(gene.text for gene in genes)
        return cls(value, text, costs, tuple((gene.rule, gene.source) for gene in genes))


@dataclass
class Known:
    """The networks that were found, all starts together."""

    counter: Counter
    budgets: Budgets
    score: Callable[[Genes, Costs], float]
    found: dict[str, Found] = field(default_factory=dict)
    """by their texts"""
    best: Found | None = None

    @property
    def least(self) -> float:
        """The value that a network must reach to be of interest."""
        return self.best.value if self.best is not None else -math.inf

    def take(self, graph: Graph, steps: tuple[Step, ...], promised: float | None = None) -> None:
        """Count and score the network of a path in the ordinary way; keep it if it is one within the budgets."""
        genes = genes_of(graph, steps)
        text = "".join(gene.text for gene in genes or ())
        if genes is None or text in self.found:
            return
        costs = self.counter.costs(genes)
        if costs is None or self.budgets.over(costs._asdict()) or graph.slots.mutator.joiner.joined(genes) != genes:
            if promised is not None and costs is None:
                raise NotASumError(f"a network of the formulas is none: {text}")
            return
        value = self.score(genes, costs)
        if promised is not None and not math.isclose(value, promised, rel_tol=1e-7, abs_tol=1e-7):
            raise NotASumError(
                f"the formulas promise {promised:.9g} for {text}, which has {value:.9g}: the objective is no sum over "
                "blocks as they are known here; `plainnet search` remains"
            )
        if not math.isnan(value):
            self.add(Found.of(genes, value, costs))

    def add(self, found: Found) -> None:
        """Keep a network that is within the budgets."""
        self.found[found.text] = found
        if self.best is None or found.value > self.best.value:
            self.best = found
