"""What a model alone cannot check about a search space: that its names mean something, each problem at its place."""

from __future__ import annotations

from collections.abc import Iterator

from plainnet.blocks.registry import known_names
from plainnet.blocks.structure import Structure, parse
from plainnet.configs import Config, ConfigProblem
from plainnet.errors import StructureError, nearest
from plainnet.search.budgets import BUDGETS
from plainnet.search.genes import kind_of
from plainnet.search.objectives import CLOSED_FORMS, COSTS
from plainnet.search.rules import matching_names, resolve_rules
from plainnet.search.space import Change, Space

__all__ = ["space_problems"]


def space_problems(config: Config[Space]) -> list[ConfigProblem]:
    """Everything that is wrong with a space."""
    space = config.value
    problems = [*_start_problems(config), *_block_problems(config), *_position_problems(config)]
    for name in space.limits:
        if name not in BUDGETS:
            problems.append(
                config.problem(("limits", name), "is no budget", hints=_near(name, list(BUDGETS)), on="key")
            )
        elif not space.limits[name] > 0:
            problems.append(config.problem(("limits", name), f"is {space.limits[name]:g}; accepted: a positive number"))
    problems += _objective_problems(config)
    if not problems and all(rule.is_frozen for rule in resolve_rules(space).rules):
        problems.append(config.problem(("blocks",), "no block of the start structure may change"))
    return problems


def _objective_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    """Unknown names; a function of a file is looked for when a search loads it."""
    accepted = [*CLOSED_FORMS, *COSTS]
    for index, text in enumerate(config.value.objectives):
        name = text.removeprefix("max:").removeprefix("min:")
        if ":" not in name and name not in accepted:
            yield config.problem(("objectives", index), f"no objective {name}", hints=_near(name, accepted))


def _near(name: str, accepted: list[str]) -> tuple[str, ...]:
    near = nearest(name, accepted)
    return (f"did you mean {near}?",) if near else (f"accepted: {', '.join(accepted[:40])}",)


def _start_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    for index, text in enumerate(config.value.start):
        try:
            parse(text)
        except StructureError as error:
            hints = ("blocks of your own are found with: --blocks FILE",) if "unknown block" in str(error) else ()
            yield config.problem(("start", index), f"the start structure is wrong: {error}", hints=hints)


def _block_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    for index, rule in enumerate(config.value.blocks):
        known = []
        for where, names in (("names", rule.names), ("become", rule.become or [])):
            for at, name in enumerate(names):
                found = matching_names(name)
                known += found
                if not found:
                    yield config.problem(
                        ("blocks", index, where, at), f"unknown block {name}", hints=_near(name, known_names())
                    )
        shapes = {kind_of(name).fields: name for name in known}
        if len(shapes) > 1 and rule.become != []:
            yield config.problem(
                ("blocks", index),
                f"{' and '.join(shapes.values())} take different arguments, so one cannot become the other",
                hints=("become: [] keeps every block its kind",),
            )
        else:
            for fields, name in shapes.items():
                yield from _change_problems(config, ("blocks", index), rule.change, fields, name)


def _change_problems(
    config: Config[Space], path: tuple[str | int, ...], change: dict[str, Change], fields: tuple[str, ...], name: str
) -> Iterator[ConfigProblem]:
    accepted = [field for field in fields if field != "in_channels"]
    for field, how in change.items():
        if field == "in_channels":
            why = ("it follows from the block before",)
            yield config.problem((*path, "change", field), "cannot be changed by itself", hints=why, on="key")
        elif field not in fields:
            hints = _near(field, accepted)
            yield config.problem((*path, "change", field), f"{name} has no such argument", hints=hints, on="key")
        elif how.ratios is not None and how.of not in accepted:
            yield config.problem((*path, "change", field, "of"), f"{name} has no argument {how.of}")


def _position_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    starts: list[Structure] = []
    for text in config.value.start:
        try:
            starts.append(parse(text))
        except StructureError:
            return
    for index, rule in enumerate(config.value.positions):
        for at in rule.positions:
            reached = [start.blocks[at] for start in starts if -len(start) <= at < len(start)]
            if not reached:
                longest = max(map(len, starts))
                range_ = (f"accepted: 0 to {longest - 1}, or -1 to -{longest} from the end",)
                yield config.problem(("positions", index, "at"), f"there is no block {at}", hints=range_)
            for block in reached[:1]:
                fields = kind_of(block.name).fields if not block.children else ()
                yield from _change_problems(config, ("positions", index), rule.change, fields, block.name)
                for where, name in enumerate([] if rule.freeze == "all" else rule.freeze):
                    if name not in (*fields, "name"):
                        hints = _near(name, [*fields, "name"])
                        place = ("positions", index, "freeze", where)
                        yield config.problem(place, f"{block.name} has no argument {name}", hints=hints)
        for where, name in enumerate(rule.become or []):
            if not matching_names(name):
                place = ("positions", index, "become", where)
                yield config.problem(place, f"unknown block {name}", hints=_near(name, known_names()))
