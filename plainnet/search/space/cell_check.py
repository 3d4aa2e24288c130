"""What a model alone cannot check about a space of cells, each problem at its place."""

from __future__ import annotations

from collections.abc import Iterator

from plainnet.configs import Config, ConfigProblem
from plainnet.errors import PlainnetError, UsageError, nearest
from plainnet.search.cells.families import FAMILIES
from plainnet.search.space.space import Space

__all__ = ["cell_problems"]


def cell_problems(config: Config[Space]) -> Iterator[ConfigProblem]:
    """An unknown family, sizes that it has not, codes that are none."""
    rule = config.value.cell
    assert rule is not None
    if rule.family not in FAMILIES:
        yield _unknown(config, ("cell", "family"), rule.family, tuple(FAMILIES), "no cells are called", on="value")
        return
    family = FAMILIES[rule.family]
    for name, value in rule.sizes.items():
        if name not in family.sizes:
            what = f"{family.name} has no size"
            yield _unknown(config, ("cell", "sizes", name), name, tuple(family.sizes), what, on="key")
            return
        if value < 1:
            yield config.problem(("cell", "sizes", name), f"is {value}; accepted: a positive number")
            return
    cells = family(**rule.sizes)
    for index, text in enumerate(config.value.start):
        try:
            cells.blocks(cells.read(text))
        except UsageError as error:
            yield config.problem(("start", index), str(error))
        except PlainnetError as error:
            yield config.problem(("cell", "sizes"), f"no network is of these sizes: {error}")
            return


def _unknown(
    config: Config[Space], path: tuple[str, ...], name: str, accepted: tuple[str, ...], what: str, *, on: str
) -> ConfigProblem:
    near = nearest(name, accepted)
    hint = f"did you mean {near}?" if near else f"accepted: {', '.join(accepted)}"
    return config.problem(path, f"{what} {name}", hints=(hint,), on=on)
