"""What several commands share: which network is meant, at which size, in which variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from plainnet.blocks.formats.foreign import ForeignNetwork, is_written_out, read_network
from plainnet.blocks.rows.layers import ACTIVATIONS
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure
from plainnet.blocks.user import load_blocks
from plainnet.cli.files import read_standard_input
from plainnet.cli.screen import tell
from plainnet.errors import StructureError, UsageError
from plainnet.files.text_files import existing_path, read_text
from plainnet.network.published import NORM_EPS, find_published

__all__ = [
    "Resolution",
    "Resolved",
    "blocks_option",
    "network_options",
    "pop_variant",
    "read_named",
    "resolve_structure",
    "variant_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Resolved:
    """A network that was named on the command line, with the settings that it was published with, if it was."""

    structure: Structure
    name: str | None = None
    resolution: int = 224
    num_classes: int = 1000
    published_with_se: bool = False
    norm_eps: float = NORM_EPS
    is_known: bool = False
    """whether size and classes were published with it, or found with it; assumed otherwise"""
    notes: tuple[str, ...] = ()
    """what a reader should know about how it was read"""


def resolve_structure(text: str) -> Resolved:
    """The network of a structure string, a file (`-` for standard input) or the name of a published network. `FILE:2` is
    the second structure of a file that holds several. What a reader should know about the reading goes to standard error.

    A file that is there wins, whatever its name looks like.
    """
    read, path = read_named(text)
    if read is not None:
        name = path.name if path is not None and path.is_file() else None
        return Resolved(read.structure, name=name, notes=read.notes)
    try:
        network = find_published(text)
    except UsageError:
        if path is None:
            raise
        raise UsageError(f"{text} is a directory; accepted: a file, a structure or a published network") from None
    size, classes = network.resolution, network.num_classes
    return Resolved(
        network.structure, network.name, size, classes, network.use_se, norm_eps=network.norm_eps, is_known=True
    )


def read_named(text: str, *, drop_bits: bool = False) -> tuple[ForeignNetwork | None, Path | None]:
    """What a text says, or what the file says that it names, and that file's path; no network where it can only be the
    name of a published one.
    """
    if text == "-":
        return _read("standard input", read_standard_input(), None, drop_bits), None
    path, number = existing_path(text), None
    if path is None:
        path, number = _numbered(text)
    if path is not None and not path.is_dir():
        return _read(str(path), read_text(path), number, drop_bits), path
    if is_written_out(text):
        return _read(None, text, None, drop_bits), None
    return None, path


def _numbered(text: str) -> tuple[Path | None, int | None]:
    """The file and the number of `FILE:2`."""
    name, colon, number = text.rpartition(":")
    if colon and number.isascii() and number.isdigit() and len(number) < 6:
        return existing_path(name), int(number)
    return None, None


def _read(name: str | None, text: str, number: int | None, drop_bits: bool) -> ForeignNetwork:
    try:
        read = read_network(text, number=number, drop_bits=drop_bits)
    except StructureError as error:
        if name is None:
            raise
        first, *others = error.problems
        named = replace(first, message=f"{name}: {first.message}")
        raise StructureError([named, *others], text=error.text) from None
    for note in read.notes:
        tell(f"note: {note}", err=True, indent=4)
    return read


class Resolution(click.ParamType):  # type: ignore[type-arg]
    """R or HxW."""

    name = "R|HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, int]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        sides = value.lower().split("x")
        if len(sides) > 2 or not all(
            side.isascii() and side.isdigit() and 0 < int(side[:6]) <= 65_536 for side in sides
        ):
            self.fail(f"{value!r} is no size; accepted: 224, or 320x192 (height x width), up to 65536", param, ctx)
        return (int(sides[0]), int(sides[1])) if len(sides) == 2 else int(sides[0])


def _load(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    for path in paths:
        load_blocks(path)
    return paths


def blocks_option(command: Command) -> Command:
    """`--blocks FILE`: the user's own blocks, imported before anything is read."""
    option = click.option(
        "--blocks",
        "blocks",
        multiple=True,
        metavar="FILE",
        callback=_load,
        expose_value=False,
        is_eager=True,
        help="A Python file with blocks of your own (may be given several times).",
    )
    return option(command)


def variant_options(command: Command) -> Command:
    """The variants of a whole network, collected into one `variant` argument."""
    for option in reversed(
        [
            click.option("--use-se", is_flag=True, help="Squeeze-excite in every residual unit."),
            click.option("--no-reslink", is_flag=True, help="Without shortcuts and projections."),
            click.option("--no-bn", is_flag=True, help="Without batch norms."),
            click.option(
                "--activation",
                default="relu",
                show_default=True,
                type=click.Choice(ACTIVATIONS),
                metavar="NAME",
                help=f"In place of ReLU: {', '.join(ACTIVATIONS)}.",
            ),
        ]
    ):
        command = option(command)
    return command


def network_options(command: Command) -> Command:
    """Size, classes, variants and own blocks: what every command on networks takes."""
    for option in reversed(
        [
            click.option(
                "--resolution",
                type=Resolution(),
                help="Input size, R or HxW. [default: as published for a NAME, 224 otherwise]",
            ),
            click.option(
                "--num-classes",
                type=click.IntRange(min=0),
                help="Outputs of the classifier, 0 for none. [default: as published for a NAME, 1000 otherwise]",
            ),
        ]
    ):
        command = option(command)
    return blocks_option(variant_options(command))


def pop_variant(options: dict[str, Any]) -> Variant:
    """Take the options of `variant_options` out of a command's options."""
    names = ("use_se", "no_reslink", "no_bn", "activation")
    return Variant(**{name: options.pop(name) for name in names})
