"""`plainnet draw`: a picture of a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from plainnet.cli.completion import a_network
from plainnet.cli.network_options import NETWORK, network_options, pop_variant, take_network
from plainnet.errors import UsageError
from plainnet.files.whole_files import own_name, write_whole

__all__ = ["draw_command"]


@click.command(name="draw")
@click.argument("network", metavar=NETWORK, shell_complete=a_network)
@click.option(
    "-o", "--output", metavar="FILE", help="The SVG file, - for standard output. [default: the network's name.svg]"
)
@network_options
def draw_command(network: str, output: str | None, **options: Any) -> None:
    """Draw a network's stages as blocks, to an SVG file that stands alone. A box is as high as the map that comes out (log
    scale), as wide as its layers are many, as dark as its share of the MACs; an arc is a value that is taken up again.

    \b
    plainnet draw resnet18 -o resnet18.svg
    plainnet draw runs/search:2
    """
    from plainnet.blocks.rows.shapes import as_input_shape
    from plainnet.profiler.network_drawing import draw_network

    subject = take_network(
        network,
        trust=options["trust"],
        imports=options["imports"],
        resolution=options["resolution"],
        num_classes=options["num_classes"],
        variant=pop_variant(options),
    )
    if subject.structure is None:
        raise UsageError(f"{network} is a module, which has no blocks to draw; accepted: a structure in any form")
    shape = as_input_shape(subject.structure.in_channels, subject.resolution.value)
    drawing = draw_network(subject.structure, shape, title=subject.label, variant=subject.variant.value)
    if output == "-":
        click.echo(drawing, nl=False)
        return
    path = Path(output or own_name(f"{re.sub(r'[^A-Za-z0-9._-]', '_', subject.label).strip('_')}.svg", "-o"))
    write_whole(path, drawing)
    click.echo(click.format_filename(path))
