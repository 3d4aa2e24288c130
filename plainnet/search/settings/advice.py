"""What a person should know about a configuration before a search runs. Nothing here changes a result."""

from __future__ import annotations

from plainnet.search.candidates.genes import kind_of
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.rules import Rule, resolve_rules
from plainnet.search.space.space import Change, Space
from plainnet.validation.trust import mean_rank_correlation

__all__ = ["about_default", "advice", "is_finite"]


def advice(config: SearchConfig) -> list[str]:
    """One sentence or two for each thing that is legal, but hardly meant."""
    return [DEPTH] if _depth_is_free(config) else []


def about_default(objective: str) -> str | None:
    """What the objective that nobody chose is worth on trained networks, where a count alone is worth more or `composite` is;
    None where neither is, or nothing is known of it. The figures are those that are stored.
    """
    mine, best, simple = (mean_rank_correlation(name) for name in (objective, "composite", "macs"))
    if mine is None or best is None or simple is None or mine >= min(best, simple):
        return None
    return (
        f"{objective} is the objective because the space's authors searched for it. On sets of trained networks it ranks with "
        f"Spearman {mine:.2f} in the mean, the count of MACs with {simple:.2f}, composite with {best:.2f}: --objective composite"
    )


DEPTH = (
    "nothing bounds the depth, and the Zen-score grows with it at hardly any cost in params or MACs: the winner will be far "
    "deeper than what is trained (90 layers after 40,000 candidates under 1e6 params). Give --max-layers; the published "
    "searches allow 10 to 30 (18 for 1e6 params at 32x32, 14 for 400e6 MACs at 224x224)"
)


def _depth_is_free(config: SearchConfig) -> bool:
    """Whether a search for the Zen-score is free to stack layers: no budget grows with each of them by itself, and the
    space has no end.
    """
    if not {"zen", "max:zen"} & set(config.objectives) or "layers" in config.objectives:
        return False
    if {"layers", "latency_ms"} & set(config.limits):
        return False
    return not _has_an_end(config.space)


def _has_an_end(space: Space) -> bool:
    """Whether no block of a space can grow deeper for ever, neither by itself nor by being split in two."""
    if space.cell is not None:
        return True
    rules = resolve_rules(space)
    return all(
        _is_shallow(rules.rules[number], block.name, space)
        for start, numbers in zip(rules.starts, rules.of_block, strict=True)
        for block, number in zip(start.blocks, numbers, strict=True)
    )


def is_finite(space: Space) -> bool:
    """Whether a space has an end in depth and in every other argument."""
    changes = [change for rule in space.blocks for change in rule.change.values()]
    changes += [change for rule in space.positions for change in rule.change.values()]
    return _has_an_end(space) and not any(map(_grows, changes))


def _grows(change: Change) -> bool:
    """Whether an argument can grow for ever (one that follows another by ratios ends where that does)."""
    if change.maximum is not None or change.values is not None or change.ratios is not None:
        return False
    return any(factor > 1 for factor in change.factors or ()) or any(step > 0 for step in change.add or ())


def _is_shallow(rule: Rule, name: str, space: Space) -> bool:
    kind = kind_of(name)
    change = rule.change.get(kind.fields[kind.depth]) if kind.depth >= 0 else None
    if change is None:
        return True
    most = max(change.values) if change.values else change.maximum
    return most is not None and (space.split is None or most < space.split.at_least)
