"""What a model alone cannot check about a search space: that its names mean something, each problem at its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from plainnet.blocks.registry import known_names
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import WalkError, dead_rows
from plainnet.blocks.structure import Structure, parse
from plainnet.configs import Config, ConfigProblem
from plainnet.errors import StructureError, UsageError, nearest
from plainnet.proxies.catalogue import known_proxies
from plainnet.search.candidates.budgets import BUDGETS
from plainnet.search.candidates.genes import GenePool, kind_of
from plainnet.search.candidates.objective_names import bare_name
from plainnet.search.candidates.objectives import CLOSED_FORMS, COSTS
from plainnet.search.space.cell_check import cell_problems
from plainnet.search.space.linked import Linked
from plainnet.search.space.mutation import Mutator
from plainnet.search.space.rules import matching_names, narrowed, resolve_rules
from plainnet.search.space.space import Change, Space, Widths

__all__ = ["space_problems"]


def space_problems(config: Config[Space]) -> list[ConfigProblem]:
    """Everything that is wrong with a space."""
    space = config.value
    if space.cell is not None:
        problems = list(cell_problems(config))
    else:
        problems = [*_start_problems(config), *_block_problems(config), *_position_problems(config)]
    for name in space.limits:
        if name not in BUDGETS:
            problems.append(
                config.problem(("limits", name), "is no budget", hints=_near(name, list(BUDGETS)), on="key")
            )
        elif not space.limits[name] > 0:
            problems.append(config.problem(("limits", name), f"is {space.limits[name]:g}; accepted: a positive number"))
    problems += _objective_problems(config)
    if space.cell is not None:
        return problems
    if not problems and all(rule.is_frozen for rule in resolve_rules(space).rules):
        problems.append(config.problem(("blocks",), "no block of the start structure may change"))
    return problems or list(_rule_problems(config))


def _objective_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    """Unknown names; a function of a file is looked for when a search loads it."""
    accepted = [*CLOSED_FORMS, *COSTS, *(name for name in known_proxies() if name not in COSTS)]
    for index, text in enumerate(config.value.objectives):
        try:
            name = bare_name(text)
        except UsageError as error:
            yield config.problem(("objectives", index), str(error))
            continue
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
            yield config.problem(("start", index), f"the start structure is wrong: {error}")
            continue


def _block_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    present = tuple(dict.fromkeys(block.name for start in _starts(config) for block in start.blocks))
    for index, rule in enumerate(config.value.blocks):
        here = ("blocks", index)
        named: list[str] = []
        meant: list[str] = []
        for where, patterns in (("names", rule.names), ("become", rule.become or [])):
            for at, pattern in enumerate(patterns):
                found = matching_names(pattern, present)
                named += found if "*" not in pattern else []
                meant += found if "*" in pattern else []
                holder = next((name for name in found if kind_of(name).holds_blocks and "*" not in pattern), None)
                if holder is not None:
                    yield config.problem((*here, where, at), f"{holder} holds blocks; a search leaves it as it is")
                if not found:
                    hints = _near(pattern, known_names())
                    yield config.problem((*here, where, at), f"unknown block {pattern}", hints=hints)
        named = [name for name in named if not kind_of(name).holds_blocks]
        concerned = list(dict.fromkeys([*named, *(name for name in meant if name in present)]))
        shapes = {kind_of(name).fields: name for name in (concerned if rule.become else named)}
        if len(shapes) > 1 and rule.become != []:
            yield config.problem(
                here,
                f"{' and '.join(shapes.values())} take different arguments, so one cannot become the other",
                hints=("become: [] keeps every block its kind",),
            )
            continue
        yield from _change_problems(config, here, rule.change, named, meant)


def _change_problems(
    config: Config[Space],
    path: tuple[str | int, ...],
    changes: dict[str, Change],
    named: Sequence[str],
    meant: Sequence[str] = (),
) -> Iterator[ConfigProblem]:
    """What is wrong with changes of blocks that are named each, and of those that a pattern means: of these, a change
    concerns those that have such an argument.
    """
    named = list({kind_of(name).fields: name for name in reversed(named)}.values())
    for argument, change in changes.items():
        place = (*path, "change", argument)
        able = [name for name in (*named, *meant) if kind_of(name).changes(argument)]
        unable = next((name for name in named if name not in able), None)
        if unable is None and not able:
            unable = next(iter(meant), None)
        if unable is not None:
            yield _no_change(config, place, argument, unable)
            continue
        for name in able[:1]:
            kind = kind_of(name)
            accepted = [field for field in kind.fields if kind.changes(field)]
            within = narrowed(change, name, argument)
            limits = kind.cls.fields[kind.fields.index(argument)].kind
            if change.ratios is not None and (change.of not in accepted or change.of == argument):
                yield config.problem((*place, "of"), f"{name} has no other argument {change.of} to multiply")
            elif within.least > within.greatest or any(not limits.accepts(each) for each in change.values or ()):
                yield config.problem(place, f"{argument} of {name} accepts {limits.accepted}, and this leaves nothing")


def _no_change(config: Config[Space], place: tuple[str | int, ...], argument: str, name: str) -> ConfigProblem:
    kind = kind_of(name)
    if argument not in kind.fields:
        hints = _near(argument, [field for field in kind.fields if kind.changes(field)])
        return config.problem(place, f"{name} has no such argument", hints=hints, on="key")
    whole = kind.cls.fields[kind.fields.index(argument)].kind.number is int
    why = "it follows from the block before" if whole else "only whole numbers are changed"
    return config.problem(place, f"{argument} of {name} cannot be changed by itself", hints=(why,), on="key")


def _rule_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    """What the start structures themselves violate."""
    space, pool = config.value, GenePool()
    for index, text in enumerate(space.start):
        structure = parse(text)
        mutator = Mutator(space, pool, Shape(structure.in_channels, space.resolution, space.resolution))
        genes = mutator.written[index]
        linked = [gene for gene in genes if isinstance(gene, Linked)]
        if linked and space.widths != Widths():
            yield config.problem(
                ("widths",), "rules of widths are for chains, and blocks of a start take values of each other"
            )
            return
        found = list(mutator.joiner.violations(genes))
        if not found and mutator.joiner.joined(genes) is None:
            found = ["split in two, some block has fewer sub-layers than its rule allows"]
        for said in found:
            yield config.problem(("start", index), f"the start structure breaks the space's own rules: {said}")
        if not found and _is_dead_somewhere(structure, mutator.shape):
            hints = ("plainnet lint says which layers",)
            yield config.problem(("start", index), "nothing depends on a part of the start structure", hints=hints)


def _is_dead_somewhere(structure: Structure, shape: Shape) -> bool:
    """Whether nothing that is put out depends on some layer; one that does not fit the input is the search's affair."""
    try:
        return bool(dead_rows(structure.blocks, shape))
    except WalkError:
        return False


