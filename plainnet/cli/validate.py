"""`plainnet validate`: how far a proxy can be trusted, on trained networks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.progress import progress_bar
from plainnet.cli.structures import Resolution, blocks_option
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.proxies.score_table import ScoreFunction
    from plainnet.validation.accuracy_table import AccuracyTable
    from plainnet.validation.ranking import Agreement

__all__ = ["validate_command"]

Size = int | tuple[int, int]


@click.command(name="validate")
@click.argument("proxy", default="composite")
@click.option(
    "--table", metavar="CSV", help="Networks of your own: columns structure and accuracy. [default: NAS-Bench-Macro]"
)
@click.option("--resolution", type=Resolution(), help="Input size, R or HxW. [default: the table's own, 32 for a CSV]")
@click.option(
    "--sample", type=click.IntRange(min=3), metavar="N", help="N networks drawn from the table, instead of all."
)
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True, help="Images of one repeat.")
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Draws of weights and noise.")
@click.option("--labels", type=click.Choice(["random"]), help="Random labels, for proxies that need some.")
@click.option("--seed", default=0, show_default=True, help="Of sample, proxy and bootstrap.")
@click.option("--resamples", type=click.IntRange(min=0), default=200, show_default=True, help="Bootstrap resamples.")
@click.option("--resume", metavar="FILE", help="Write each score to FILE, and go on from it after an interruption.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every score.")
@click.option("--html", metavar="FILE", help="Write a page with a scatter plot that needs no network.")
@click.option("--store", "keep", is_flag=True, help="Store the figures, for other reports to quote.")
@blocks_option
def validate_command(
    proxy: str,
    table: str | None,
    resolution: Size | None,
    sample: int | None,
    batch: int,
    repeats: int,
    labels: str | None,
    seed: int,
    resamples: int,
    resume: str | None,
    as_json: bool,
    html: str | None,
    keep: bool,
) -> None:
    """Rank trained networks by PROXY and compare with their accuracies.

    PROXY is one of those that `plainnet score --list` shows; composite_fitted is judged on the half
    of NAS-Bench-Macro that it was not fitted to. Proxies that draw weights take a while: give a --sample,
    and a file to --resume from.

    \b
    plainnet validate               the composite on all of NAS-Bench-Macro
    plainnet validate depth --html depth.html
    plainnet validate composite --table mine.csv --resolution 224
    """
    from plainnet.validation.validate import validate

    networks = _table(table, proxy)
    size = resolution or networks.resolution or 32
    function = _function(proxy, size, batch=batch, repeats=repeats, seed=seed, labels=labels)
    whole = sample is None and table is None and resamples > 0
    networks = networks if sample is None else networks.sample(sample, seed=seed)
    with progress_bar(f"{proxy} on {networks.name}") as progress:
        result = validate(
            networks,
            function,
            proxy=proxy,
            resolution=size,
            resamples=resamples,
            seed=seed,
            baselines=_known_baselines(networks.name, proxy) if whole and size == networks.resolution else None,
            resume=resume,
            progress=progress,
        )
    if html is not None:
        from plainnet.profiler.validation_page import write_page

        write_page(result, html)
    if keep:
        from plainnet.validation.trust import store

        click.echo(f"stored in {store(result)}", err=True)
    click.echo(json.dumps(result.to_dict(), indent=1) if as_json else result)


def _function(proxy: str, size: Size, **settings: Any) -> ScoreFunction:
    """A proxy of the catalogue as a function of one structure, the higher the better."""
    from plainnet.proxies.catalogue import find_proxy
    from plainnet.proxies.score import score

    found = find_proxy(proxy)
    if found.combine is not None:
        raise UsageError(f"{proxy} ranks networks within a set and gives none of them a score; validate its parts")
    sign = 1 if found.higher_is_better else -1
    return lambda structure: sign * score(structure, found, resolution=size, **settings).mean


def _table(path: str | None, proxy: str) -> AccuracyTable:
    """The user's table, or NAS-Bench-Macro: for the fitted composite, the half of it that was not fitted."""
    from plainnet.validation.accuracy_table import nas_bench_macro_table, read_accuracy_table

    if path is not None:
        return read_accuracy_table(path)
    return nas_bench_macro_table(not_fitted=proxy == "composite_fitted")


def _known_baselines(table: str, proxy: str) -> dict[str, Agreement] | None:
    """The baselines' stored figures: they are worked out once for a table that never changes."""
    from plainnet.proxies.closed.baselines import BASELINES
    from plainnet.validation.trust import shipped

    found = {name: shipped(table, name) for name in BASELINES if name != proxy}
    return {name: value for name, value in found.items() if value is not None} if all(found.values()) else None
