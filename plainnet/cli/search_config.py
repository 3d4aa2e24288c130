"""What the options of a search mean: its configuration, its folder, and advice."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.cli.screen import tell
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.search.settings.config import SearchConfig
    from plainnet.search.settings.rungs import Rung

from plainnet.cli.search_options import limits_from

__all__ = ["config_from", "free_folder", "tell_advice", "with_latency_table"]


def config_from(space: str, candidates: int, options: dict[str, Any]) -> SearchConfig:
    """The configuration that options mean; what is not given comes from the space."""
    from plainnet.search.candidates.objective_names import absolute
    from plainnet.search.settings.config import SearchConfig
    from plainnet.search.settings.defaults import default_ladder
    from plainnet.search.space.space_files import load_space

    found = load_space(space)
    objectives = tuple(map(absolute, options["objectives"])) or tuple(found.objectives)
    limits = {**found.limits, **limits_from(options)}
    text = options["ladder"]
    ladder = default_ladder(*objectives) if text is None else _read_ladder(text)
    if options.get("train_budget") is not None or options.get("train_rounds"):
        ladder = _with_rounds(() if text is None else ladder, options)
    strategy = options["strategy"] or ("nsga2" if len(objectives) > 1 else "evolution")
    given = {name: options[name] for name in ("population", "islands", "epoch") if options[name] is not None}
    try:
        config = SearchConfig(
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
            timeout=options["timeout"],
            start=_read_start(options["start"]),
            ladder=ladder,
            blocks=options["blocks"],
            **_training(options, ladder),
            **given,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    return with_latency_table(config, options["latency_table"])


def with_latency_table(config: SearchConfig, table: str | None) -> SearchConfig:
    """The configuration with the table that `--latency-table` names."""
    if table is None:
        return config
    from plainnet.search.ladder.latency_budget import with_table

    return with_table(config, table)


def _with_rounds(ladder: tuple[Rung, ...], options: dict[str, Any]) -> tuple[Rung, ...]:
    """The ladder with a rung that trains in rounds at its end."""
    from plainnet.search.candidates.training_names import TRAIN, is_training
    from plainnet.search.settings.rungs import Rung

    budget, rounds = options["train_budget"], options["train_rounds"]
    if budget is None or not rounds:
        raise UsageError("training in rounds takes both --train-rounds N and --train-budget NETWORKS")
    if any(is_training(rung.proxy) for rung in ladder):
        raise UsageError("--train-rounds brings the rung that trains; accepted beside it: a --ladder without one")
    return (*ladder, Rung(TRAIN, budget, 1, 1))


def _training(options: dict[str, Any], ladder: tuple[Rung, ...]) -> dict[str, Any]:
    """What a ladder that trains adds to the configuration; the plan is read where a rung trains, which imports torch."""
    from plainnet.search.candidates.training_names import is_training

    source, changes = options.get("train_config"), options.get("train_set") or ()
    trains = any(is_training(rung.proxy) for rung in ladder)
    if not trains or source is None:
        if source is not None or changes:
            raise UsageError(
                "--train-config and --train-set are for a ladder that trains, such as --ladder zen:1000:1:1,train:8"
            )
        return {}
    from plainnet.engine.run.candidates import training_plan

    plan = training_plan(source, overrides=changes)
    return {"training": plan, "train_rounds": options["train_rounds"] or 0}


def _read_start(text: str | None) -> str:
    """Where a search starts, a file of the objective's with its whole path."""
    from plainnet.search.candidates.objective_names import absolute

    named, sign, objective = (text or "").partition(":")
    return f"{named}{sign}{absolute(objective)}"


def _read_ladder(text: str) -> tuple[Rung, ...]:
    """The rungs that a text names."""
    from plainnet.search.settings.rungs import read_rung

    return () if text == "none" else tuple(read_rung(rung) for rung in text.split(","))


def tell_advice(config: SearchConfig, given: Collection[str], *, objectives: Collection[str] = ()) -> None:
    """Say before a search which of its budgets and objectives nobody gave, and what is legal, but hardly meant."""
    from plainnet.search.settings.advice import about_default, advice

    said = None if objectives else about_default(config.objectives[0])
    for text in [*_taken_over(config, given), *advice(config), *([said] if said else [])]:
        tell(f"note: {text}", err=True, indent=4)


def _taken_over(config: SearchConfig, given: Collection[str]) -> list[str]:
    """The budgets that nobody gave: the space has them. What a configuration of TinyNAS means."""
    found = [f"{name} {limit:,.12g}" for name, limit in config.limits.items() if name not in given]
    told = [config.space.about] if " of TinyNAS, no classifier counted" in config.space.about else []
    return [*told, *([f"budgets of the space {config.space.name}: {', '.join(found)}"] if found else [])]


def free_folder(name: str) -> Path:
    """runs/NAME, or the first such name with a number that is not taken."""
    folder = Path("runs") / name
    number = 2
    while folder.exists():
        folder = Path("runs") / f"{name}-{number}"
        number += 1
    return folder
