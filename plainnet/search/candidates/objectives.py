"""Objectives: what a search makes large or small.

An objective is named: a closed-form score (`zen`), a cost (`macs`), any proxy of `plainnet score` with its options
(`deepmad(ratios=[1, 1, 1, 1, 8])`), a calibration (`calibrated:file.json`), or a function of the user's,
`file.py:function` or `module:function`, called with a `Structure` and a `Setting`. `max:` or `min:` before the name says the
direction; scores are made large and costs small by default. What is faster than a function of a whole structure is an object
with `prepare(setting)` that returns a scorer: its `score(genes, costs)` may remember what it knows of a gene on `gene.gains`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from plainnet.proxies.calibrated.names import is_calibrated, short_name
from plainnet.search.candidates.budgets import BUDGETS, Costs
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.genes import Genes
from plainnet.search.candidates.objective_names import read_objective
from plainnet.search.candidates.structures import as_structure
from plainnet.search.candidates.user_objectives import user_scorer

__all__ = [
    "CLOSED_FORMS",
    "COSTS",
    "Objective",
    "Scorer",
    "as_structure",
    "find_objective",
    "is_made_large",
]

COSTS = tuple(name for name in BUDGETS if name in Costs._fields)
"""The costs that can be objectives."""
MADE_LARGE = ("rho",)
"""Costs that are a score, too: made large unless `min:` is said."""


class Scorer(Protocol):
    """What an objective is worth at one setting."""

    def score(self, genes: Genes, costs: Costs) -> float:
        """The value of a candidate."""


class Objective(NamedTuple):
    """An objective that was named: how it is called, its direction, and its scorer."""

    name: str
    maximise: bool
    scorer: Scorer

    def fitness(self, genes: Genes, costs: Costs) -> float:
        """The value, to be made large."""
        value = self.scorer.score(genes, costs)
        return value if self.maximise else -value


class _Cost:
    """A cost as an objective."""

    def __init__(self, name: str) -> None:
        self._index = Costs._fields.index(name)

    def score(self, genes: Genes, costs: Costs) -> float:  # noqa: ARG002
        value = costs[self._index]
        assert value is not None, "a cost that is an objective is asked for"
        return value


def _zen(setting: Setting) -> Scorer:
    from plainnet.search.candidates.zen_leading import ZenLeading

    return ZenLeading(setting)


class _Composite:
    """The composite closed form of `plainnet.proxies.closed.composite`."""

    def __init__(self, setting: Setting) -> None:
        from plainnet.proxies.closed.composite import composite

        self._composite, self._setting = composite, setting

    def score(self, genes: Genes, costs: Costs) -> float:  # noqa: ARG002
        setting = self._setting
        size = (setting.shape.height, setting.shape.width)
        return self._composite(as_structure(genes), size, variant=setting.variant, version=setting.composite_version)


CLOSED_FORMS: dict[str, tuple[str, Callable[[Setting], Scorer]]] = {
    "zen": ("zen_leading", _zen),
    "composite": ("composite", _Composite),
}
"""What an objective may be called -> the name of what is computed for every candidate, and what makes its scorer."""


def find_objective(text: str, setting: Setting, *, seed: int = 0) -> Objective:
    """The objective that a text names; `seed`: what a proxy that draws weights or images draws them from."""
    direction, name, options = read_objective(text)
    if name in COSTS and not options:
        return Objective(name, is_made_large(text), _Cost(name))
    maximise = direction != "min"
    if name in CLOSED_FORMS and not options:
        column, prepare = CLOSED_FORMS[name]
        return Objective(column, maximise, prepare(setting))
    if is_calibrated(name):
        from plainnet.search.candidates.proxy_scorer import find_proxy_scorer

        return Objective(short_name(name), maximise, find_proxy_scorer(name, {}, setting, seed=seed, costs=COSTS))
    if ":" in name:
        return Objective(name.rpartition(":")[2], maximise, user_scorer(name, setting))
    from plainnet.search.candidates.proxy_scorer import find_proxy_scorer

    scorer = find_proxy_scorer(name, options, setting, seed=seed, costs=COSTS)
    return Objective(name, is_made_large(text), scorer)


def is_made_large(text: str) -> bool:
    """Whether what a text names is made large, as far as that follows from the name: what has a setting of its own (a
    function, a proxy) is made large unless it says `min:` or is known to be better when it is low.
    """
    direction, name, _ = read_objective(text)
    if direction:
        return direction == "max"
    if name in COSTS:
        return name in MADE_LARGE
    if name in CLOSED_FORMS or ":" in name:
        return True
    from plainnet.proxies.catalogue import find_proxy

    return find_proxy(name).higher_is_better
