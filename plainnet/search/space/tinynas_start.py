"""A start of TinyNAS within the rules of a space.

TinyNAS asks its rules of what it mutates, and not of what it starts from: its starts hold widths that no mutation of its own
would give. Here the rules hold for every candidate, so the start is rounded as a mutation would be, and what may be wide
may be as wide as it is in the start.
"""

from __future__ import annotations

from typing import Any

from plainnet.blocks.structure import Structure, parse
from plainnet.search.space.rules import Rule, resolve_rules, rule_names
from plainnet.search.space.space import Space

__all__ = ["fitted_start", "greatest_growth", "widen"]

OUT = "out_channels"


def widen(written: list[dict[str, Any]], start: str, space: Space) -> list[str]:
    """Let the rules of a space (as they are written, and as they were read) reach the widths of a start; what was changed."""
    blocks, said = parse(start).blocks, []
    present = tuple(dict.fromkeys(block.name for block in blocks))
    rules = resolve_rules(space.model_copy(update={"start": [start]}))
    for block, number in zip(blocks, rules.of_block[0], strict=True):
        width = getattr(block, OUT, 0)
        if OUT not in rules.rules[number].change or width <= rules.rules[number].change[OUT].greatest:
            continue
        at = next(at for at, rule in enumerate(space.blocks) if rule_names(rule, block.name, present) is not None)
        change = written[at]["change"][OUT]
        if "maximum" in change and width > change["maximum"]:
            step = change.get("step", 1)
            said.append(f"{block.name} may be {width} wide, as in the start, and not {change['maximum']}")
            change["maximum"] = -(-width // step) * step
    return said


def fitted_start(start: str, space: Space) -> tuple[str, list[str]]:
    """The start with the values that the rules of a space accept, and what became of which."""
    rules = resolve_rules(space.model_copy(update={"start": [start]}))
    blocks, said, width = [], [], None
    for block, number in zip(rules.starts[0].blocks, rules.of_block[0], strict=True):
        before = {field.name: getattr(block, field.name) for field in block.fields}
        values = _fitted(before, rules.rules[number])
        said += [
            f"{before[name]} to {values[name]}" for name in rules.rules[number].change if before[name] != values[name]
        ]
        if width is not None and "in_channels" in values:
            values["in_channels"] = width
        blocks.append(block.replace(**values))
        width = values.get(OUT, width)
    return str(Structure(blocks)), said


def greatest_growth(start: str) -> float:
    """The most by which a block of a start, behind the first one, multiplies its channels."""
    blocks = parse(start).blocks[1:]
    return max((block.out_channels / block.in_channels for block in blocks), default=1.0)  # type: ignore[attr-defined]


def _fitted(before: dict[str, Any], rule: Rule) -> dict[str, Any]:
    values = dict(before)
    for name, change in rule.change.items():
        if change.values is not None:
            values[name] = min(change.values, key=lambda each: abs(each - before[name]))
        elif change.ratios is None:
            values[name] = change.limited(before[name])
    for name, change in rule.change.items():
        if change.ratios is not None and before[name] not in change.multiples(values[change.of]):
            wanted = before[name] / before[change.of]
            ratio = min(change.ratios, key=lambda each: abs(each - wanted))
            values[name] = change.limited(values[change.of] * ratio)
    return values
