"""`plainnet optimum`: the best network of a space within budgets, computed, with a proven bound."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.run_config import refuse_options, trusted
from plainnet.cli.screen import full_option, tell
from plainnet.cli.search_options import Count, budget_options, limits_from, load_own_blocks
from plainnet.cli.stopping import stoppable
from plainnet.errors import UsageError
from plainnet.files.whole_files import refuse_unwritable, write_whole
from plainnet.results.tables import terminal_width
from plainnet.search.exact.optimum_view import value_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plainnet.search.exact.optimum import Standing
    from plainnet.search.exact.result import Optimum
    from plainnet.search.settings.config import SearchConfig

__all__ = ["optimum_command"]

GOES_WITH_JUDGE = {"judged", "gap", "top", "max_seconds", "certificate", "blocks", "quiet", "as_json", "is_full"}
CODES = {"optimal": 0, "feasible": 1, "none found": 1, "infeasible": 1}
"""Reason -> exit code: 1 where what was asked for was not reached."""


class Fraction(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A fraction from 0 to below 1, also written in percent."""

    name = "FRACTION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            number = -1.0
        if not 0 <= number < 1:
            self.fail(f"{value!r} is no fraction; accepted: 0.001, 0.1%, 0", param, ctx)
        return number


@click.command(name="optimum")
@click.argument("space", required=False)
@click.option("--objective", metavar="NAME", help="What is optimised, a sum over blocks: zen, madnas, a cost such as macs, or "
              "FILE.py:OBJECT of your own; min: or max: before it says the direction. [default: the space's]")  # fmt: skip
@click.option("--resolution", type=click.IntRange(min=1), help="Side of the input. [default: the space's]")
@click.option("--num-classes", type=click.IntRange(min=0), help="Classifier outputs. [default: the space's]")
@click.option("--use-se", is_flag=True, help="Count networks with squeeze-excite.")
@budget_options
@click.option("--gap", type=Fraction(), default=0.001, help="How far the bound may be above the value. [default: 0.1%]")
@click.option("--top", type=Count(), default=10, show_default=True, help="How many of the best networks are told.")
@click.option(
    "--max-seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so long, with what is known."
)
@click.option("--certificate", "certificate", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Write what proves the bound of the prices.")  # fmt: skip
@click.option("--verify", "verified", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Check a certificate with another program, in place of solving.")  # fmt: skip
@click.option(
    "--judge",
    "judged",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Solve what the search in RUN was asked for, and say how far its best is from the bound.",
)
@click.option("--blocks", "blocks", multiple=True, metavar="FILE", callback=load_own_blocks, is_eager=True,
              help="Blocks of your own.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no progress.")
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON in the last line.")
def optimum_command(
    space: str | None,
    objective: str | None,
    resolution: int | None,
    num_classes: int | None,
    use_se: bool,
    gap: float,
    top: int,
    max_seconds: float | None,
    certificate: Path | None,
    verified: Path | None,
    judged: Path | None,
    blocks: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    is_full: bool,
    **options: Any,
) -> None:
    """Compute the best network of SPACE within budgets, and prove how much better any other one could be.

    Nothing is drawn at random: objective and costs are sums over blocks, so that prices on the budgets bound every network of the
    space, those too that no search ever met. Exit code 0 for a gap of at most --gap, 1 for a larger one or no network.

    \b
    plainnet optimum zennas-resnet --max-params 1.041e6 --max-layers 18
    plainnet optimum zennas-mobile --max-macs 400e6 --certificate proof.json
    plainnet optimum --verify proof.json
    plainnet optimum --judge runs/cifar
    """
    if [space, verified, judged].count(None) != 2:
        raise UsageError(
            "give one of a search space, --verify FILE and --judge RUN; `plainnet space list` shows the shipped spaces"
        )
    if verified is not None:
        _verify(verified, as_json=as_json)
        return
    from plainnet.search.exact.optimum import exact_config, solved

    if certificate is not None:
        refuse_unwritable(certificate)
    limits = limits_from(options)
    told: float | None = None
    if judged is not None:
        config, told = _judged(judged, blocks)
    else:
        config = exact_config(
            str(space),
            objective=objective,
            limits=limits,
            resolution=resolution,
            num_classes=num_classes,
            use_se=use_se,
            blocks=blocks,
        )
    with stoppable(), _watching(quiet=quiet) as watch:
        run = solved(config, gap=gap, top=top, max_seconds=max_seconds, watch=watch)
    result = run.result()
    if not as_json or not quiet:
        click.echo(result.view().text(None if is_full else terminal_width()))
        if told is not None:
            tell(_judgement(told, result), indent=4)
    if certificate is not None:
        _write_certificates(run, certificate)
    if as_json:
        judgement = {} if judged is None else {"judged": {"run": str(judged), "value": told}}
        click.echo(json.dumps({**result.as_dict(), **judgement}))
    sys.exit(128 + run.signal if result.limit == "interrupted" else CODES[result.reason])


def _judged(folder: Path, blocks: tuple[str, ...]) -> tuple[SearchConfig, float | None]:
    """What a search was asked for, and the best value of its objective among all its candidates; None for no candidates."""
    from plainnet.search.runs.kept_runs import opened

    refuse_options(GOES_WITH_JUDGE, "does not go with --judge: the run says what was asked for")
    with opened(folder) as store:
        config = trusted(store.config, blocks)
        if len(config.objectives) > 1:
            raise UsageError(f"{folder} has {len(config.objectives)} objectives; an exact search has one")
        best = store.best(1)
        return config, best[0].scores[store.columns[0]] if best else None


def _judgement(value: float, result: Optimum) -> str:
    """How far the best of a search is from the bound."""
    if result.bound is None or not value:
        return f"the search's best has {value_text(value)}; there is no bound to compare it with"
    away = abs(result.bound - value) / abs(value)
    return f"the search's best has {value_text(value)}: within {away:.2%} of what this space can give"


@contextmanager
def _watching(*, quiet: bool) -> Iterator[Callable[[Standing], None]]:
    """One line of progress on a terminal."""
    is_shown = not quiet and sys.stderr is not None and sys.stderr.isatty()

    def show(standing: Standing) -> None:
        value, bound = value_text(standing.value), value_text(standing.bound)
        line = f"{standing.seconds:6.1f} s  {standing.phase}: best {value}, bound {bound}"
        click.echo(f"\r{line[:79]:79}", nl=False, err=True)

    yield show if is_shown else lambda _: None
    if is_shown:
        click.echo(f"\r{'':79}\r", nl=False, err=True)


def _write_certificates(run: Any, path: Path) -> None:
    certificates = run.certificates()
    if not certificates:
        raise UsageError("there is no bound by prices that a certificate could prove")
    text = json.dumps([each.as_dict() for each in certificates], indent=1) + "\n"
    write_whole(path, text)
    tell(f"certificate: {path}; to check it: plainnet optimum --verify {shlex.quote(str(path))}", err=True, indent=4)


def _verify(path: Path, *, as_json: bool) -> None:
    """Check the certificates of a file."""
    from plainnet.search.exact.certificate import read_certificates
    from plainnet.search.exact.verify import verify

    holds = True
    for certificate in read_certificates(path):
        checked = verify(certificate)
        holds = holds and checked.holds
        if as_json:
            click.echo(json.dumps({"schema": "plainnet.checked/1", **checked._asdict()}))
        else:
            tell(
                f"start {certificate.start}: claimed {checked.claimed:.9f}, proven anew {checked.proven:.9f}: "
                + ("it holds" if checked.holds else "IT DOES NOT HOLD")
            )
    sys.exit(0 if holds else 1)
