"""`plainnet space`: look at search spaces, check one's own, draw from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_space
from plainnet.cli.network_options import blocks_option
from plainnet.cli.screen import tell
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.search.space.space import Space

__all__ = ["space_command"]


@click.group(name="space")
def space_command() -> None:
    """Search spaces: where a search starts and what it may change."""


@space_command.command(name="list")
def list_command() -> None:
    """The spaces that come with the package."""
    from plainnet.search.space.space_files import load_space, shipped_spaces

    for name in shipped_spaces():
        tell(f"{name:18} {load_space(name).about}", indent=19)


@space_command.command(name="show")
@click.argument("space", shell_complete=a_space)
@blocks_option
def show_command(space: str) -> None:
    """A space as YAML, with every value in effect; to begin one of your own with."""
    from plainnet.search.space.space_files import load_space

    click.echo(load_space(space).dump(), nl=False)


@space_command.command(name="check")
@click.argument("space", shell_complete=a_space)
@blocks_option
def check_command(space: str) -> None:
    """Read a space and say what is in it, or everything that is wrong with it."""
    from plainnet.search.space.rules import resolve_rules
    from plainnet.search.space.space_files import load_space

    found = load_space(space)
    tell(f"{found.name}: {found.about}" if found.about else found.name, indent=4)
    if found.cell is not None:
        _tell_cells(found)
        return
    rules = resolve_rules(found)
    for structure, numbers in zip(rules.starts, rules.of_block, strict=True):
        tell(f"start {structure}", indent=6)
        for position, (block, number) in enumerate(zip(structure.blocks, numbers, strict=True)):
            rule = rules.rules[number]
            kinds = f"kind: {len(rule.names)} names" if rule.names else ""
            what = ", ".join([*([kinds] if kinds else []), *rule.change]) or "nothing"
            tell(f"  {position:2} {block!s:40} may change: {what}", indent=5)


def _tell_cells(space: Space) -> None:
    """The start of a space of cells, and what a mutation does to it."""
    from plainnet.search.candidates.genes import GenePool
    from plainnet.search.space.mutators import find_mutator, start_structures

    mutator = find_mutator(space, GenePool())
    for code, structure, genes in zip(space.start, start_structures(space), mutator.starts, strict=True):
        tell(f"start {code}", indent=6)
        tell(f"  {len(structure)} blocks, hash {structure.hash}", indent=4)
        around = sum(1 for _ in mutator.neighbours(genes))
        tell(
            f"  a mutation changes one place of the code in every copy of the cell: {around} networks are one away",
            indent=4,
        )


@space_command.command(name="sample")
@click.argument("space", shell_complete=a_space)
@click.option("-n", "--count", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@click.option("--steps", type=click.IntRange(min=1), default=20, show_default=True, help="Mutations from the start.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same structures.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines with the counts.")
@blocks_option
def sample_command(space: str, count: int, steps: int, seed: int, as_json: bool) -> None:
    """Draw structures by random walks from the start; those that do not fit the space's resolution are passed over."""
    for structure, costs in _sample(space, count=count, steps=steps, seed=seed):
        if as_json:
            click.echo(json.dumps({"structure": structure, **costs}))
        else:
            click.echo(structure)


NOT_ASKED = {"peak_activation", "latency_ms"}
"""Costs that are only known where a budget asks for them."""


def _sample(name: str, *, count: int, steps: int, seed: int) -> list[tuple[str, dict[str, Any]]]:
    from random import Random

    from plainnet.search.candidates.evaluation import Counter
    from plainnet.search.candidates.genes import GenePool
    from plainnet.search.settings.config import SearchConfig
    from plainnet.search.space.mutators import find_mutator
    from plainnet.search.space.space_files import load_space

    space = load_space(name)
    config = SearchConfig(space, resolution=space.resolution, num_classes=space.num_classes, use_se=space.use_se)
    mutator, counter = find_mutator(space, GenePool()), Counter(config.setting)
    draw = Random(seed).random
    found: list[tuple[str, dict[str, Any]]] = []
    for _ in range(100 * count):
        genes = mutator.starts[int(draw() * len(mutator.starts))]
        for _ in range(steps):
            genes = mutator.mutate(genes, draw, blocks=space.mutation.blocks) or genes
        costs = counter.sound_costs(genes)
        if costs is not None:
            counts = {key: value for key, value in costs._asdict().items() if key not in NOT_ASKED}
            found.append((mutator.text_of(genes), counts))
        if len(found) == count:
            return found
    raise UsageError(
        f"hardly any structure of {Path(name).name} fits an input of {space.resolution}x{space.resolution}"
    )
