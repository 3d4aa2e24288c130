"""What a search says at its end: the winner with every score explained, or the front, and a budget that is not met."""

from __future__ import annotations

import json
from shlex import quote
from typing import TYPE_CHECKING

import click

from plainnet.cli.tables import text_table

if TYPE_CHECKING:
    from plainnet.search.runs.session import Best, SearchResult

__all__ = ["print_result"]

COSTS = ("params", "macs", "layers", "activations", "peak_activation", "latency_ms", "convolutions", "rho")


def print_result(result: SearchResult, *, quiet: bool, as_json: bool) -> None:
    """Print it for people, for programs (the last line is JSON), or both."""
    if not quiet or not as_json:
        _print_front(result) if result.front else _print_winner(result)
        rate = result.candidates / result.seconds if result.seconds else 0.0
        click.echo(
            f"{result.candidates:,} candidates in {result.seconds:.1f} s ({rate:,.0f}/s): {result.evaluated:,} evaluated, "
            f"{result.rejected:,} rejected, {result.duplicates:,} duplicates"
            + (f", {result.failed:,} failed" if result.failed else "")
        )
        if result.folder is not None:
            folder = quote(str(result.folder))
            _print_trained(result, folder)
            click.echo(f"kept in {result.folder}; a page about it: plainnet report {folder}")
            if result.exhausted:
                click.echo("it ended early: the last candidates held nothing new")
            elif result.candidates < result.asked:
                click.echo(
                    f"{result.asked - result.candidates:,} candidates are left: plainnet search --resume {folder}"
                )
    if result.unmet is not None:
        click.secho(f"BUDGET NOT MET: {result.unmet}", fg="red", bold=True, err=True)
    if as_json:
        click.echo(json.dumps(result.as_dict()))


def _print_trained(result: SearchResult, folder: str) -> None:
    """Where the winner's weights are, and what takes them."""
    trained = result.trained
    if trained is None or trained.folder is None:
        return
    accuracy = f"{trained.accuracy:.4f}" + (f" ± {trained.stderr:.4f}" if trained.stderr is not None else "")
    seeds = f", {trained.seeds} seeds" if trained.seeds > 1 else ""
    seconds = f", {trained.seconds:.1f} s" if trained.seconds is not None else ""
    click.echo(f"trained: {accuracy}{seeds}{seconds}, {trained.folder}/best.safetensors")
    click.echo(f"all trainings: plainnet runs trained {folder}; use it: plainnet predict {folder} IMAGE...")


def _print_winner(result: SearchResult) -> None:
    best = result.best
    click.echo(best.structure)
    costs = "  ".join(f"{name} {_count(getattr(best, name))}" for name in COSTS if getattr(best, name) is not None)
    click.echo(f"hash {best.hash}  {costs}")
    width = max(map(len, best.scores), default=0)
    for name, value in best.scores.items():
        decides = " (this decides)" if name == result.decided_by and len(best.scores) > 1 else ""
        click.echo(f"{name:{width}}  {value:<10.6g}  {result.explanations.get(name, '')}{decides}".rstrip())


def _print_front(result: SearchResult) -> None:
    names = list(dict.fromkeys(name for each in result.front for name in each.scores))
    costs = [name for name in COSTS if any(getattr(each, name) is not None for each in result.front)]
    rows = [_row(each, names, costs) for each in result.front]
    head, line, *lines = text_table([*names, *costs, "hash"], rows, left=0, rule=False).splitlines()
    structures = [each.structure for each in result.front]
    click.echo(f"the front: {len(result.front)} networks that no other one beats in all objectives")
    click.echo("\n".join([f"{head}  structure", line, *map("  ".join, zip(lines, structures, strict=True))]))


def _row(best: Best, names: list[str], costs: list[str]) -> list[str]:
    scores = [f"{best.scores[name]:.4f}" if name in best.scores else "" for name in names]
    return [*scores, *(_count(getattr(best, name)) for name in costs), best.hash]


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
