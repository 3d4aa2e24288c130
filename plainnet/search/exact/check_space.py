"""What each place of a space may be, read from the space itself: the checker's own reading, not the solver's.

A place is a block of the start structure; behind one that may be split, any number of further ones may stand, of stride 1.
Everything that mutation could make is among what the places hold. Where rules tie the widths of neighbours, all widths that
the rules of single blocks accept are taken.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from plainnet.blocks.registry import find_block, known_names
from plainnet.blocks.rows.block import Block
from plainnet.blocks.structure import parse
from plainnet.errors import UsageError

__all__ = ["CheckedPlace", "Choice", "read_places"]

MANY = 4096
"""Widths that a rule accepts above which all of them are taken; of fewer, those that its changes lead to."""
OUT, IN = "out_channels", "in_channels"


class Choice(NamedTuple):
    """A block with its widths and its depth left open. values: its arguments by name. inner: the argument that is a width inside,
    and what it may be: `inner_values`, or `ratio` times what is put out, as `rule` has it.
    """

    name: str
    values: Mapping[str, int]
    depths: tuple[int, ...]
    depth: str | None
    inner: str | None
    inner_values: tuple[int, ...]
    ratio: float | None
    rule: Mapping[str, Any]

    @property
    def is_wide(self) -> bool:
        """Whether it has a width of its own."""
        return IN in self.values and OUT in self.values

    def text(self, x: int, y: int, z: int, depth: int) -> str:
        """The block itself."""
        values = dict(self.values)
        for name, value in ((IN, x), (OUT, y if self.is_wide else x), (self.inner, z), (self.depth, depth)):
            if name in values:
                values[name] = value
        return f"{self.name}({','.join(map(str, values.values()))})"

    def inner_of(self, y: int) -> int:
        """The width inside where it follows from the channels put out."""
        assert self.ratio is not None
        return _limited(self.rule, y * self.ratio)


class CheckedPlace(NamedTuple):
    """What may stand at a place, and behind it any number of times. widths: what is put out; None for what comes in. is_free:
    whether a rule lets it change.
    """

    first: tuple[Choice, ...]
    further: tuple[Choice, ...]
    widths: tuple[int, ...] | None
    is_free: bool


def read_places(space: Mapping[str, Any], start: int, most: int) -> list[CheckedPlace]:
    """The places of a start structure of a space (as `Space.model_dump` gives it). most: layers that a network may have, 0 for
    any.
    """
    blocks = parse(space["start"][start]).blocks
    present = [block.name for block in blocks]
    places = []
    for position, block in enumerate(blocks):
        names, change = _rule(space, block.name, position, present)
        places.append(_place(space, block, names, change, most))
    return places


# Rules ----------------------------------------------------------------------------------------------


def _rule(
    space: Mapping[str, Any], name: str, position: int, present: Sequence[str]
) -> tuple[list[str], dict[str, Any]]:
    """The names that a block may have, and how its arguments may change."""
    here = [each for each in space["positions"] or () if position in _positions(each["at"], len(present))]
    if any(each["freeze"] == "all" for each in here):
        return [name], {}
    frozen = {key for each in here for key in each["freeze"]}
    for rule in space["blocks"]:
        known = _listed(rule["names"], present)
        if name not in known:
            continue
        names = [each for each in known if _arguments(each) == _arguments(name)]
        names = names if rule["become"] is None else _listed(rule["become"], present)
        change = dict(rule["change"])
        for each in here:
            names = names if each["become"] is None else _listed(each["become"], present)
            change.update(each["change"])
        change = {key: each for key, each in change.items() if key in _arguments(name) and key not in {*frozen, IN}}
        narrow = {key: _narrowed(each, name, key) for key, each in change.items()}
        return list(dict.fromkeys([name, *([] if "name" in frozen else names)])), narrow
    return [name], {}


def _positions(at: int | list[int], length: int) -> set[int]:
    return {each % length for each in (at if isinstance(at, list) else [at]) if -length <= each < length}


def _listed(patterns: Iterable[str], present: Sequence[str]) -> list[str]:
    """The names that patterns mean, each as a block of it writes it."""
    found = []
    for pattern in patterns:
        expression = re.compile(".*".join(map(re.escape, pattern.split("*"))))
        candidates = [pattern] if "*" not in pattern else [*known_names(), *present]
        for each in candidates:
            block = find_block(each) if expression.fullmatch(each) else None
            if block is not None:
                found.append(block[0].name_template.format(**block[1]))
    return list(dict.fromkeys(found))


def _arguments(name: str) -> tuple[str, ...]:
    found = find_block(name)
    return () if found is None else tuple(field.name for field in found[0].fields)


def _narrowed(rule: Mapping[str, Any], name: str, argument: str) -> dict[str, Any]:
    """A change within what the argument itself accepts."""
    found = find_block(name)
    assert found is not None
    kind = next(field.kind for field in found[0].fields if field.name == argument)
    most = math.floor(kind.maximum)
    return {
        **rule,
        "minimum": max(rule["minimum"], math.ceil(kind.minimum)),
        "maximum": most if rule["maximum"] is None else min(most, rule["maximum"]),
    }


# Values ---------------------------------------------------------------------------------------------


def _ends(rule: Mapping[str, Any]) -> tuple[int, int]:
    step = rule["step"]
    return -(-rule["minimum"] // step) * step, rule["maximum"] // step * step


def _limited(rule: Mapping[str, Any], value: float) -> int:
    """The nearest multiple of the step, half to even, between the ends."""
    least, greatest = _ends(rule)
    return int(min(max(least, round(value / rule["step"]) * rule["step"]), greatest))


def _next(rule: Mapping[str, Any], value: int) -> list[int]:
    """What a value may become."""
    if rule["factors"] is not None:
        return [_limited(rule, value * factor) for factor in rule["factors"]]
    return [_limited(rule, value + step) for step in rule["add"] or ()]


def _accepted(rule: Mapping[str, Any], value: int) -> bool:
    least, greatest = _ends(rule)
    return (
        value in rule["values"]
        if rule["values"] is not None
        else least <= value <= greatest and value % rule["step"] == 0
    )


def _reached(rule: Mapping[str, Any] | None, value: int, *, is_tied: bool = False) -> tuple[int, ...]:
    """The values that an argument may come to have."""
    if rule is None:
        return (value,)
    if rule["values"] is not None:
        return tuple(sorted(set(rule["values"])))
    least, greatest = _ends(rule)
    if is_tied or (greatest - least) // rule["step"] >= MANY:
        return tuple(sorted({value, *range(least, greatest + 1, rule["step"])}))
    found, waiting = {value}, [value]
    while waiting:
        new = set(_next(rule, waiting.pop())) - found
        found |= new
        waiting += new
    return tuple(sorted(found))


def _depths(
    rule: Mapping[str, Any] | None, depth: int, split: Mapping[str, Any] | None, most: int
) -> tuple[tuple[int, ...], bool]:
    """The depths that a block and those that are split off it may have, and whether any are."""
    at_least = split["at_least"] if split is not None else math.inf
    if rule is None and depth < at_least:
        return (depth,), False
    far = 4 * (most or MANY) + 4 * max(map(abs, (rule or {}).get("add") or [0]))
    found, waiting, is_split = set[int](), [depth], False
    while waiting:
        value = waiting.pop()
        pieces = {value}
        if value >= at_least:
            assert split is not None
            is_split, count = True, (value - split["at_least"]) // split["first"] + 1
            pieces = {split["first"], value - count * split["first"]}
        for piece in pieces - found:
            found.add(piece)
            more = [] if rule is None else rule["values"] if rule["values"] is not None else _next(rule, piece)
            waiting += [each for each in more if each <= far]
    kept = [each for each in found if (rule is None or _accepted(rule, each)) and (not most or each <= most)]
    return tuple(sorted(kept)), is_split


# Places ---------------------------------------------------------------------------------------------


def _place(space: Mapping[str, Any], block: Block, names: list[str], change: dict[str, Any], most: int) -> CheckedPlace:
    """The place of a block of the start structure, and of those that may be split off it."""
    kinds = {field.name: field.kind for field in block.fields}
    if any(kind.number is not int for kind in kinds.values()):
        raise UsageError(f"{block} holds more than numbers, so that its space cannot be checked")
    values = {name: int(getattr(block, name)) for name in kinds}
    is_wide = IN in values and OUT in values and type(block).checks_channels
    depth = next((name for name, kind in kinds.items() if kind.kind == "depth"), None) if is_wide else None
    if not is_wide:
        if change or len(names) > 1:
            raise UsageError(f"{block} has no width of its own and may change, so that its space cannot be checked")
        lone = Choice(block.name, values, (0,), None, None, (), None, {})
        return CheckedPlace((lone,), (), None, is_free=False)
    widths, tied = change.get(OUT), space["widths"]
    is_tied = bool(tied["at_least_input"] or tied["at_most_next"] or tied["at_most_input_times"] is not None)
    depths, is_split = _depths(change.get(depth or ""), values[depth] if depth else 0, space["split"], most)
    if is_split and not most:
        raise UsageError("blocks are split again and again, and nothing says how many a network has")
    first = tuple(_choices(values, kinds, names, change, depth, depths))
    further = tuple(
        _choices({**values, "stride": 1} if "stride" in values else values, kinds, names, change, depth, depths)
    )
    reached = _reached(widths, values[OUT], is_tied=is_tied)
    return CheckedPlace(first, further if is_split else (), reached, is_free=widths is not None)


def _choices(
    values: Mapping[str, int],
    kinds: Mapping[str, Any],
    names: list[str],
    change: Mapping[str, Any],
    depth: str | None,
    depths: tuple[int, ...],
) -> Iterable[Choice]:
    """A block's names, times the values of all arguments that are no width and no depth."""
    inner = [name for name in change if kinds[name].kind == "channels" and name != OUT]
    ratios = [name for name in change if change[name]["ratios"] is not None]
    if len({*inner, *ratios}) > 1 or any(change[name]["of"] != OUT for name in ratios):
        raise UsageError(f"{names[0]} has several widths inside that change, so that its space cannot be checked")
    tied = next(iter(ratios), None)
    lone = next(iter(inner), None) if tied is None else None
    staying = [name for name in values if kinds[name].kind == "channels" and name not in {IN, OUT, tied, lone}]
    if lone is None and tied is None and staying:  # blocks are others where what comes in or goes out is equal to it
        lone = staying.pop()
    if staying:
        raise UsageError(f"{names[0]} has several widths inside, so that its space cannot be checked")
    others = [name for name in change if name not in {OUT, depth, tied, lone}]
    ways = [_reached(change[name], values[name]) for name in others]
    inside = _reached(change.get(lone), values[lone]) if lone else ()
    for name, ratio, chosen in itertools.product(
        names, change[tied]["ratios"] if tied else [None], itertools.product(*ways)
    ):
        mine = {**values, **dict(zip(others, chosen, strict=True))}
        yield Choice(name, mine, depths, depth, tied or lone, inside, ratio, change[tied] if tied else {})
