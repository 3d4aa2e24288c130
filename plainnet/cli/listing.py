"""`plainnet list` and `plainnet blocks`: what there is."""

from __future__ import annotations

import json

import click

from plainnet.cli.screen import full_option, show
from plainnet.cli.structures import blocks_option
from plainnet.results.tables import Table, markdown_table, terminal_width, wrapped

__all__ = ["blocks_command", "list_command"]


@click.command(name="list")
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the strings.")
def list_command(as_json: bool, is_full: bool) -> None:
    """The published networks that can be used by name, with exact counts."""
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
            ]
        )
        records.append({**vars(network), "params": counts.params, "macs": counts.macs, "layers": counts.layers})
    if as_json:
        click.echo(json.dumps(records, indent=2))
        return
    header = ["name", "resolution", "params", "macs", "layers", "trained with SE"]
    show(Table(header, rows, drop=("trained with SE", "resolution", "layers", "macs")), is_full=is_full)


@click.command(name="blocks")
@click.option("--markdown", is_flag=True, help="Print a Markdown table (the one in docs/language.md).")
@blocks_option
def blocks_command(markdown: bool) -> None:
    """The blocks that a network string can be made of, with their arguments."""
    from plainnet.blocks.reference import block_rows

    header, rows, width = ["block", "arguments", "what it is"], list(block_rows()), terminal_width()
    table = Table(header, rows, left=3)
    if markdown:
        quoted = [[f"`{name}`", f"`{arguments}`", text] for name, arguments, text in rows]
        click.echo(markdown_table(header, quoted, left=3))
    elif width is not None and width < table.width:
        click.echo("\n".join(_entry(name, arguments, text, width) for name, arguments, text in rows))
    else:
        show(table)


def _entry(name: str, arguments: str, text: str, width: int) -> str:
    """One block over several lines, where a table of all would be too wide."""
    return "\n".join([wrapped(f"{name}  {arguments}", width, indent=8), wrapped(f"    {text}", width, indent=4)])
