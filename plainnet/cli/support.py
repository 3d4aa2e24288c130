"""`plainnet support`: which networks run on which platforms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plainnet.cli.screen import show, tell
from plainnet.cli.structures import blocks_option
from plainnet.errors import UsageError
from plainnet.files.text_files import printable
from plainnet.results.tables import Table, csv_table

if TYPE_CHECKING:
    from plainnet.network.plain_net import PlainNet
    from plainnet.platforms.support import Listed

__all__ = ["support_command"]

USUAL = ("torch", "torchscript", "torch.export", "onnxruntime", "openvino")
"""Platforms of the table where nobody says them; torch.compile takes minutes for each network."""

file_option = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    default=Path("support.json"),
    show_default=True,
    help="The table.",
)
platforms_option = click.option(
    "--platforms", default=",".join(USUAL), show_default=True, metavar="PLATFORM,...", help="Its columns."
)


@click.group(name="support")
def support_command() -> None:
    """Which networks run on which platforms: a table in a file, of which only what changed is made again."""


def _platforms(said: str) -> list[str]:
    from plainnet.platforms.platform import find_platform

    return [find_platform(each.strip()).name for each in said.split(",")]


def _listed(said: str) -> Listed:
    """A network, named in any way."""
    from plainnet.naming import resolve
    from plainnet.platforms.support import Listed

    subject = resolve(said)
    if subject.structure is None:
        raise UsageError(f"{said} is a module; accepted: a network string, or what names one")
    return Listed(
        subject.label,
        said,
        subject.structure,
        subject.size,
        subject.num_classes.value,
        subject.norm_eps.value,
        subject.variant.value,
        subject.weights,
    )


def _built(listed: Listed) -> PlainNet:
    import torch

    from plainnet.files.tensor_files import read_tensors
    from plainnet.network.plain_net import PlainNet

    torch.manual_seed(0)
    net = PlainNet(
        listed.structure,
        num_classes=listed.num_classes,
        resolution=listed.size,
        variant=listed.variant,
        norm_eps=listed.norm_eps,
    )
    if listed.weights is not None:
        net.load_state_dict(read_tensors(listed.weights)[0])
    return net


@support_command.command(name="scan")
@click.argument("networks", nargs=-1, metavar="[NETWORK]...")
@platforms_option
@file_option
@blocks_option
def scan_command(networks: tuple[str, ...], platforms: str, path: Path) -> None:
    """Take NETWORKs into the table, and look what changed since the last update, without converting anything."""
    from plainnet.platforms.support import read_support, update, write_support

    support = read_support(path)
    said = dict.fromkeys([*(entry.said for entry in support.networks.values()), *networks])
    listed = [_listed(each) for each in said]
    changes = list(update(support, listed, _platforms(platforms), _built, rebuild=False))
    write_support(path, support)
    for name, platform, _, cell in changes:
        tell(printable(f"{name} on {platform}: {cell.status}"), indent=4)
    stale = sum(cell.status == "stale" for *_, cell in changes)
    tell(f"{len(listed)} networks in {path}, {stale} to be made again", indent=4)


@support_command.command(name="update")
@platforms_option
@click.option("--only-exceptions", is_flag=True, help="Only what does not pass.")
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 where something that passed fails.")
@file_option
@blocks_option
def update_command(platforms: str, only_exceptions: bool, check: bool, path: Path) -> None:
    """Convert what changed, compare it with the networks, and write the table."""
    from plainnet.platforms.support import read_support, regressions, update, write_support
    from plainnet.store.commit import commit_of

    support = read_support(path)
    if not support.networks:
        raise UsageError(f"{path} holds no networks; to begin: plainnet support scan NETWORK...")
    listed = [_listed(entry.said) for entry in support.networks.values()]
    commit, _ = commit_of(Path.cwd())
    changes = []
    for change in update(
        support,
        listed,
        _platforms(platforms),
        _built,
        commit=commit,
        only_exceptions=only_exceptions,
        tell=lambda line: tell(line, err=True, indent=4),
    ):
        changes.append(change)
        if not check:
            write_support(path, support)  # what was done stays done where the next one is interrupted
    failed = [f"{name} on {platform}: {cell.reason}" for name, platform, _, cell in changes if cell.status == "fail"]
    for line in failed:
        tell(printable(line), indent=4)
    worse = regressions(changes)
    for line in worse:
        tell(printable(line), err=True, indent=4)
    tell(f"{len(changes)} made again, {len(failed)} failed; the table: plainnet support table", indent=4)
    if check and worse:
        raise SystemExit(1)


@support_command.command(name="table")
@platforms_option
@click.option("--md", "form", flag_value="md", help="As Markdown.")
@click.option("--html", "form", flag_value="html", help="As HTML.")
@click.option("--csv", "form", flag_value="csv", help="As CSV.")
@file_option
def table_command(platforms: str, form: str | None, path: Path) -> None:
    """The table: networks, and what came of each platform."""
    from plainnet.platforms.support import read_support, table_rows

    support = read_support(path)
    if form is None and not support.networks:
        tell(f"{path} holds no networks; to begin: plainnet support scan NETWORK...", indent=4)
        return
    header, rows = table_rows(support, _platforms(platforms))
    table = Table(header, [[printable(cell) for cell in row] for row in rows], left=len(header))
    if form is None:
        show(table)
        return
    click.echo(table.markdown() if form == "md" else table.html() if form == "html" else csv_table(header, rows))


@support_command.command(name="history")
@click.argument("name", metavar="NAME")
@file_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def history_command(name: str, path: Path, as_json: bool) -> None:
    """What changed for a network, the last at the end."""
    from plainnet.platforms.support import find_entry, read_support

    entry = find_entry(read_support(path), name)
    if as_json:
        click.echo(json.dumps(entry.history))
        return
    header = ["date", "platform", "status", "commit", "reason"]
    rows = [[printable(str(line.get(key) or "")) for key in header] for line in entry.history]
    show(Table(header, rows, left=len(header)))


@support_command.command(name="priority")
@platforms_option
@file_option
def priority_command(platforms: str, path: Path) -> None:
    """What to work on first: networks that do not pass, then blocks by how often they occur."""
    from plainnet.platforms.support import priority, read_support

    found = priority(read_support(path), _platforms(platforms))
    if not found:
        click.echo("everything that was tried passes")
        return
    show(Table(["what", "why"], [[printable(what), printable(why)] for what, why in found], left=2))
