"""`plainnet registry`: all that can be named, by kind."""

from __future__ import annotations

import json

import click

from plainnet.cli.structures import blocks_option
from plainnet.cli.tables import terminal_width, text_table, wrapped
from plainnet.registries import KINDS, Entry, entries, explain

__all__ = ["registry_command"]


@click.command(name="registry")
@click.argument("kind", required=False, metavar="[KIND]")
@click.option(
    "--explain", "name", metavar="NAME", help="One of them in full: what it takes, its text, where it comes from."
)
@click.option(
    "--import", "imports", multiple=True, metavar="FILE|MODULE", help="Code of yours: losses, hooks, tasks, data, ..."
)
@blocks_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def registry_command(kind: str | None, name: str | None, imports: tuple[str, ...], as_json: bool) -> None:
    """What there is of a KIND: block, network, proxy, space, strategy, recipe, model, task, loss, data, transform, optimizer,
    schedule, evaluator, hook, target. Without one: the kinds, and how many there are of each.
    """
    if name is not None:
        found = explain(name, kind, imports)
        click.echo(
            json.dumps([entry.as_dict() for entry in found], indent=2) if as_json else "\n\n".join(map(_full, found))
        )
        return
    if kind is None:
        counts = {each: len(entries(each, imports)) for each in KINDS}
        click.echo(
            json.dumps(counts)
            if as_json
            else text_table(["kind", "names"], [[k, str(n)] for k, n in counts.items()], rule=False)
        )
        return
    found = entries(kind, imports)
    if as_json:
        click.echo(json.dumps([entry.as_dict() for entry in found], indent=2))
        return
    width = terminal_width()
    columns = ["name", "from", "stability", "what it is"]
    longest = max(len(entry.name) for entry in found)
    sources = max(len(entry.source) for entry in found)
    room = None if width is None else max(16, width - longest - max(4, sources) - len("experimental") - 6)
    rows = [[entry.name, entry.source, entry.stability, _cut(entry.text, room)] for entry in found]
    click.echo(text_table(columns, rows, left=4, rule=False))


def _cut(text: str, room: int | None) -> str:
    return text if room is None or len(text) <= room else f"{text[: room - 1]}…"


def _full(entry: Entry) -> str:
    width = terminal_width()
    lines = [f"{entry.kind} {entry.name}"]
    for label, value in (("takes", entry.takes), ("from", entry.source), ("stability", entry.stability)):
        if value:
            lines.append(wrapped(f"{label:10} {value}", width, indent=11))
    return "\n".join([*lines, "", entry.about]).rstrip()
