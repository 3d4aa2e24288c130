"""`plainnet export`: a network leaves for another place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_network, a_target
from plainnet.cli.network_options import NETWORK, network_options, pop_variant, take_network, tell_network
from plainnet.cli.screen import tell
from plainnet.errors import UsageError
from plainnet.export.registry import TARGETS

if TYPE_CHECKING:
    from plainnet.export import Weights
    from plainnet.naming import Subject

__all__ = ["export_command"]

_EPILOG = "\n".join(["\b", "Targets:", *(f"  {target.name:13} {target.summary}" for target in TARGETS.values())])


@click.command(name="export", epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("network", metavar=NETWORK, shell_complete=a_network)
@click.option("--to", "target", required=True, metavar="TARGET", shell_complete=a_target, help="The form; see below.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The folder to write: a new one, or an empty one."
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="A safetensors (or .pt) file whose weights are carried over. [default: those of a training run, of a search run that "
    "trained the network, of a weights file or an exported folder; none for others, or of the seed where a target needs some]",
)
@click.option("--no-weights", is_flag=True, help="Leave the weights of a training run or a weights file behind.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the weights where none are given.")
@click.option("--name", help="What the network is called. [default: its published name, or its hash]")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty, over files of the same names.")
@network_options
def export_command(network: str, target: str, out: Path, weights: Path | None, **options: Any) -> None:
    """Write a network as a folder that works by itself.

    A NETWORK is named in any way that `plainnet analyze` takes: of a search run it is the best network (RUN), the one of a
    rank (RUN:3) or of a hash (RUN#a1b2), of a training run the trained one. Weights that a run trained go with it.
    """
    from plainnet.export import export_network, find_target
    from plainnet.naming.exporting import origin_of, settled

    find_target(target)
    subject = take_network(
        network,
        trust=options["trust"],
        imports=options["imports"],
        resolution=options["resolution"],
        num_classes=options["num_classes"],
        variant=pop_variant(options),
        tell=False,
    )
    given = _weights(subject, weights, without=options["no_weights"])
    exported, subject = settled(subject, given, name=options["name"] or "")
    tell_network(subject)
    files = export_network(
        exported,
        to=target,
        out=out,
        weights=given,
        seed=options["seed"],
        origin=origin_of(subject),
        force=options["force"],
        tell=lambda note: tell(f"note: {note}", err=True, indent=4),
    )
    for file in files:
        click.echo(click.format_filename(file))
    if subject.with_se and not exported.variant.use_se:
        tell("note: the authors trained this network with squeeze-excite: --use-se exports it so", err=True)


def _weights(subject: Subject, path: Path | None, *, without: bool) -> Weights | None:
    """The weights that are carried over: those of the file that was given, or those that go with the network."""
    from plainnet.export import read_weights

    if without and path is not None:
        raise UsageError("--weights names weights and --no-weights leaves them behind; accepted: one of the two")
    source = path if path is not None else None if without else subject.weights
    return None if source is None else read_weights(source)
