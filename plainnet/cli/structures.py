"""What several commands share: which network is meant, at which size, in which variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from plainnet.blocks.layers import ACTIVATIONS
from plainnet.blocks.structure import Structure, parse
from plainnet.blocks.tinynas_format import from_tinynas, looks_like_tinynas
from plainnet.blocks.user import load_blocks
from plainnet.blocks.variants import Variant
from plainnet.cli.files import existing_path, read_file, read_standard_input
from plainnet.errors import UsageError
from plainnet.published import NORM_EPS, find_published

__all__ = [
    "Resolution",
    "Resolved",
    "blocks_option",
    "network_options",
    "pop_variant",
    "read_structure",
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


def resolve_structure(text: str) -> Resolved:
    """The network of a structure string, a file (`-` for standard input) or the name of a published network.

    A file that is there wins, whatever its name looks like.
    """
    if text == "-":
        return Resolved(read_structure(read_standard_input()))
    path = existing_path(text)
    if path is not None and not path.is_dir():
        return Resolved(read_structure(read_file(path)), name=path.name if path.is_file() else None)
    if "(" in text or looks_like_tinynas(text):
        return Resolved(read_structure(text))
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


def read_structure(text: str) -> Structure:
    """The structure of a text: a network string, or a TinyNAS structure."""
    return from_tinynas(text) if looks_like_tinynas(text) else parse(text)


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
                help="In place of ReLU.",
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
