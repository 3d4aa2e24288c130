"""What `search` and `sweep` share: the options that a configuration is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plainnet.blocks.user import load_blocks
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.search.config import SearchConfig
    from plainnet.search.rungs import Rung

__all__ = ["Count", "config_from", "search_options", "tell_advice"]

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
}
"""Option -> (budget, help)."""


def _load(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    for path in paths:
        load_blocks(path)
    return tuple(str(Path(path).resolve()) for path in paths)


def search_options(command: Command) -> Command:
    """The options of a search's configuration, collected by `config_from`."""
    from plainnet.search.strategies import STRATEGIES

    options = [
        click.option(
            "--objective",
            "objectives",
            multiple=True,
            metavar="NAME",
            help="What is optimised: zen, composite, a cost such as macs, or FILE.py:FUNCTION; min: or max: before it "
            "says the direction. Several with --strategy nsga2. [default: the space's]",
        ),
        click.option("--resolution", type=click.IntRange(min=1), help="Side of the input. [default: the space's]"),
        click.option("--num-classes", type=click.IntRange(min=0), help="Classifier outputs. [default: the space's]"),
        click.option("--use-se", is_flag=True, help="Count networks with squeeze-excite."),
        *(
            click.option(f"--{name.replace('_', '-')}", name, type=Count(), help=text)
            for name, (_, text) in LIMITS.items()
        ),
        click.option(
            "--max-latency-ms",
            type=click.FloatRange(min=0, min_open=True),
            help="Milliseconds for one image in one thread: predicted by a fit on this machine, measured for finalists.",
        ),
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
            help="Candidates of an island between migrations. [default: 2500; 250 for a function]",
        ),
        click.option("--crossover", type=click.FloatRange(0, 1), default=0.0, help="Probability of two parents."),
        click.option(
            "--ladder",
            metavar="RUNGS",
            help="PROXY:KEEP[:REPEATS[:MAX]] separated by commas, or none. [default for zen: zen:1000:1:1,zen_mc:3:2:2]",
        ),
        click.option(
            "--blocks",
            "blocks",
            multiple=True,
            metavar="FILE",
            callback=_load,
            is_eager=True,
            help="Blocks of your own.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def config_from(space: str, candidates: int, options: dict[str, Any]) -> SearchConfig:
    """The configuration that options mean; what is not given comes from the space."""
    from plainnet.search.config import SearchConfig
    from plainnet.search.defaults import default_ladder
    from plainnet.search.space import load_space

    found = load_space(space)
    objectives = tuple(map(_absolute, options["objectives"])) or tuple(found.objectives)
    limits = dict(found.limits)
    limits.update({budget: options[name] for name, (budget, _) in LIMITS.items() if options[name] is not None})
    if options["max_latency_ms"] is not None:
        limits["latency_ms"] = options["max_latency_ms"]
    text = options["ladder"]
    ladder = default_ladder(objectives[0]) if text is None else _read_ladder(text)
    strategy = options["strategy"] or ("nsga2" if len(objectives) > 1 else "evolution")
    given = {name: options[name] for name in ("population", "islands", "epoch") if options[name] is not None}
    try:
        return SearchConfig(
            found,
            objectives=objectives,
            limits=limits,
            resolution=options["resolution"] or found.resolution,
            num_classes=found.num_classes if options["num_classes"] is None else options["num_classes"],
            use_se=options["use_se"] or found.use_se,
            candidates=candidates,
            seed=options["seed"],
            strategy=strategy,
            crossover=options["crossover"],
            ladder=ladder,
            blocks=options["blocks"],
            **given,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _read_ladder(text: str) -> tuple[Rung, ...]:
    """The rungs that a text names. An unknown proxy is found here, not when the evolution is over."""
    from plainnet.search.measures import find_measurement
    from plainnet.search.rungs import read_rung

    ladder = () if text == "none" else tuple(read_rung(rung) for rung in text.split(","))
    for rung in ladder:
        if rung.proxy != "zen_mc":  # known, and to look it up would import torch before anything is shown
            find_measurement(rung.proxy)
    return ladder


def tell_advice(config: SearchConfig) -> None:
    """Say before a search what is legal, but hardly meant."""
    from plainnet.search.advice import advice

    for text in advice(config):
        click.echo(f"note: {text}", err=True)


def _absolute(objective: str) -> str:
    """A function of a file with the file's whole path, so that workers and a resumed run find it."""
    source, sign, name = objective.rpartition(":")
    direction = source[:4] if source.startswith(("max:", "min:")) else ""
    file = source.removeprefix(direction)
    if sign and not direction == f"{source}:" and not (file and name):
        raise UsageError(f"no objective {objective!r}; a function is named FILE.py:FUNCTION or MODULE:FUNCTION")
    return f"{direction}{Path(file).resolve()}{sign}{name}" if file.endswith(".py") else objective
