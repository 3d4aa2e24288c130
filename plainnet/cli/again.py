"""The command that runs, as the words that would run it once more."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator

import click
from click.core import ParameterSource

__all__ = ["same_command"]


def same_command(*, without: Collection[str] = ()) -> list[str]:
    """Python with this command and its options as they were given, but for those of these names."""
    context = click.get_current_context()
    words: list[str] = []
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in without or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        if isinstance(parameter, click.Option):
            words += _said(parameter, context.params.get(name, True))
        else:
            given = context.params[name]
            arguments += map(str, given) if isinstance(given, tuple) else [str(given)]
    # a file of yours in the current folder is not found as a module of Python's, unless it was so for this process
    safe = [] if os.getcwd() in map(os.path.abspath, sys.path) else ["-P"]
    return [sys.executable, *safe, "-m", "plainnet", str(context.info_name), *words, "--", *arguments]


def _said(option: click.Option, value: object) -> Iterator[str]:
    for each in value if isinstance(value, tuple) else (value,):
        yield option.opts[0]
        if not option.is_flag:
            yield str(each)