def _starts(config: Config[Space]) -> list[Structure]:
    """The start structures that can be read."""
    found = []
    for text in config.value.start:
        with suppress(StructureError):
            found.append(parse(text))
    return found


def _position_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    starts = _starts(config)
    if len(starts) < len(config.value.start):
        return
    for index, rule in enumerate(config.value.positions):
        for at in rule.positions:
            reached = [start.blocks[at] for start in starts if -len(start) <= at < len(start)]
            if not reached:
                longest = max(map(len, starts))
                range_ = (f"accepted: 0 to {longest - 1}, or -1 to -{longest} from the end",)
                yield config.problem(("positions", index, "at"), f"there is no block {at}", hints=range_)
            for block in reached[:1]:
                fields = kind_of(block.name).fields
                yield from _change_problems(config, ("positions", index), rule.change, [block.name])
                for where, name in enumerate([] if rule.freeze == "all" else rule.freeze):
                    if name not in (*fields, "name"):
                        hints = _near(name, [*fields, "name"])
                        place = ("positions", index, "freeze", where)
                        yield config.problem(place, f"{block.name} has no argument {name}", hints=hints)
        for where, name in enumerate(rule.become or []):
            if not matching_names(name, [block.name for start in starts for block in start.blocks]):
                place = ("positions", index, "become", where)
                yield config.problem(place, f"unknown block {name}", hints=_near(name, known_names()))
