"""What several commands share: which network is meant, at which size, in which variant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from plainnet.blocks.rows.layers import ACTIVATIONS
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.user import load_blocks
from plainnet.cli.screen import tell as print_line
from plainnet.files.text_files import printable
from plainnet.naming import Subject, evaluating, resolve
from plainnet.naming.resolver import resolve_all

__all__ = [
    "NETWORK",
    "Resolution",
    "blocks_option",
    "imports_option",
    "network_options",
    "own_code_options",
    "pop_variant",
    "take_network",
    "take_networks",
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


def take_networks(
    texts: Sequence[str],
    *,
    trust: bool = False,
    imports: Iterable[str] = (),
    resolution: int | tuple[int, int] | None = None,
    num_classes: int | None = None,
    variant: Variant = PLAIN,
    sizes: bool = True,
) -> list[Subject]:
    """The networks that several texts name, each told as one alone; those that are called the same have numbers."""
    found = resolve_all(texts, trust=trust, imports=imports)
    subjects = [subject.saying(resolution=resolution, num_classes=num_classes, variant=variant) for subject in found]
    for subject in subjects:
        tell_network(subject, sizes=sizes)
    return subjects


def tell_network(subject: Subject, *, sizes: bool = True) -> None:
    """Say what was taken and from where, on standard error."""
    print_line(printable(subject.line(sizes=sizes)), err=True, indent=4)
    for note in subject.notes:
        print_line(f"note: {printable(note)}", err=True, indent=4)


def trained_weights(text: str, imports: Iterable[str], *, trust: bool) -> Path:
    """The file of the trained weights that a text names, told as any network; `UsageError` for a network that has none."""
    return evaluating.trained_weights(take_network(text, trust=trust, imports=imports, sizes=False))


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


OWN = ("--import", "--blocks")
"""Two names of one option: blocks of your own are code of your own."""


def _load(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    for name in names:
        if name.endswith(".py") or os.path.isfile(name):  # a folder is a package
            load_blocks(name)
        else:
            from plainnet.engine.run.registry import load_module

            load_module(name)
    return names


def imports_option(text: str) -> Callable[[Command], Command]:
    """`--import FILE|MODULE`: code of the user's own, for what imports it where it is needed. text: the help."""
    return click.option(*OWN, "imports", multiple=True, metavar="FILE|MODULE", help=text)


def own_code_options(command: Command) -> Command:
    """What every command takes that takes a NETWORK: `--trust`, and `--import FILE|MODULE`, which is imported before anything
    is read.
    """
    option = click.option(
        *OWN, "imports", multiple=True, metavar="FILE|MODULE", callback=_load, is_eager=True,
        help="Code of yours that a NETWORK needs: blocks, models, parts (may be given several times).",
    )  # fmt: skip
    return trust_option(option(command))


def blocks_option(command: Command) -> Command:
    """`--import FILE|MODULE` of a command that takes no network: the user's own blocks, imported before anything is read."""
    option = click.option(
        *OWN,
        "blocks",
        multiple=True,
        metavar="FILE|MODULE",
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
    return own_code_options(variant_options(command))


def pop_variant(options: dict[str, Any]) -> Variant:
    """Take the options of `variant_options` out of a command's options."""
    names = ("use_se", "no_reslink", "no_bn", "activation")
    return Variant(**{name: options.pop(name) for name in names})
