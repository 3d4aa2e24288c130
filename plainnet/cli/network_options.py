"""What several commands share: which network is meant, at which size, in which variant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from plainnet.blocks.rows.layers import ACTIVATIONS
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.user import load_blocks
from plainnet.cli.screen import tell as print_line
from plainnet.files.text_files import printable
from plainnet.naming import Subject, evaluating, resolve

__all__ = [
    "BLOCK_FILES",
    "NETWORK",
    "Resolution",
    "blocks_option",
    "network_options",
    "pop_variant",
    "take_network",
    "tell_network",
    "trained_weights",
    "trust_option",
    "variant_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])

NETWORK = "NETWORK"
"""What commands call a network that may be named in any way."""


def take_network(
    text: str,
    *,
    trust: bool = False,
    imports: Iterable[str] = (),
    drop_bits: bool = False,
    resolution: int | tuple[int, int] | None = None,
    num_classes: int | None = None,
    variant: Variant = PLAIN,
    sizes: bool = True,
    tell: bool = True,
) -> Subject:
    """The network that a text names, with what the options say; what was taken is told on standard error.

    sizes: with its size and classes. tell: not, where the caller does so.
    """
    subject = resolve(text, trust=trust, imports=imports, drop_bits=drop_bits)
    subject = subject.saying(resolution=resolution, num_classes=num_classes, variant=variant)
    if tell:
        tell_network(subject, sizes=sizes)
    return subject


def tell_network(subject: Subject, *, sizes: bool = True) -> None:
    """Say what was taken and from where, on standard error."""
    print_line(printable(subject.line(sizes=sizes)), err=True, indent=4)
    for note in subject.notes:
        print_line(f"note: {printable(note)}", err=True, indent=4)


def trained_weights(text: str, imports: Iterable[str]) -> Path:
    """The file of the trained weights that a text names, told as any network; `UsageError` for a network that has none."""
    return evaluating.trained_weights(take_network(text, imports=imports, sizes=False))


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


BLOCK_FILES = "plainnet.block_files"
"""Where the context of a command keeps the files of `--blocks`, for commands that call others."""


def _load(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    for path in paths:
        load_blocks(path)
    ctx.meta[BLOCK_FILES] = paths
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


def trust_option(command: Command) -> Command:
    """`--trust`: Python files that a run names may run."""
    option = click.option(
        "--trust", is_flag=True, help="Run the Python files with blocks that RUN names, where they are needed."
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
    """Size, classes, variants, trust and own blocks: what every command on networks takes."""
    for option in reversed(
        [
            click.option(
                "--resolution",
                type=Resolution(),
                help="Input size, R or HxW. [default: as published, or as the run or the weights say, 224 otherwise]",
            ),
            click.option(
                "--num-classes",
                type=click.IntRange(min=0),
                help="Outputs of the classifier, 0 for none. [default: as published, or as the run or the weights say, 1000 "
                "otherwise]",
            ),
        ]
    ):
        command = option(command)
    return blocks_option(trust_option(variant_options(command)))


def pop_variant(options: dict[str, Any]) -> Variant:
    """Take the options of `variant_options` out of a command's options."""
    names = ("use_se", "no_reslink", "no_bn", "activation")
    return Variant(**{name: options.pop(name) for name in names})
