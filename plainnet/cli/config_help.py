"""`plainnet train CONFIG --help`: beside the command's options the keys of the configuration, the engine's and those of your own
trainer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from plainnet.errors import PlainnetError

__all__ = ["CommandWithKeys"]

FORMS = (".yaml", ".yml", ".py")


class CommandWithKeys(click.Command):
    """A command whose help lists the keys of the configuration that is named before --help, where one is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words are kept: --help ends before they are read."""
        ctx.meta[__name__] = tuple(args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The keys, each with its value and its meaning."""
        from plainnet.engine.run.schema import recipes

        words = ctx.meta.get(__name__, ())
        named = (word for word in words if word in recipes() or (word.endswith(FORMS) and Path(word).is_file()))
        what = next(named, None)
        if what is None:
            return
        try:
            rows = _keys(what)
        except PlainnetError as error:
            rows = [(what, f"cannot be read: {str(error).splitlines()[0]}")]
        with formatter.section(f"Keys of {what}"):
            formatter.write_dl(rows)


def _keys(what: str) -> list[tuple[str, str]]:
    from plainnet.engine.run.build import trainer_kind
    from plainnet.engine.run.name_check import own_arguments
    from plainnet.engine.run.registry import Registry
    from plainnet.engine.run.schema import recipes
    from plainnet.engine.run.training_run import load_config

    config = load_config(recipes().get(what, Path(what)))
    rows = [(f"{entry.key}={json.dumps(entry.value)}", entry.description or " ") for entry in config.entries()]
    if config.value.train.type is None:
        return rows
    kind: Any = trainer_kind(config.value, Registry(config.value.imports))
    said = config.value.train.arguments
    mine = [name for name in own_arguments(kind) if name not in said]
    return [*rows, *((f"train.arguments.{name}=...", f"Of {config.value.train.type}.") for name in mine)]
