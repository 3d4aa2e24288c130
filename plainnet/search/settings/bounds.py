"""A search without any bound on cost is refused: it would drift to networks that nobody can build.

Every mutation that makes a network larger is as likely as one that makes it smaller, and nearly every score grows with
size, so without a budget a search ends at structures of billions of parameters (or at a block's own limits).
"""

from __future__ import annotations

from plainnet.errors import UsageError
from plainnet.search.candidates.budgets import BUDGETS
from plainnet.search.candidates.objective_names import read_objective
from plainnet.search.settings.advice import is_finite
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.mutators import start_structures

__all__ = ["check_bounds", "proposals"]

PUBLISHED: dict[str, list[dict[str, float]]] = {
    "zennas-resnet": [{"params": 1e6, "layers": 18}],
    "zennas-mobile": [{"macs": 400e6, "layers": 14}, {"macs": 600e6, "layers": 14}, {"macs": 900e6, "layers": 16}],
    "tinynas-k1kxk1": [
        {"macs": 4.1e9, "convolutions": 49, "params": 25.55e6},
        {"macs": 1.82e9, "params": 11.69e6, "rho": 0.3},
    ],
    "tinynas-k1dwk1": [{"macs": 300e6, "convolutions": 53}],
    "tinynas-k1kx": [{"convolutions": 25}],
}
"""Shipped space -> budgets that its authors searched under: Zen-NAS (Lin et al. 2021, tables 1 and 2); TinyNAS's configs
R50_FLOPs, deepmad_R18_FLOPs, MBV2_FLOPs, damoyolo_k1kx_small.
"""


ALONG_A_CHAIN = frozenset({"convolutions", "rho"})


def check_bounds(config: SearchConfig) -> None:
    """`UsageError` with budgets to choose from, for a search that nothing bounds: it has no budget, its space has no end,
    and its only aim is not to make costs small. The same for what is counted along a chain of blocks, in a space of graphs.
    """
    along = sorted(config.asked & ALONG_A_CHAIN)
    if along and not all(start.is_plain for start in start_structures(config.space)):
        others = ", ".join(_option(name) for name in BUDGETS if name not in ALONG_A_CHAIN)
        raise UsageError(
            f"{' and '.join(along)} of a network is counted along a chain of blocks, and in the space {config.space.name} "
            f"blocks take values by name; accepted as budgets: {others}"
        )
    if config.limits or is_finite(config.space) or all(map(_makes_cost_small, config.objectives)):
        return
    lines = "\n".join(f"    {line}" for line in proposals(config))
    raise UsageError(
        f"nothing bounds what a network of this search may cost: it would grow without end. Give a budget "
        f"({', '.join(_option(name) for name in BUDGETS)}), such as:\n{lines}"
    )


def _makes_cost_small(objective: str) -> bool:
    direction, name, _ = read_objective(objective)
    return name in BUDGETS and direction != "max" and (direction == "min" or name != "rho")


def proposals(config: SearchConfig) -> list[str]:
    """Budgets to choose from, as options with where they come from: those that the space was published with; for others
    four times what the start structure costs.
    """
    name = config.space.name
    if name in PUBLISHED:
        return [f"{_options(limits)}    (as {name} was published)" for limits in PUBLISHED[name]]
    structure = start_structures(config.space)[0]
    totals = structure.totals(config.setting.shape, variant=config.setting.variant)
    costs = {key: sum(getattr(each.sums, key) for each in totals) for key in ("params", "macs", "layers")}
    return [
        f"{_options({key: _rounded(4 * costs[key]), 'layers': 4 * costs['layers']})}    (four times the start structure)"
        for key in ("params", "macs")
    ]


def _rounded(value: int) -> float:
    """Two digits."""
    return float(f"{value:.1e}")


def _options(limits: dict[str, float]) -> str:
    return " ".join(f"{_option(name)} {f'{limit:.4g}'.replace('e+0', 'e')}" for name, limit in limits.items())


def _option(budget: str) -> str:
    return f"--max-{budget.replace('_', '-')}"
