"""`plainnet fmt`, `lint` and `convert`: work on the strings themselves."""

from __future__ import annotations

import json
from typing import Any

import click

from plainnet.blocks.formatting import pretty
from plainnet.blocks.tinynas_format import looks_like_tinynas
from plainnet.cli.files import existing_path, read_file, read_standard_input
from plainnet.cli.structures import blocks_option, network_options, pop_variant, read_structure, resolve_structure
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
    from plainnet.blocks.lint import lint
    from plainnet.blocks.shapes import as_input_shape

    resolved = resolve_structure(network)
    shape = as_input_shape(resolved.structure.in_channels, options["resolution"] or resolved.resolution)
    warnings = lint(resolved.structure, shape, variant=pop_variant(options))
    if as_json:
        click.echo(json.dumps([vars(warning) for warning in warnings], indent=2))
    else:
        for warning in warnings:
            click.echo(str(warning))
        click.echo(f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}", err=True)
    if warnings:
        raise SystemExit(1)


@click.command(name="convert")
@click.argument("source", metavar="FILE|TEXT")
@click.option("--pretty", "is_pretty", is_flag=True, help="One block a line.")
def convert_command(source: str, is_pretty: bool) -> None:
    """Turn a TinyNAS structure file ("-" for standard input), or its text, into a network string."""
    structure = read_structure(_source_text(source))
    click.echo(pretty(structure) if is_pretty else str(structure))


def _source_text(source: str) -> str:
    """The text of a file, of standard input ("-"), or the source itself where it is a TinyNAS structure."""
    if source == "-":
        return read_standard_input()
    path = existing_path(source)
    if path is not None:
        return read_file(path)
    if looks_like_tinynas(source):
        return source
    shown = source if len(source) <= 80 else f"{source[:79]}…"
    raise UsageError(f"no file {shown!r}; accepted: a TinyNAS structure file, or its text")
