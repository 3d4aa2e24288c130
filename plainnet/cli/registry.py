"""`plainnet registry`: all that can be named, by kind."""

from __future__ import annotations

import json

import click

from plainnet.cli.completion import a_kind
from plainnet.cli.network_options import imports_option
from plainnet.cli.screen import full_option, show
from plainnet.registries import KINDS, Entry, entries, explain
from plainnet.results.tables import Table, terminal_width, wrapped

__all__ = ["registry_command"]


@click.command(name="registry")
@click.argument("kind", required=False, metavar="[KIND]", shell_complete=a_kind)
@click.option(
    "--explain", "name", metavar="NAME", help="One of them in full: what it takes, its text, where it comes from."
)
@imports_option("Code of yours: blocks, losses, hooks, tasks, data, ...")
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def registry_command(
    kind: str | None, name: str | None, imports: tuple[str, ...], as_json: bool, is_full: bool
) -> None:
    """What there is of a KIND: block, network, neck, head, proxy, space, strategy, recipe, model, trainer, task, loss, data,
    transform, optimizer, schedule, evaluator, hook, writer, filter, sampler, maker, target, platform. Without one: the kinds, and
    how many there are of each.
    """
    if name is not None:
        found = explain(name, kind, imports)
        click.echo(
            json.dumps([entry.as_dict() for entry in found], indent=2) if as_json else "\n\n".join(map(_full, found))
        )
        return
    if kind is None:
        counts = {each: len(entries(each, imports)) for each in KINDS}
        if as_json:
            click.echo(json.dumps(counts))
        else:
            show(Table(["kind", "names"], [[k, str(n)] for k, n in counts.items()]))
        return
    found = entries(kind, imports)
    if as_json:
        click.echo(json.dumps([entry.as_dict() for entry in found], indent=2))
        return
    rows = [[entry.name, entry.source, entry.stability, entry.text] for entry in found]
    show(Table(["name", "from", "stability", "what it is"], rows, left=4, cut=("from", "what it is")), is_full=is_full)


def _full(entry: Entry) -> str:
    width = terminal_width()
    lines = [f"{entry.kind} {entry.name}"]
    for label, value in (("takes", entry.takes), ("from", entry.source), ("stability", entry.stability)):
        if value:
            lines.append(wrapped(f"{label:10} {value}", width, indent=11))
    about = [_in_width(text.splitlines(), width) for text in entry.about.split("\n\n")]
    return "\n".join([*lines, "", "\n\n".join(about)]).rstrip()


def _in_width(lines: list[str], width: int | None) -> str:
    """A paragraph of a docstring as one text; lines that stand further in, or are items of a list, as lines of their own."""
    if width is not None and not any(line.startswith((" ", "-", ">>>", "Experimental: ")) for line in lines):
        lines = [" ".join(lines)]
    return "\n".join(wrapped(line, width, indent=len(line) - len(line.lstrip())) for line in lines)
