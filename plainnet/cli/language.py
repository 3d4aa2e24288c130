"""`plainnet fmt`, `lint` and `convert`: work on the strings themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from plainnet.blocks.formats.formatting import pretty
from plainnet.cli.completion import a_network
from plainnet.cli.network_options import NETWORK, network_options, own_code_options, pop_variant, take_network
from plainnet.cli.screen import tell
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.blocks.structure import Structure
    from plainnet.naming import Subject

__all__ = ["convert_command", "fmt_command", "lint_command"]


@click.command(name="fmt")
@click.argument("network", metavar=NETWORK, shell_complete=a_network)
@click.option("--pretty", "is_pretty", is_flag=True, help="One block a line, nested blocks indented.")
@own_code_options
def fmt_command(network: str, is_pretty: bool, trust: bool, imports: tuple[str, ...]) -> None:
    """Print a network in its canonical form; it may be named in any way, as for `plainnet analyze`."""
    structure = _structure(take_network(network, trust=trust, imports=imports, sizes=False), "fmt")
    click.echo(pretty(structure) if is_pretty else str(structure))


@click.command(name="lint")
@click.argument("network", metavar=NETWORK, shell_complete=a_network)
@network_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lint_command(network: str, as_json: bool, **options: Any) -> None:
    """Warn about what is legal but hardly meant; exit code 1 if there is anything."""
    from plainnet.blocks.formats.lint import lint
    from plainnet.blocks.rows.shapes import as_input_shape

    subject = take_network(
        network,
        trust=options["trust"],
        imports=options["imports"],
        resolution=options["resolution"],
        num_classes=options["num_classes"],
        variant=pop_variant(options),
    )
    structure = _structure(subject, "lint")
    shape = as_input_shape(structure.in_channels, subject.resolution.value)
    warnings = lint(structure, shape, variant=subject.variant.value)
    if as_json:
        click.echo(json.dumps([vars(warning) for warning in warnings], indent=2))
    else:
        for warning in warnings:
            tell(str(warning), indent=4)
        tell(f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}", err=True)
    if warnings:
        raise SystemExit(1)


@click.command(name="convert")
@click.argument("source", metavar="FILE[:N]|TEXT")
@click.option("--pretty", "is_pretty", is_flag=True, help="One block a line.")
@click.option("--drop-bits", is_flag=True, help="Read quantised blocks as those in full precision.")
@own_code_options
def convert_command(source: str, is_pretty: bool, drop_bits: bool, trust: bool, imports: tuple[str, ...]) -> None:
    """Turn a structure in another form into a network string: a TinyNAS file or configuration ("-" for standard input;
    FILE:2 for the second structure in it), a GENet string, a pasted list.
    """
    subject = take_network(source, trust=trust, imports=imports, drop_bits=drop_bits, sizes=False)
    structure = _structure(subject, "convert")
    click.echo(pretty(structure) if is_pretty else str(structure))


def _structure(subject: Subject, command: str) -> Structure:
    if subject.structure is None:
        raise UsageError(f"{subject.said} is a module; accepted: a structure ({command} works on network strings)")
    return subject.structure
