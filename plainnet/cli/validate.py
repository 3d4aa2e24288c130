"""`plainnet validate`: how far a proxy can be trusted, on trained networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_proxy
from plainnet.cli.network_options import Resolution, blocks_option
from plainnet.cli.progress import progress_bar
from plainnet.cli.screen import tell
from plainnet.errors import UsageError
from plainnet.files.whole_files import refuse_unwritable

if TYPE_CHECKING:
    from plainnet.proxies.score_table import ScoreFunction
    from plainnet.validation.accuracy_table import AccuracyTable
    from plainnet.validation.ranking import Agreement
    from plainnet.validation.validate import Validation

__all__ = ["validate_command"]

Size = int | tuple[int, int]


@click.command(name="validate")
@click.argument("proxy", default="composite", shell_complete=a_proxy)
@click.option("--set", "set_name", metavar="NAME", help="A set that ships, or all of them. [default: nas-bench-macro]")
@click.option("--table", metavar="CSV", help="Networks of your own instead: columns structure and accuracy.")
@click.option("--resolution", type=Resolution(), help="Input size, R or HxW. [default: the table's own, 32 for a CSV]")
@click.option(
    "--sample", type=click.IntRange(min=3), metavar="N", help="N networks drawn from the table, instead of all."
)
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True, help="Images of one repeat.")
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Draws of weights and noise.")
@click.option("--labels", type=click.Choice(["random"]), help="Random labels, for proxies that need some.")
@click.option("--option", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the proxy's own.")
@click.option("--seed", default=0, show_default=True, help="Of sample, proxy and bootstrap.")
@click.option("--resamples", type=click.IntRange(min=0), default=200, show_default=True, help="Bootstrap resamples.")
@click.option("--resume", metavar="FILE", help="Write each score to FILE, and go on from it after an interruption.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every score.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a page with a scatter plot that needs no network.",
)
@click.option("--store", "keep", is_flag=True, help="Store the figures, for other reports to quote.")
@blocks_option
def validate_command(
    proxy: str,
    set_name: str | None,
    table: str | None,
    as_json: bool,
    html: Path | None,
    keep: bool,
    **options: Any,
) -> None:
    """Rank trained networks by PROXY and compare with their accuracies.

    PROXY is one of those that `plainnet score --list` shows; composite_fitted is judged on the half
    of NAS-Bench-Macro that it was not fitted to. Proxies that draw weights take a while: give a --sample,
    and a file to --resume from.

    \b
    Sets that ship, for --set:
    nas-bench-macro, accel-nas-bench, transnas-object, transnas-scene,
    imagenet, nas-bench-101, nas-bench-301 (a surrogate's predictions)

    \b
    plainnet validate              the composite on all of NAS-Bench-Macro
    plainnet validate --set all    on every set: one table, mean and worst
    plainnet validate depth --html depth.html
    plainnet validate composite --table mine.csv --resolution 224
    """
    request = _Request(proxy, options)
    if html is not None:
        refuse_unwritable(html)
    if set_name == "all":
        for option, value in (("--table", table), ("--resume", options["resume"])):
            if value is not None:
                raise UsageError(
                    f"{option} is for one set or table, and --set all is for all of them; leave one of the two out"
                )
        _validate_all(request, html, as_json=as_json, keep=keep)
        return
    result = request.judge(_table(table, set_name, proxy), is_own=table is not None)
    if html is not None:
        from plainnet.pages.found_pages import write_pages
        from plainnet.validation.validation_facts import validation_facts

        tell(f"page in {write_pages(validation_facts(result), html)[0]}", err=True)
    if keep:
        _store(result)
    click.echo(json.dumps(result.to_dict(), indent=1) if as_json else result)


class _Request:
    """A proxy with the options of the command."""

    def __init__(self, proxy: str, options: dict[str, Any]) -> None:
        from plainnet.cli.score import proxy_options
        from plainnet.proxies.catalogue import find_proxy
        from plainnet.proxies.versions import known_as

        self.found = find_proxy(proxy)
        if self.found.combine is not None:
            raise UsageError(f"{proxy} ranks networks within a set and gives none of them a score; validate its parts")
        self.options, self.own = options, proxy_options([self.found], options["settings"])
        version = self.own.get("version")
        self.label = known_as(proxy, version if isinstance(version, int) else None)
        others = {name: value for name, value in self.own.items() if name != "version"}
        if others:
            self.label += f"({', '.join(f'{name}={value}' for name, value in others.items())})"

    def judge(self, table: AccuracyTable, *, is_own: bool = False) -> Validation:
        """Validate on a table, or on a sample of it. Its baselines are known where it is a whole set."""
        from plainnet.validation.validate import validate

        options = self.options
        sample, seed, resamples = options["sample"], options["seed"], options["resamples"]
        size = options["resolution"] or table.resolution or 32
        is_known = sample is None and not is_own and resamples > 0 and size == table.resolution
        baselines = _known_baselines(table.name, self.label) if is_known else None
        table = table if sample is None else table.sample(sample, seed=seed)
        with progress_bar(f"{self.label} on {table.name}") as progress:
            return validate(
                table,
                self._function(size),
                proxy=self.label,
                resolution=size,
                resamples=resamples,
                seed=seed,
                baselines=baselines,
                resume=options["resume"],
                progress=progress,
            )

    def _function(self, size: Size) -> ScoreFunction:
        """The proxy as a function of one structure, the higher the better."""
        from plainnet.proxies.score import score

        sign = 1 if self.found.higher_is_better else -1
        settings = {name: self.options[name] for name in ("batch", "repeats", "seed", "labels")}
        return lambda structure: sign * score(structure, self.found, resolution=size, **settings, **self.own).mean


def _validate_all(request: _Request, html: Path | None, *, as_json: bool, keep: bool) -> None:
    from plainnet.validation.across_sets import across_sets
    from plainnet.validation.trained_sets import SETS

    found = across_sets(request.label, {name: _table(None, name, request.found.name) for name in SETS}, request.judge)
    for result in found.results.values():
        if keep and result is not None:
            _store(result)
    if html is not None:
        from plainnet.pages.found_pages import write_pages
        from plainnet.validation.validation_facts import sets_facts

        tell(f"page in {write_pages(sets_facts(found), html)[0]}", err=True)
    click.echo(json.dumps(found.to_dict(), indent=1) if as_json else found)


def _store(result: Validation) -> None:
    from plainnet.validation.trust import store

    tell(f"stored in {store(result)}", err=True, indent=4)


def _table(path: str | None, set_name: str | None, proxy: str) -> AccuracyTable:
    """The user's table, or a set that ships: for the fitted composite, the half of NAS-Bench-Macro that was not fitted."""
    from plainnet.validation.accuracy_table import nas_bench_macro_table, read_accuracy_table
    from plainnet.validation.trained_sets import trained_table

    if path is not None and set_name is not None:
        raise UsageError("--set names networks that ship and --table some of your own; leave one of the two out")
    if path is not None:
        return read_accuracy_table(path)
    if set_name in (None, "nas-bench-macro") and proxy == "composite_fitted":
        return nas_bench_macro_table(not_fitted=True)
    return trained_table(set_name or "nas-bench-macro")


def _known_baselines(table: str, proxy: str) -> dict[str, Agreement] | None:
    """The baselines' stored figures: they are worked out once for a table that never changes."""
    from plainnet.proxies.closed.baselines import BASELINES
    from plainnet.validation.trust import shipped

    found = {name: shipped(table, name) for name in BASELINES if name != proxy}
    return {name: value for name, value in found.items() if value is not None} if all(found.values()) else None
