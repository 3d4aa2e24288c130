"""What a kept search or sweep was asked for, for commands that ask the same in another way."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.search.settings.config import SearchConfig

__all__ = ["config_of", "is_given", "refuse_options", "trusted"]


def is_given(option: str) -> bool:
    """Whether an option of the command that runs was given."""
    return click.get_current_context().get_parameter_source(option) not in (None, ParameterSource.DEFAULT)


def refuse_options(accepted: Collection[str], reason: str) -> None:
    """`UsageError` for an option that was given and is not one of those accepted, with the reason."""
    context = click.get_current_context()
    for option in context.command.params:
        if is_given(option.name or "") and option.expose_value and option.name not in accepted:
            raise UsageError(f"{option.opts[0]} {reason}")


def trusted(config: SearchConfig, blocks: tuple[str, ...]) -> SearchConfig:
    """The configuration, where all Python code that it names is among the files that --blocks names; else `UsageError`."""
    from plainnet.search.runs.trusting import code_of

    missing = [each for each in code_of(config) if each not in blocks]
    if missing:
        raise UsageError(f"the run names Python code: {', '.join(missing)}; look at it, then name blocks with --blocks")
    return config


def config_of(folder: Path, blocks: tuple[str, ...]) -> tuple[SearchConfig, str | None]:
    """What a run or a sweep was asked for, and the budget that a sweep of searches varies."""
    from plainnet.search.runs.kept_optima import is_exact_sweep, read_optima
    from plainnet.search.runs.kept_runs import opened
    from plainnet.search.runs.kept_sweeps import config_of_sweep, is_sweep

    if is_exact_sweep(folder):
        return trusted(read_optima(folder).config, blocks), None
    if is_sweep(folder):
        config, budget = config_of_sweep(folder)
        return trusted(config, blocks), budget
    with opened(folder) as store:
        return trusted(store.config, blocks), None
