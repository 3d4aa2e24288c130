"""`plainnet export`: a network leaves for another place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.runs_by_rank import resolve_run
from plainnet.cli.screen import tell
from plainnet.cli.structures import Resolved, network_options, pop_variant, resolve_structure
from plainnet.export.registry import TARGETS
from plainnet.files.text_files import existing_path

if TYPE_CHECKING:
    from plainnet.blocks.rows.variants import Variant
    from plainnet.export import Network, Weights
    from plainnet.export.provenance import Origin

__all__ = ["export_command"]

_EPILOG = "\n".join(["\b", "Targets:", *(f"  {target.name:13} {target.summary}" for target in TARGETS.values())])


@click.command(name="export", epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("network", metavar="STRUCTURE|FILE|NAME|RUN[:rank]")
@click.option("--to", "target", required=True, metavar="TARGET", help="The form; see below.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The folder to write: a new one, or an empty one."
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="A safetensors (or .pt) file whose weights are carried over. [default: none, or of the seed where a target needs some]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the weights where none are given.")
@click.option("--name", help="What the network is called. [default: its published name, or its hash]")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty, over files of the same names.")
@click.option("--trust", is_flag=True, help="Run the Python files with blocks that RUN names, where they are needed.")
@network_options
def export_command(network: str, target: str, out: Path, weights: Path | None, **options: Any) -> None:
    """Write a network as a folder that works by itself.

    The network is a structure string, a file that holds one ("-" for standard input), the name of a published network
    (`plainnet list`), or a search run (its best network, or the one of a rank: runs/my_search:3).
    """
    from plainnet.export import export_network, find_target, read_weights

    find_target(target)
    resolved, variant, origin = _resolve(network, pop_variant(options), trust=options["trust"])
    given = None if weights is None else read_weights(weights)
    exported, assumed = _network(network, resolved, variant, given, options)
    if assumed:
        tell(f"assumed: {' and '.join(assumed)}", err=True)
    files = export_network(
        exported,
        to=target,
        out=out,
        weights=given,
        seed=options["seed"],
        origin=origin,
        force=options["force"],
        tell=lambda note: tell(f"note: {note}", err=True, indent=4),
    )
    for file in files:
        click.echo(click.format_filename(file))
    if resolved.published_with_se and not exported.variant.use_se:
        tell("note: the authors trained this network with squeeze-excite: --use-se exports it so", err=True)


def _network(
    text: str, resolved: Resolved, variant: Variant, given: Weights | None, options: dict[str, Any]
) -> tuple[Network, list[str]]:
    """The network to export: what was not said comes from the weights, then from where it was published or found. With it
    what was assumed, because nothing says it.
    """
    from plainnet.export import Network

    resolution, classes, norm_eps = options["resolution"], options["num_classes"], resolved.norm_eps
    story = None if given is None else given.story
    if story is not None:
        if resolution is None and story.shape is not None:
            resolution = story.shape[1:]
        norm_eps = norm_eps if story.norm_eps is None else story.norm_eps
        variant = story.variant if story.variant is not None and not variant.options() else variant
    if classes is None and given is not None:
        classes = given.classes
    network = Network(
        resolved.structure,
        resolution or resolved.resolution,
        resolved.num_classes if classes is None else classes,
        variant,
        name=options["name"] or _name(text, resolved),
        norm_eps=norm_eps,
    )
    assumed = []
    if not resolved.is_known:
        assumed += [] if resolution else [f"images of {resolved.resolution}x{resolved.resolution} (--resolution)"]
        has_classes = classes is not None or network.brings_head
        assumed += [] if has_classes else [f"{resolved.num_classes} classes (--num-classes)"]
    return network, assumed


def _name(text: str, resolved: Resolved) -> str:
    """What the network is called: as it was published or found, as its file without the suffix (what no name may hold
    replaced by _), or nothing.
    """
    from plainnet.export.literals import name_from

    name = resolved.name or ""
    return name_from(Path(name).stem if name == Path(text).name else name)


def _resolve(text: str, variant: Variant, *, trust: bool) -> tuple[Resolved, Variant, Origin | None]:
    """The network that is named, its variant, and how it was found if it comes from a search run."""
    # a structure is often too long for a path, which existing_path alone takes
    may_be_run = existing_path(text) or existing_path(text.rpartition(":")[0])
    found = resolve_run(text, trust=trust) if may_be_run else None
    if found is None:
        return resolve_structure(text), variant, None
    resolved, origin = found
    return resolved, replace(variant, use_se=variant.use_se or resolved.published_with_se), origin
