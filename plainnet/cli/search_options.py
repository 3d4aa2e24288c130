"""What `search` and `sweep` share: the options that a configuration is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plainnet.blocks.user import load_blocks

if TYPE_CHECKING:
    pass

__all__ = ["Count", "budget_options", "limits_from", "load_own_blocks", "search_options", "train_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


class Count(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A whole number, also written 1e6."""

    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            number = float(str(value).replace("_", "").replace(",", ""))
        except ValueError:
            number = -1.0
        if not (math.isfinite(number) and number > 0 and number == int(number)):
            self.fail(f"{value!r} is no positive whole number; accepted: 480000, 1e6", param, ctx)
        return int(number)


LIMITS = {
    "max_params": ("params", "Learnable scalars at most, the classifier included."),
    "max_macs": ("macs", "Multiply-accumulates for one image at most, the classifier included."),
    "max_layers": ("layers", "Layers at most, as the published work counts them."),
    "max_activations": ("activations", "Elements at most that convolutions and linear layers put out."),
    "max_peak_activation": ("peak_activation", "Elements alive at once at most, for one image."),
    "max_convolutions": ("convolutions", "Convolutions of the main path at most (the layers of TinyNAS)."),
    "max_rho": ("rho", "DeepMAD's effectiveness at most: depth over mean width, about 0.3 to 0.5."),
    "max_latency_ms": (
        "latency_ms",
        "Milliseconds for one image in one thread: predicted by a fit on this machine, measured for finalists.",
    ),
}
"""Option -> (budget, help)."""
NO_COUNTS = ("max_rho", "max_latency_ms")
"""Budgets that are no whole numbers."""


def budget_options(command: Command) -> Command:
    """An option for every budget, collected by `limits_from`."""
    for name, (_, text) in reversed(LIMITS.items()):
        kind = click.FloatRange(min=0, min_open=True) if name in NO_COUNTS else Count()
        command = click.option(f"--{name.replace('_', '-')}", name, type=kind, help=text)(command)
    return command


def limits_from(options: dict[str, Any]) -> dict[str, float]:
    """The budgets that options give."""
    return {budget: options[name] for name, (budget, _) in LIMITS.items() if options[name] is not None}


def load_own_blocks(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    for path in paths:
        load_blocks(path)
    return tuple(str(Path(path).resolve()) for path in paths)


def search_options(command: Command) -> Command:
    """The options of a search's configuration, collected by `config_from`."""
    options = [*_question_options(), *_strategy_options(), *_ladder_options()]
    for option in reversed(options):
        command = option(command)
    return command


Option = Callable[[Any], Any]


def _question_options() -> list[Option]:
    """What is searched for."""
    return [
        click.option(
            "--objective",
            "objectives",
            multiple=True,
            metavar="NAME",
            help="What is optimised: zen, composite, a cost such as macs, any proxy of `plainnet score` with options as in "
            "'deepmad(ratios=[1,1,1,1,8], depth_penalty=10)', or FILE.py:FUNCTION, called with a Structure and a Setting; "
            "min: or max: before it says the direction. Several with --strategy nsga2. [default: the space's]",
        ),
        click.option("--resolution", type=click.IntRange(1, 65_536), help="Side of the input. [default: the space's]"),
        click.option("--num-classes", type=click.IntRange(min=0), help="Classifier outputs. [default: the space's]"),
        click.option("--use-se", is_flag=True, help="Count networks with squeeze-excite."),
        budget_options,
        click.option(
            "--latency-table",
            metavar="FILE",
            help="Predict latencies by a table of this machine (`plainnet lut build`) instead of by a fit to 16 networks.",
        ),
    ]


def _strategy_options() -> list[Option]:
    """How."""
    from plainnet.search.strategies import STRATEGIES

    return [
        click.option("--seed", default=0, show_default=True, help="Same seed, same result."),
        click.option(
            "--strategy",
            type=click.Choice(list(STRATEGIES)),
            help="; ".join(f"{name}: {each.about}" for name, each in STRATEGIES.items())
            + ". [default: evolution; nsga2 for several objectives]",
        ),
        click.option("--population", type=click.IntRange(min=3), help="Members of each island's population."),
        click.option("--islands", type=click.IntRange(min=1), help="Populations that exchange migrants."),
        click.option(
            "--epoch",
            type=Count(),
            help="Candidates of an island between migrations. [default: 2500; 250 for what may take its time]",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0),
            default=0.0,
            metavar="SECONDS",
            help="A candidate that takes longer fails (functions, proxies and blocks of your own). [default: any time]",
        ),
        click.option(
            "--start",
            metavar="optimum[:OBJECTIVE]",
            help="Start the islands from the best networks that an exact search knows: by the objective where it is a sum over "
            "blocks, else by zen, or by another one. [default: the space's start]",
        ),
        click.option("--crossover", type=click.FloatRange(0, 1), default=0.0, help="Probability of two parents."),
    ]


def _ladder_options() -> list[Option]:
    """What the best are measured by, and blocks of the user's own."""
    return [
        click.option(
            "--ladder",
            metavar="RUNGS",
            help="PROXY:KEEP[:REPEATS[:MAX]] separated by commas, or none; train:KEEP[:SEEDS[:MAX]] trains, train@N for N "
            "epochs. [default for zen alone: zen:1000:1:1,zen_mc:3:2:2]",
        ),
        click.option(
            "--blocks",
            "blocks",
            multiple=True,
            metavar="FILE",
            callback=load_own_blocks,
            is_eager=True,
            help="Blocks of your own.",
        ),
    ]


def train_options(command: Command) -> Command:
    """The options of a search whose ladder trains."""
    options = [
        click.option(
            "--train-config", metavar="YAML|RECIPE", help="How a rung that trains does it (`plainnet config list`)."
        ),
        click.option(
            "--train-set",
            multiple=True,
            metavar="KEY=VALUE",
            help="A change of it, such as train.epochs=20 (several times).",
        ),
        click.option(
            "--train-rounds",
            type=click.IntRange(min=1),
            default=None,
            help="Train in so many rounds, each learning from those before.",
        ),
        click.option(
            "--train-budget", type=click.IntRange(min=1), help="With --train-rounds: networks that are trained in all."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
