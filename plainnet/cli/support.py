"""`plainnet support`: which networks run on which platforms."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plainnet.cli.completion import a_network
from plainnet.cli.network_options import blocks_option, own_code_options
from plainnet.cli.screen import show, tell
from plainnet.cli.support_networks import built, kept_in, listed_as, put_in_order, with_singles
from plainnet.errors import UsageError
from plainnet.files.text_files import printable
from plainnet.results.tables import Table, csv_table

if TYPE_CHECKING:
    from plainnet.platforms.exceptions import Exceptions

__all__ = ["support_command"]

USUAL = (
    "torch",
    "torchscript",
    "torch.export",
    "onnxruntime",
    "openvino",
    "executorch",
    "litert",
    "coreml",
    "tensorrt",
)
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
exceptions_option = click.option(
    "--exceptions",
    "excepted",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Lines NETWORK PLATFORM WHY of what is not tried. [default: support.exceptions beside the table, if there is one]",
)


@click.group(name="support")
def support_command() -> None:
    """Which networks run on which platforms: a table in a file, of which only what changed is made again."""


def _platforms(said: str) -> list[str]:
    from plainnet.platforms.platform import find_platform

    return [find_platform(each.strip()).name for each in said.split(",")]


def _exceptions(path: Path | None, table: Path) -> Exceptions:
    from plainnet.platforms.exceptions import Exceptions, read_exceptions

    usual = table.with_name("support.exceptions")
    return read_exceptions(path or usual) if path is not None or usual.is_file() else Exceptions()


@support_command.command(name="scan")
@click.argument("networks", nargs=-1, metavar="[NETWORK]...", shell_complete=a_network)
@click.option("--public", is_flag=True, help="All networks that have a public name, too (plainnet list).")
@click.option("--parts", is_flag=True, help="Their backbones, necks and heads by themselves, too.")
@click.option("--single-blocks", is_flag=True, help="Each kind of block by itself, too, as it occurs most often.")
@platforms_option
@exceptions_option
@file_option
@own_code_options
def scan_command(
    networks: tuple[str, ...],
    public: bool,
    parts: bool,
    single_blocks: bool,
    platforms: str,
    excepted: Path | None,
    path: Path,
    trust: bool,
    imports: tuple[str, ...],
) -> None:
    """Take NETWORKs into the table, and look what changed since the last update, without converting anything."""
    from plainnet.network.published import published_networks
    from plainnet.platforms.support import read_support, update, write_support

    support = read_support(path)
    listed = kept_in(support, path)
    said = dict.fromkeys([*networks, *(published_networks() if public else ())])
    listed += [
        listed_as(each, trust=trust, imports=imports) for each in said if each not in {one.said for one in listed}
    ]
    listed = with_singles(listed, parts=parts, single_blocks=single_blocks)
    exceptions = _exceptions(excepted, path)
    changes = list(update(support, listed, _platforms(platforms), built, exceptions=exceptions, rebuild=False))
    put_in_order(support, listed)
    write_support(path, support)
    for name, platform, _, cell in changes:
        tell(printable(f"{name} on {platform}: {cell.status}"), indent=4)
    stale = sum(cell.status == "stale" for *_, cell in changes)
    counts = Counter(
        "block" if one.kind == "block" else "network" if one.kind == "network" else "part" for one in listed
    )
    singles = "".join(f", {counts[kind]} {kind}s" for kind in ("part", "block") if counts[kind])
    tell(f"{counts['network']} networks{singles} in {path}, {stale} to be made again", indent=4)


@support_command.command(name="update")
@platforms_option
@click.option("--only-exceptions", is_flag=True, help="Only what does not pass, and what the file of exceptions names.")
@exceptions_option
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 where something that passed fails.")
@file_option
@blocks_option
def update_command(platforms: str, only_exceptions: bool, excepted: Path | None, check: bool, path: Path) -> None:
    """Convert what changed, compare it with the networks, and write the table."""
    from plainnet.platforms.support import read_support, update, write_support
    from plainnet.platforms.support_table import regressions
    from plainnet.store.commit import commit_of

    support = read_support(path)
    if not support.networks:
        raise UsageError(f"{path} holds no networks; to begin: plainnet support scan NETWORK...")
    listed = kept_in(support, path)
    put_in_order(support, listed)
    commit, _ = commit_of(Path.cwd())
    exceptions = _exceptions(excepted, path)
    changes = []
    for change in update(
        support,
        listed,
        _platforms(platforms),
        built,
        commit=commit,
        exceptions=exceptions,
        only_exceptions=only_exceptions,
        tell=lambda line: tell(line, err=True, indent=4),
    ):
        changes.append(change)
        if not check:
            write_support(path, support)  # what was done stays done where the next one is interrupted
    failed = [f"{name} on {platform}: {cell.reason}" for name, platform, _, cell in changes if cell.status == "fail"]
    for line in failed:
        tell(printable(line), indent=4)
    for name, platform, _, cell in changes:
        if cell.status == "pass" and exceptions.why(name, platform) is not None:
            tell(printable(f"{name} passes on {platform}: its exception is not needed any more"), err=True, indent=4)
    worse = regressions(changes)
    for line in worse:
        tell(printable(line), err=True, indent=4)
    tell(f"{len(changes)} made again, {len(failed)} failed; the table: plainnet support table", indent=4)
    if check and worse:
        raise SystemExit(1)


@support_command.command(name="table")
@platforms_option
@click.option("--md", "form", flag_value="md", help="As Markdown.")
@click.option("--html", "form", flag_value="html", help="As a page.")
@click.option("--csv", "form", flag_value="csv", help="As CSV.")
@click.option("--json", "form", flag_value="json", help="As JSON (a versioned schema).")
@file_option
def table_command(platforms: str, form: str | None, path: Path) -> None:
    """The table: networks, and what came of each platform."""
    from plainnet.pages.support_page import support_page
    from plainnet.platforms.support import read_support
    from plainnet.platforms.support_facts import support_facts
    from plainnet.platforms.support_table import table_rows

    support = read_support(path)
    if form is None and not support.networks:
        tell(f"{path} holds no networks; to begin: plainnet support scan NETWORK...", indent=4)
        return
    header, rows = table_rows(support, _platforms(platforms))
    table = Table(header, [[printable(cell) for cell in row] for row in rows], left=len(header))
    if form is None:
        show(table)
        return
    if form in ("html", "json"):
        facts = support_facts(support, _platforms(platforms))
        click.echo(
            support_page(facts) if form == "html" else json.dumps(facts, indent=2, allow_nan=False), nl=form == "json"
        )
        return
    click.echo(table.markdown() if form == "md" else csv_table(header, rows))


@support_command.command(name="history")
@click.argument("name", metavar="NAME")
@file_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def history_command(name: str, path: Path, as_json: bool) -> None:
    """What changed for a network, the last at the end."""
    from plainnet.platforms.support_table import find_entry

    entry = find_entry(path, name)
    if as_json:
        click.echo(json.dumps([line.model_dump() for line in entry.history]))
        return
    header = ["date", "platform", "status", "commit", "reason"]
    rows = [[printable(str(getattr(line, key) or "")) for key in header] for line in entry.history]
    show(Table(header, rows, left=len(header)))


@support_command.command(name="priority")
@platforms_option
@file_option
def priority_command(platforms: str, path: Path) -> None:
    """What to work on first: networks that do not pass, then parts, then blocks by how often they occur."""
    from plainnet.platforms.support import read_support
    from plainnet.platforms.support_table import priority

    found = priority(read_support(path), _platforms(platforms))
    if not found:
        click.echo("everything that was tried passes")
        return
    show(Table(["what", "why"], [[printable(what), printable(why)] for what, why in found], left=2))


@support_command.command(name="environment")
@click.argument("name", metavar="PLATFORM")
@click.option("--yes", is_flag=True, help="Do not ask.")
def environment_command(name: str, yes: bool) -> None:
    """Make the environment of its own that a platform needs (litert), beside this one, in $PLAINNET_HOME/environments: it is told
    what will be installed there, and asked whether to. This environment is not touched.
    """
    from plainnet.platforms.platform import find_platform, known_platforms

    environment = find_platform(name).environment
    if environment is None:
        own = [each.name for each in known_platforms().values() if each.environment is not None]
        raise UsageError(f"{name} needs no environment of its own; accepted: {', '.join(own)}")
    if environment.is_there():
        tell(f"{environment.folder} is there already", indent=4)
        return
    tell(f"{environment.folder}: pip installs {', '.join(environment.requirements())} there (gigabytes)", indent=4)
    if not yes and not click.confirm("make it?"):
        raise UsageError("nothing was made; accepted: yes, or --yes")
    environment.make(tell=lambda line: tell(line, err=True, indent=4))
    tell(f"made {environment.folder}", indent=4)
