"""`plainnet store convert`: a stored network for other platforms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plainnet.cli.completion import a_stored_network
from plainnet.cli.network_options import Resolution, blocks_option
from plainnet.cli.screen import show, tell
from plainnet.cli.store import json_option, root_of, store_option
from plainnet.errors import PlainnetError, UsageError
from plainnet.files.text_files import printable
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.naming import Subject
    from plainnet.network.plain_net import PlainNet
    from plainnet.platforms.conversion import Conversion

__all__ = ["convert_command"]


class Sizes(click.ParamType):  # type: ignore[type-arg]
    """224,160,257x193."""

    name = "R|HxW,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[int, int], ...]:
        if isinstance(value, tuple):
            return value
        found = [Resolution().convert(each.strip(), param, ctx) for each in str(value).split(",")]
        return tuple(each if isinstance(each, tuple) else (each, each) for each in found)


@click.command(name="convert")
@click.argument("name", metavar="NAME", shell_complete=a_stored_network)
@click.option(
    "--to", "platforms", required=True, metavar="PLATFORM,...", help="onnxruntime, openvino, torch.export, ..."
)
@click.option(
    "--sizes",
    type=Sizes(),
    help="To compare at, with usual ones up to three. [default: as trained, an odd one, one that is not square]",
)
@blocks_option
@store_option
@json_option
def convert_command(
    name: str, platforms: str, sizes: tuple[tuple[int, int], ...] | None, store: Path | None, as_json: bool
) -> None:
    """Convert a stored network, compare it at several sizes with the network itself, and keep it beside it, in
    conversions/PLATFORM. Exit code 1 where a platform does not take it.
    """
    from plainnet.naming import resolve
    from plainnet.platforms.networks import to_platform
    from plainnet.platforms.platform import find_platform
    from plainnet.store.conversions import keep_conversion
    from plainnet.store.keeping import change_record, with_sizes
    from plainnet.store.reading import record_of

    root = root_of(store)
    found, folder, record = record_of(root, name)
    chosen = [find_platform(each.strip()).name for each in platforms.split(",")]
    net = _built(resolve(str(folder)), found.short)
    told: list[Conversion] = []
    failed: dict[str, str] = {}
    for platform in chosen:

        def convert(place: Path, platform: str = platform) -> Conversion:
            return to_platform(net, platform, place, sizes=sizes or (), name=found.short)

        try:
            told.append(keep_conversion(root, found.path, platform, convert, converted=record)[1])
        except PlainnetError as error:
            failed[platform] = str(error)
    tried = {tuple(one.shape[2:]) for about in told for one in about.measured}
    if tried:
        change_record(root, found.path, lambda now: with_sizes(now, sorted(tried)), measured=record)
    if as_json:
        click.echo(json.dumps({"converted": [about.as_dict() for about in told], "failed": failed}, allow_nan=False))
    elif told:
        for about in told:
            if about.not_compared is not None:
                tell(printable(f"{about.platform}: converted, and {about.not_compared}"), err=True, indent=4)
        show(Table(["platform", "largest error", "samples", "size"], [_row(about) for about in told]))
    for platform, why in failed.items():
        click.echo(printable(f"{platform}: {why}"), err=True)
    if failed:
        raise SystemExit(1)


def _built(subject: Subject, called: str) -> PlainNet:
    """The network with its weights."""
    from plainnet.files.tensor_files import read_tensors
    from plainnet.network.plain_net import PlainNet

    if subject.structure is None or subject.weights is None:
        raise UsageError(f"{called} is a module of your own; accepted: a network string")
    net = PlainNet(
        subject.structure,
        num_classes=subject.num_classes.value,
        resolution=subject.size,
        variant=subject.variant.value,
        norm_eps=subject.norm_eps.value,
        init="default",
    )
    net.load_state_dict(read_tensors(subject.weights, ours=True)[0])
    return net


def _row(about: Conversion) -> list[str]:
    compared = [one.error for one in about.measured if one.error is not None]
    largest = f"{max(compared):.1e}" if compared else "not compared"
    return [about.platform, largest, str(len(about.measured)), "free" if about.any_size else "fixed"]
