"""`plainnet list` and `plainnet blocks`: what there is."""

from __future__ import annotations

import json

import click

from plainnet.cli.structures import blocks_option
from plainnet.cli.tables import fit_columns, markdown_table, table_width, terminal_width, text_table, wrapped

__all__ = ["blocks_command", "list_command"]


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the strings.")
def list_command(as_json: bool) -> None:
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
    header, width = ["name", "resolution", "params", "macs", "layers", "trained with SE"], terminal_width()
    if width is not None:
        header, rows, _ = fit_columns(header, rows, width, drop=("trained with SE", "resolution", "layers", "macs"))
    click.echo(text_table(header, rows, rule=False))


@click.command(name="blocks")
@click.option("--markdown", is_flag=True, help="Print a Markdown table (the one in docs/language.md).")
@blocks_option
def blocks_command(markdown: bool) -> None:
    """The blocks that a network string can be made of, with their arguments."""
    from plainnet.blocks.reference import block_rows

    header, rows, width = ["block", "arguments", "what it is"], list(block_rows()), terminal_width()
    if markdown:
        quoted = [[f"`{name}`", f"`{arguments}`", text] for name, arguments, text in rows]
        click.echo(markdown_table(header, quoted, left=3))
    elif width is not None and width < table_width(header, rows):
        click.echo("\n".join(_entry(name, arguments, text, width) for name, arguments, text in rows))
    else:
        click.echo(text_table(header, rows, left=3, rule=False))


def _entry(name: str, arguments: str, text: str, width: int) -> str:
    """One block over several lines, where a table of all would be too wide."""
    return "\n".join([wrapped(f"{name}  {arguments}", width, indent=8), wrapped(f"    {text}", width, indent=4)])
