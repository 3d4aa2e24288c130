"""`plainnet store`: trained networks that are kept with their story."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_stored_network
from plainnet.cli.network_options import blocks_option
from plainnet.cli.screen import show, tell
from plainnet.errors import nearest
from plainnet.files.text_files import printable
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.store.finding import Found
    from plainnet.store.record import Record

__all__ = ["json_option", "root_of", "store_command", "store_option"]

LATER: dict[str, tuple[str, str]] = {
    "import": ("plainnet.cli.store_weights", "import_command"),
    "load": ("plainnet.cli.store_weights", "load_command"),
    "build": ("plainnet.cli.store_build", "build_command"),
    "compose": ("plainnet.cli.store_build", "compose_command"),
    "promote": ("plainnet.cli.store_build", "promote_command"),
    "convert": ("plainnet.cli.store_convert", "convert_command"),
    "measure": ("plainnet.cli.store_measure", "measure_command"),
    "verify": ("plainnet.cli.store_verify", "verify_command"),
    "push": ("plainnet.cli.store_hub", "push_command"),
    "pull": ("plainnet.cli.store_hub", "pull_command"),
    "say": ("plainnet.cli.store_say", "say_command"),
    "tune-lr": ("plainnet.cli.store_measure", "tune_command"),
}
"""Command -> (its module, its name there)."""


class _Group(click.Group):
    """The commands of this file, and those of others, which are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *LATER]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LATER:
            module, name = LATER[cmd_name]
            command = getattr(import_module(module), name)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = nearest(args[0], known)
            raise click.UsageError(f"no command {args[0]!r}" + (f"; did you mean {near}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)


@click.group(name="store", cls=_Group)
def store_command() -> None:
    """Trained networks that are kept with their story: added from runs, found again, used as `store:NAME`.

    The store is $PLAINNET_HOME/models, ~/.plainnet/models where that is not set, or --store DIR. A NAME is NAME.TAG, or NAME
    alone where there is one of it.
    """


store_option = click.option(
    "--store",
    "store",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The store. [default: $PLAINNET_HOME/models]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def root_of(store: Path | None) -> Path:
    """The folder of the store that an option names."""
    from plainnet.store.layout import store_root

    return store_root(store)


@store_command.command(name="add")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--name", help="What it is called. [default: as it was published, or as the run's folder]")
@click.option("--tag", help="Which one of that name it is. [default: DATA_rSIZE]")
@click.option("--task", help="[default: cls for a classification, or the name of the run's task]")
@click.option("--family", help="[default: the letters of its published name, or plainnet]")
@click.option("--licence", "--license", help="The licence of the weights.")
@click.option("--label", "tags", multiple=True, help="A word to find it by (may be given several times).")
@click.option("--paper-url", metavar="URL", help="Where it was published.")
@click.option(
    "--data-version", help="Of the data that it was trained on. [default: not known; see store measure --data]"
)
@blocks_option
@store_option
@json_option
def add_command(
    run: Path,
    name: str | None,
    tag: str | None,
    task: str | None,
    family: str | None,
    licence: str | None,
    tags: tuple[str, ...],
    paper_url: str | None,
    data_version: str | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Put the best weights of a training RUN into the store, with all that its folder says of them."""
    from plainnet.engine.run.keeping import Said, keep_run

    root = root_of(store)
    record = keep_run(run, root, Said(name, tag, family, task, licence, tags, data_version, paper_url))
    tell_added(root, record, as_json=as_json)


def tell_added(root: Path, record: Record, *, as_json: bool) -> None:
    """Say where a network is now."""
    from plainnet.store.keeping import name_of

    name = name_of(record)
    if as_json:
        click.echo(json.dumps(record.as_dict(), allow_nan=False))
        return
    tell(f"added {name.path} to the store {root}", indent=4)
    called = name.short if name.kind == "network" else name.path
    tell(f"use it as store:{called}", err=True, indent=4)


@store_command.command(name="list")
@click.option(
    "--tag", "--label", "tags", multiple=True, metavar="WORD", help="Only those with this word among their tags."
)
@click.option("--part", metavar="PART", help="Only those that have, or are, this part: backbone, neck, head.")
@store_option
@json_option
def list_command(tags: tuple[str, ...], part: str | None, store: Path | None, as_json: bool) -> None:
    """What is in the store."""
    _show_found(root_of(store), None, tags, part, as_json=as_json)


@store_command.command(name="find")
@click.argument("condition", required=False)
@click.option(
    "--tag", "--label", "tags", multiple=True, metavar="WORD", help="Only those with this word among their tags."
)
@click.option("--part", metavar="PART", help="Only those that have, or are, this part: backbone, neck, head.")
@click.option("--fields", is_flag=True, help="Print what a condition may name.")
@store_option
@json_option
def find_command(
    condition: str | None, tags: tuple[str, ...], part: str | None, fields: bool, store: Path | None, as_json: bool
) -> None:
    """The networks that a CONDITION is true of: comparisons, and, or, not, in, is None and arithmetic over fields of the
    record and metrics by their names.

    \b
    plainnet store find 'task == "cls" and acc > 0.7' --part head
    plainnet store find 'params / 1e6 < 5 and "imagenet" in tags'
    """
    if fields:
        _show_fields()
        return
    _show_found(root_of(store), condition, tags, part, as_json=as_json)


def _show_found(root: Path, condition: str | None, tags: tuple[str, ...], part: str | None, *, as_json: bool) -> None:
    from plainnet.store.finding import find

    found, broken = find(root, condition, tags=tags, part=part)
    for path, why in broken:
        tell(f"{path}: {printable(why)}", err=True, indent=4)
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in found], allow_nan=False))
        return
    if not found:
        what = "nothing" if condition is None and not tags and part is None else "no such network"
        tell(f"{what} in the store {root}; to add a training run: plainnet store add RUN", indent=4)
        return
    header = ["name", "kind", "task", "params", "macs", "metric", "value", "data", "added"]
    rows = [_row(each) for each in found]
    show(Table(header, rows, left=3, drop=("added", "data", "macs", "kind", "task"), cut=("name",)))


def _row(found: Found) -> list[str]:
    def count(value: int | None) -> str:
        return "" if value is None else f"{value:,}"

    value = "" if found.value is None else f"{found.value:.4f}"
    known = [found.short, found.kind, found.task, count(found.params), count(found.macs), found.metric or "", value]
    return [printable(cell) for cell in (*known, found.data or "", (found.added or "")[:10])]


def _show_fields() -> None:
    from plainnet.store.record_fields import ALIASES, FREE, LISTS, MEMBERS, columns, short_names

    short = {place: name for name, place in short_names().items()}
    rows = [[short.get(place, ""), place, kind] for place, kind in columns().items()]
    rows += [[name, place, "list of texts"] for name, place in LISTS.items()]
    rows += [["", place, "list"] for place in MEMBERS]
    rows += [["", f"{section}.*", "as it is there"] for section in FREE]
    rows += [[alias, name, "another name"] for alias, name in ALIASES.items()]
    show(Table(["short", "field", "kind"], rows, left=3))
    click.echo("metrics: NAME, SPLIT.NAME, DATASET.NAME, DATASET.SPLIT.NAME")


@store_command.command(name="show")
@click.argument("name", metavar="NAME", shell_complete=a_stored_network)
@store_option
@json_option
def show_command(name: str, store: Path | None, as_json: bool) -> None:
    """The record of a network, every field of it; for what is not known the command that fills it, where there is one."""
    from plainnet.store.filling import filling_command
    from plainnet.store.reading import record_of

    _, folder, record = record_of(root_of(store), name)
    data = record.as_dict()
    if as_json:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
        return
    tell(printable(str(folder)), indent=4)
    options = () if store is None else ("--store", str(store))
    for section, value in data.items():
        if section == "schema":
            continue
        tell(f"\n{section}", indent=4)
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            is_empty = item is None or (section, key, item) == ("cost", "devices", [])
            tell(printable(f"  {key}: {'not known' if is_empty else _said(item)}"), indent=4)
            if is_empty and (command := filling_command(record, folder, f"{section}.{key}", options)):
                tell(printable(f"    {command}"), indent=6)


LONG = 160


def _said(item: Any) -> str:
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}… (all of it: --json)"


@store_command.command(name="rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=a_stored_network)
@store_option
def rm_command(names: tuple[str, ...], store: Path | None) -> None:
    """Take networks out of the store, with their weights."""
    from plainnet.store.keeping import remove
    from plainnet.store.layout import find_name

    root = root_of(store)
    for name in [find_name(root, each).path for each in names]:  # all are there, or nothing is removed
        tell(f"removed {remove(root, name).path}", indent=4)


@store_command.command(name="reindex")
@store_option
def reindex_command(store: Path | None) -> None:
    """Make the index again from the records, and remove what interrupted commands left behind."""
    from plainnet.store.finding import find
    from plainnet.store.keeping import reindex

    root = root_of(store)
    cleared = reindex(root)
    found, broken = find(root)
    tell(f"{len(found)} networks in the store {root}", indent=4)
    if cleared:
        tell(f"removed what {cleared} interrupted commands left behind", err=True, indent=4)
    for path, why in broken:
        tell(f"{path}: {printable(why)}", err=True, indent=4)
