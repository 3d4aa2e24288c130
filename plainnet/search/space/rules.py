"""What each block of a start structure may become: the rules of a space, resolved for its positions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from plainnet.blocks.registry import find_block, known_names
from plainnet.blocks.structure import Structure, parse
from plainnet.search.candidates.genes import kind_of
from plainnet.search.space.space import BlockRule, Change, PositionRule, Space

__all__ = ["Rule", "Rules", "matching_names", "narrowed", "resolve_rules", "rule_names"]


@dataclass(frozen=True)
class Rule:
    """The names that a block may have and how its arguments may change; empty for a block that no rule is for.

    keeps: arguments that are frozen by name: they do not even follow what comes in.
    """

    names: tuple[str, ...] = ()
    change: dict[str, Change] = field(default_factory=dict)
    keeps: frozenset[str] = frozenset()

    @property
    def is_frozen(self) -> bool:
        return not self.names and not self.change


UNRULED = Rule()


@dataclass(frozen=True)
class Rules:
    """All rules of a space (0 is the empty one), the start structures, and the rule of each of their blocks."""

    rules: tuple[Rule, ...]
    starts: tuple[Structure, ...]
    of_block: tuple[tuple[int, ...], ...]

    def within_limits(self) -> tuple[Rule, ...]:
        """The rules, each change within what the arguments of all blocks under it accept themselves."""
        rules = list(self.rules)
        for structure, numbers in zip(self.starts, self.of_block, strict=True):
            for block, number in zip(structure.blocks, numbers, strict=True):
                change = {key: narrowed(each, block.name, key) for key, each in rules[number].change.items()}
                rules[number] = replace(rules[number], change=change)
        return tuple(rules)


def matching_names(pattern: str, present: Sequence[str] = ()) -> list[str]:
    """The block names that a pattern with `*` means, each as a block writes it, in their order; none if there are none.

    present: names that are met as well as those that can be listed (ConvKXG4 belongs to an open family).
    """
    if "*" not in pattern:
        found = _canonical(pattern)
        return [found] if found else []
    expression = re.compile(".*".join(map(re.escape, pattern.split("*"))))
    matching = [name for name in (*known_names(), *present) if expression.fullmatch(name)]
    return list(dict.fromkeys(found for name in matching if (found := _canonical(name))))


def _canonical(name: str) -> str | None:
    """The name that a block of this name writes: aliases have another one, an open family as such has none."""
    found = find_block(name)
    return found[0].name_template.format(**found[1]) if found else None


def rule_names(rule: BlockRule, name: str, present: Sequence[str]) -> tuple[str, ...] | None:
    """What a block of `name` may become by a rule; None if the rule is not for it. By default that is what the rule's
    names mean, where it takes the same arguments.
    """
    known = _listed(rule.names, present)
    if name not in known:
        return None
    if rule.become is not None:
        return _listed(rule.become, present)
    fields = kind_of(name).fields
    return tuple(each for each in known if kind_of(each).fields == fields)


def _listed(patterns: Sequence[str], present: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for pattern in patterns for name in matching_names(pattern, present)))


def resolve_rules(space: Space) -> Rules:
    """The rules of a space that was checked."""
    rules: list[Rule] = [UNRULED]
    starts, of_block = [], []
    for text in space.start:
        structure = parse(text)
        present = tuple(dict.fromkeys(block.name for block in structure.blocks))
        numbers = []
        for position, block in enumerate(structure.blocks):
            rule = _rule(block.name, position, present, len(structure), space)
            if rule not in rules:
                rules.append(rule)
            numbers.append(rules.index(rule))
        starts.append(structure)
        of_block.append(tuple(numbers))
    return Rules(tuple(rules), tuple(starts), tuple(of_block))


def _rule(name: str, position: int, present: Sequence[str], length: int, space: Space) -> Rule:
    here = [each for each in space.positions if position in _reached(each, length)]
    if any(each.freeze == "all" for each in here):
        return Rule(keeps=frozenset(kind_of(name).fields))
    keeps = frozenset(key for each in here for key in each.freeze)
    for rule in () if kind_of(name).holds_blocks else space.blocks:
        names = rule_names(rule, name, present)
        if names is None:
            continue
        change = dict(rule.change)
        for override in here:
            if override.become is not None:
                names = _listed(override.become, present)
            change.update(override.change)
        kind = kind_of(name)
        change = {key: value for key, value in change.items() if key not in keeps and kind.changes(key)}
        names = () if "name" in keeps or set(names) <= {name} else names
        return Rule(names, change, keeps)
    return Rule(keeps=keeps)


def _reached(rule: PositionRule, length: int) -> list[int]:
    return [at % length for at in rule.positions if -length <= at < length]


def narrowed(change: Change, name: str, argument: str) -> Change:
    """The change within what the argument itself accepts."""
    kind = kind_of(name)
    limits = kind.cls.fields[kind.fields.index(argument)].kind
    minimum, maximum = max(change.minimum, math.ceil(limits.minimum)), math.floor(limits.maximum)
    maximum = maximum if change.maximum is None else min(maximum, change.maximum)
    return change.model_copy(update={"minimum": minimum, "maximum": maximum})
