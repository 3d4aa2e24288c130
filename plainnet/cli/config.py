"""`plainnet config`: training configurations looked at without training."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_recipe_or_network
from plainnet.cli.network_options import imports_option
from plainnet.cli.screen import tell
from plainnet.errors import UsageError, nearest
from plainnet.files.file_kinds import reading
from plainnet.files.text_files import printable
from plainnet.files.whole_files import write_whole

if TYPE_CHECKING:
    from plainnet.configs import Config
    from plainnet.engine.run.schema import TrainConfig

__all__ = ["config_command"]


@click.group(name="config")
def config_command() -> None:
    """Look at training configurations: show, check, explain, new, list."""


def read(what: str, overrides: tuple[str, ...], imports: tuple[str, ...], *, names: bool) -> Config[TrainConfig]:
    """The configuration of a file, a recipe or a run folder; `names` checks names and arguments too (imports torch)."""
    from plainnet.configs import read_config
    from plainnet.engine.run.schema import TrainConfig, recipes

    known = recipes()
    path = known.get(what, Path(what))
    if os.path.isdir(path):  # any text may be asked about, also one that is too long for a path
        path = path / "config.yaml"
    if not os.path.isfile(path):
        near = nearest(what, known)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"there is no configuration {what}{hint}; recipes: {', '.join(known)}")
    if names:
        from plainnet.engine.run.training_run import load_config

        return load_config(path, overrides=overrides, imports=imports)
    with reading(path, "training configuration"):
        return read_config(path, TrainConfig, overrides=overrides, named=known)


def what_arguments(command: Any) -> Any:
    """CONFIG and its overrides."""
    command = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(command)
    return click.argument("what", metavar="CONFIG|RECIPE|RUN", shell_complete=a_recipe_or_network)(command)


@config_command.command("show")
@what_arguments
@click.option("--plot", type=click.Choice(["lr"]), help="The learning rate over the run, as a plot; reads the data.")
@imports_option("Code of yours, for --plot.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, without origins.")
@click.option("--python", "as_python", is_flag=True, help="Print assignments in Python, in place of YAML.")
def show(
    what: str, overrides: tuple[str, ...], plot: str | None, imports: tuple[str, ...], as_json: bool, as_python: bool
) -> None:
    """Print the effective configuration, with the origin of each value."""
    if plot is not None:
        from plainnet.engine.run.rate_plan import planned_rates

        curve = planned_rates(read(what, overrides, imports, names=True))
        click.echo(json.dumps(vars(curve)) if as_json else "\n".join(curve.lines()))
        return
    config = read(what, overrides, (), names=False)
    text = config.dump(form="python" if as_python else "yaml")
    click.echo(json.dumps(config.plain(), indent=2) if as_json else text, nl=as_json)


@config_command.command("check")
@what_arguments
@imports_option("Code of yours that the config names.")
def check(what: str, overrides: tuple[str, ...], imports: tuple[str, ...]) -> None:
    """Check keys, values, names and arguments; exit 2 with every problem and its place."""
    read(what, overrides, imports, names=True)
    tell(f"{what} is fine", indent=4)


@config_command.command("explain")
@what_arguments
def explain(what: str, overrides: tuple[str, ...]) -> None:
    """Print each key with its value, where the value came from, what it was laid over, and what the key means.

    Give keys (without =) to see only those: plainnet config explain quick optim data.batch_size
    """
    keys = [item for item in overrides if "=" not in item]
    config = read(what, tuple(item for item in overrides if "=" in item), (), names=False)
    entries = config.entries()
    for key in keys:
        if not any(_under(entry.key, key) for entry in entries):
            near = nearest(key, [entry.key for entry in entries])
            raise UsageError(f"there is no key {key}" + (f"; did you mean {near}?" if near else ""))
    for entry in entries:
        if not keys or any(_under(entry.key, key) for key in keys):
            tell(f"{entry.key} = {json.dumps(entry.value)}", indent=8)
            tell(f"    from {entry.origin}", indent=8)
            for value, origin in entry.over:
                tell(f"    over {json.dumps(value)} from {origin}", indent=8)
            if entry.description:
                tell(f"    {entry.description}", indent=4)


def _under(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith(f"{prefix}.")


@config_command.command("new")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--recipe", default="quick", show_default=True, help="The recipe to start from.")
def new(file: Path | None, recipe: str) -> None:
    """Write a configuration to start from, every key with its meaning; to FILE, or to standard output."""
    from plainnet.configs import dump_values

    config = read(recipe, (), (), names=False)
    meanings = {entry.key: entry.description for entry in config.entries()}
    values = config.plain()
    del values["run"], values["derived"]
    body = dump_values(values, origin=lambda path: meanings.get(".".join(map(str, path)), ""))
    quoted = printable(quote(str(file or "FILE")))  # in one line, whatever the file is called
    text = f"# Started from the recipe {recipe}; train it with: plainnet train {quoted}\n" + body
    if file is None:
        click.echo(text, nl=False)
        return
    if os.path.lexists(file):
        raise UsageError(f"{file} exists already")
    write_whole(file, text)
    tell(f"wrote {file}; train it with: plainnet train {quote(str(file))}", indent=4)


@config_command.command("list")
def list_recipes() -> None:
    """Print the recipes and what they are."""
    from plainnet.engine.run.schema import recipes

    for name, path in recipes().items():
        first = path.read_text(encoding="utf-8").splitlines()[0]
        tell(f"{name:26} {first.removeprefix('# ')}", indent=27)
