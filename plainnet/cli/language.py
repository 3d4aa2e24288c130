"""`plainnet fmt`, `lint` and `convert`: work on the strings themselves."""

from __future__ import annotations

import json
from typing import Any

import click

from plainnet.blocks.formats.formatting import pretty
from plainnet.cli.screen import tell
from plainnet.cli.structures import blocks_option, network_options, pop_variant, read_named, resolve_structure
from plainnet.errors import UsageError

__all__ = ["convert_command", "fmt_command", "lint_command"]


@click.command(name="fmt")
@click.argument("network", metavar="STRUCTURE|FILE|NAME")
@click.option("--pretty", "is_pretty", is_flag=True, help="One block a line, nested blocks indented.")
@blocks_option
def fmt_command(network: str, is_pretty: bool) -> None:
    """Print a network in its canonical form."""
    structure = resolve_structure(network).structure
    click.echo(pretty(structure) if is_pretty else str(structure))


@click.command(name="lint")
@click.argument("network", metavar="STRUCTURE|FILE|NAME")
@network_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lint_command(network: str, as_json: bool, **options: Any) -> None:
    """Warn about what is legal but hardly meant; exit code 1 if there is anything."""
    from plainnet.blocks.formats.lint import lint
    from plainnet.blocks.rows.shapes import as_input_shape

    resolved = resolve_structure(network)
    shape = as_input_shape(resolved.structure.in_channels, options["resolution"] or resolved.resolution)
    warnings = lint(resolved.structure, shape, variant=pop_variant(options))
    if as_json:
        click.echo(json.dumps([vars(warning) for warning in warnings], indent=2))
    else:
        for warning in warnings:
            tell(str(warning), indent=4)
        click.echo(f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}", err=True)
    if warnings:
        raise SystemExit(1)


@click.command(name="convert")
@click.argument("source", metavar="FILE[:N]|TEXT")
@click.option("--pretty", "is_pretty", is_flag=True, help="One block a line.")
@click.option("--drop-bits", is_flag=True, help="Read quantised blocks as those in full precision.")
@blocks_option
def convert_command(source: str, is_pretty: bool, drop_bits: bool) -> None:
    """Turn a structure in another form into a network string: a TinyNAS file or configuration ("-" for standard input;
    FILE:2 for the second structure in it), a GENet string, a pasted list.
    """
    read, path = read_named(source, drop_bits=drop_bits)
    if read is None:
        shown = source if len(source) <= 80 else f"{source[:79]}…"
        what = f"{shown} is a directory" if path is not None else f"no file {shown!r}"
        raise UsageError(f"{what}; accepted: a file with a structure, or its text")
    click.echo(pretty(read.structure) if is_pretty else str(read.structure))
