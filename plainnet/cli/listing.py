"""`plainnet list` and `plainnet blocks`: what there is."""

from __future__ import annotations

import json

import click

from plainnet.cli.structures import blocks_option
from plainnet.cli.tables import markdown_table, text_table

__all__ = ["blocks_command", "list_command"]


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the strings.")
def list_command(as_json: bool) -> None:
    """The published networks that can be used by name, with exact counts."""
    from plainnet.blocks.network import count_network
    from plainnet.blocks.shapes import as_input_shape
    from plainnet.blocks.variants import Variant
    from plainnet.published import published_networks

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
    click.echo(text_table(header, rows, rule=False))


@click.command(name="blocks")
@click.option("--markdown", is_flag=True, help="Print a Markdown table (the one in docs/language.md).")
@blocks_option
def blocks_command(markdown: bool) -> None:
    """The blocks that a network string can be made of, with their arguments."""
    from plainnet.blocks.reference import block_rows

    header = ["block", "arguments", "what it is"]
    rows = [
        [f"`{name}`", f"`{arguments}`", text] if markdown else [name, arguments, text]
        for name, arguments, text in block_rows()
    ]
    click.echo(markdown_table(header, rows, left=3) if markdown else text_table(header, rows, left=3, rule=False))
