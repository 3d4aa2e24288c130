"""What each block of a start structure may become: the rules of a space, resolved for its positions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from plainnet.blocks.registry import known_names
from plainnet.blocks.structure import Structure, parse
from plainnet.search.space import BlockRule, Change, PositionRule, Space

__all__ = ["Rule", "Rules", "matching_names", "resolve_rules"]


@dataclass(frozen=True)
class Rule:
    """The names that a block may have and how its arguments may change; empty for a frozen block."""

    names: tuple[str, ...] = ()
    change: dict[str, Change] = field(default_factory=dict)

    @property
    def is_frozen(self) -> bool:
        return len(self.names) < 2 and not self.change


FROZEN = Rule()


@dataclass(frozen=True)
class Rules:
    """All rules of a space (0 is the frozen one), the start structures, and the rule of each of their blocks."""

    rules: tuple[Rule, ...]
    starts: tuple[Structure, ...]
    of_block: tuple[tuple[int, ...], ...]


def matching_names(pattern: str) -> list[str]:
    """The known block names that a pattern with at most one `*` means, in their order; none if there are none."""
    if "*" not in pattern:
        from plainnet.blocks.registry import find_block

        return [pattern] if find_block(pattern) else []
    expression = re.compile(".*".join(map(re.escape, pattern.split("*"))))
    return [name for name in known_names() if expression.fullmatch(name)]


def resolve_rules(space: Space) -> Rules:
    """The rules of a space that was checked."""
    rules: list[Rule] = [FROZEN]
    starts, of_block = [], []
    families = [(_names(rule.names), rule) for rule in space.blocks]
    for text in space.start:
        structure = parse(text)
        numbers = []
        for position, block in enumerate(structure.blocks):
            rule = _rule(block.name, position, len(structure), families, space.positions)
            if rule not in rules:
                rules.append(rule)
            numbers.append(rules.index(rule))
        starts.append(structure)
        of_block.append(tuple(numbers))
    return Rules(tuple(rules), tuple(starts), tuple(of_block))


def _names(patterns: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for pattern in patterns for name in matching_names(pattern)))


def _rule(
    name: str,
    position: int,
    length: int,
    families: list[tuple[tuple[str, ...], BlockRule]],
    positions: list[PositionRule],
) -> Rule:
    found = next((each for each in families if name in each[0]), None)
    if found is None:
        return FROZEN
    names = _names(found[1].become) if found[1].become is not None else found[0]
    change = dict(found[1].change)
    for override in positions:
        if position not in [at % length if -length <= at < length else None for at in override.positions]:
            continue
        if override.become is not None:
            names = _names(override.become)
        change.update(override.change)
        if override.freeze == "all":
            return FROZEN
        if "name" in override.freeze:
            names = ()
        change = {key: value for key, value in change.items() if key not in override.freeze}
    return Rule(names if len(names) > 1 else (), change)
