"""`plainnet list` and `plainnet blocks`: what there is, by category."""

from __future__ import annotations

import json
from itertools import groupby
from operator import itemgetter

import click

from plainnet.cli.network_options import blocks_option
from plainnet.cli.screen import full_option, show, tell
from plainnet.registries import entries
from plainnet.results.tables import Table, markdown_table, terminal_width, wrapped

__all__ = ["blocks_command", "list_command"]


@click.command(name="list")
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the strings.")
def list_command(as_json: bool, is_full: bool) -> None:
    """What networks are made of by name: whole networks, with exact counts (each of them is a backbone, too), necks and heads.

    --json has the whole networks alone; plainnet registry neck and head show the others.
    """
    from plainnet.blocks.network_counts import count_network
    from plainnet.blocks.rows.shapes import as_input_shape
    from plainnet.blocks.rows.variants import Variant
    from plainnet.network.published import published_networks

    records, rows = [], []
    for network in published_networks().values():
        counts = count_network(
            network.structure, as_input_shape(3, network.resolution), num_classes=network.num_classes, variant=Variant()
        )
        with_se = "yes" if network.use_se else ""
        rows.append(
            [
                network.name,
                str(network.resolution),
                f"{counts.params:,}",
                f"{counts.macs:,}",
                str(counts.layers),
                with_se,
                network.source,
            ]
        )
        records.append({**vars(network), "params": counts.params, "macs": counts.macs, "layers": counts.layers})
    if as_json:
        click.echo(json.dumps(records, indent=2))
        return
    header = ["whole network", "resolution", "params", "macs", "layers", "trained with SE", "paper"]
    dropped = ("paper", "trained with SE", "resolution", "layers", "macs")
    show(Table(header, rows, drop=dropped, wide=("paper",)), is_full=is_full)
    _show_parts(is_full=is_full)


def _show_parts(*, is_full: bool) -> None:
    """What stands behind a backbone."""
    for kind in ("neck", "head"):
        click.echo()
        parts = [[entry.name, entry.takes, entry.text] for entry in entries(kind)]
        show(Table([kind, "takes", "what it is"], parts, left=3, cut=("takes", "what it is")), is_full=is_full)
    click.echo()
    tell(
        "plainnet.compose, or a YAML file with backbone:, neck: and heads:, makes one network of them; as a backbone, a whole "
        "network is without its classifier"
    )


@click.command(name="blocks")
@click.option("--markdown", is_flag=True, help="Print a Markdown table (the one in docs/language.md).")
@blocks_option
def blocks_command(markdown: bool) -> None:
    """The blocks that a network string can be made of, by family, with their arguments."""
    from plainnet.blocks.reference import block_families, block_rows

    rows, width = list(block_rows()), terminal_width()
    if markdown:
        quoted = [[f"`{name}`", f"`{arguments}`", text] for name, arguments, text in rows]
        click.echo(markdown_table(["block", "arguments", "what it is"], quoted, left=3))
        return
    grouped = [[family, *row] for family, row in zip(block_families(), rows, strict=True)]
    table = Table(["family", "block", "arguments", "what it is"], grouped, left=4)
    if width is not None and width < table.width:
        for family, each in groupby(grouped, key=itemgetter(0)):
            tell(f"{family}:")
            click.echo("\n".join(_entry(name, arguments, text, width) for _, name, arguments, text in each))
    else:
        show(table)


def _entry(name: str, arguments: str, text: str, width: int) -> str:
    """One block over several lines, where a table of all would be too wide."""
    return "\n".join([wrapped(f"{name}  {arguments}", width, indent=8), wrapped(f"    {text}", width, indent=4)])
