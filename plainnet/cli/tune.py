"""`plainnet tune`: a search over settings of a training."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from plainnet.cli.completion import a_recipe_or_network
from plainnet.cli.network_options import imports_option, tell_network, trust_option
from plainnet.cli.run_config import refuse_options
from plainnet.cli.stopping import leave, stoppable
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.configs import Config
    from plainnet.engine.run.schema import TrainConfig

__all__ = ["tune_command"]

STOPPED = {"SIGTERM": 143}
"""Signal -> exit code of a search that it stopped, as shells count them; 130 for Ctrl-C."""


@click.command(name="tune")
@click.argument("what", metavar="CONFIG|NETWORK|TUNED", shell_complete=a_recipe_or_network)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=VALUES",
    help="What is tried: KEY=LOW:HIGH, with :log for small and large alike or :STEP, or KEY=A,B,C.",
)
@click.option("--trials", type=click.IntRange(min=1), help="How many trainings. [default: 20]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is tried.")
@click.option("--recipe", default="quick", show_default=True, help="The recipe that a NETWORK is trained with.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="The folder. [default: a fresh one in runs]"
)
@imports_option("Code of yours that the config names.")
@trust_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
def tune_command(
    what: str,
    overrides: tuple[str, ...],
    vary: tuple[str, ...],
    trials: int | None,
    seed: int,
    recipe: str,
    out: Path | None,
    imports: tuple[str, ...],
    trust: bool,
    as_json: bool,
) -> None:
    """Search for good settings: train with other values of some keys, and keep what was best.

    \b
    plainnet tune quick train.epochs=5 --vary optim.lr=1e-3:1:log --trials 20
    plainnet tune mine.yaml --vary optim.type=SGD,AdamW --vary train.ema=0.9:0.999
    plainnet tune runs/quick-tuned --trials 40

    CONFIG and NETWORK are what `plainnet train` takes. A trial is judged by the best validation of `checkpoint.best`. The
    folder holds each trial's run, trials.jsonl, and best.yaml, which trains the best. Ctrl-C stops after the current
    update; the folder, TUNED, goes on there, to 20 trials or more.
    """
    from rich.console import Console

    from plainnet.engine.tuning.tuning import begin_tuning, go_on_tuning
    from plainnet.engine.tuning.tuning_folder import is_tuning

    console = Console(stderr=True)
    try:
        with stoppable():
            if is_tuning(Path(what)):
                refuse_options(
                    ("what", "trials", "as_json"), "belongs to a new search; this one goes on as it was begun"
                )
                found = go_on_tuning(Path(what), trials=trials, console=console)
            else:
                folder, config = _config(what, overrides, recipe, out, imports, trust=trust)
                if not vary:
                    raise UsageError("nothing is varied: --vary optim.lr=1e-3:1:log")
                found = begin_tuning(folder, config, vary, trials=trials or 20, seed=seed, console=console)
    except KeyboardInterrupt as stop:
        leave("stopped at once; what was tried before is kept: plainnet tune FOLDER goes on", stop)
    click.echo(json.dumps(found.to_dict(), allow_nan=False) if as_json else found)
    if found.stopped_by:
        sys.exit(STOPPED.get(found.stopped_by, 130))


def _config(
    what: str, overrides: tuple[str, ...], recipe: str, out: Path | None, imports: tuple[str, ...], *, trust: bool
) -> tuple[Path, Config[TrainConfig]]:
    """The folder of the search, and what is common to its trials."""
    from plainnet.engine.run.run_files import CONFIG
    from plainnet.naming.training import fresh_folder, training_config

    if os.path.isfile(Path(what) / CONFIG):
        raise UsageError(f"{what} is a run; for its settings: plainnet tune {quote(str(Path(what) / CONFIG))}")
    config, subject = training_config(what, overrides, recipe=recipe, imports=imports, named_run=True, trust=trust)
    name = Path(what).stem
    if subject is not None:
        tell_network(subject, sizes=False)
        name = subject.name or recipe
    return out or fresh_folder(Path("runs"), f"{name}-tuned"), config
