"""`plainnet optimum`: the best network of a space within budgets, computed, with a proven bound."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_space
from plainnet.cli.optimum_watch import judgement, watching
from plainnet.cli.run_config import is_given, refuse_options, trusted
from plainnet.cli.screen import alarm, full_option, tell
from plainnet.cli.search_config import free_folder, with_latency_table
from plainnet.cli.search_options import Count, budget_options, limits_from, load_own_blocks
from plainnet.cli.stopping import stoppable
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.files.whole_files import refuse_unwritable, write_whole
from plainnet.results.tables import terminal_width

if TYPE_CHECKING:
    from plainnet.search.exact.optimum import ExactRun
    from plainnet.search.exact.result import Optimum
    from plainnet.search.settings.config import SearchConfig

__all__ = ["optimum_command"]

OUTPUT = {"certificate", "blocks", "quiet", "is_full", "as_json"}
GOES_WITH = {
    "--judge": {"judged", "out", "near", "gap", "top", "max_seconds", *OUTPUT},
    "--resume": {"resumed", "trust", "gap", "top", "max_seconds", *OUTPUT},
    "--verify": {"verified", "trust", "blocks", "as_json"},
}
"""What may be said beside an option that says what is asked."""
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
@click.argument("space", required=False, shell_complete=a_space)
@click.option("--objective", metavar="NAME", help="What is optimised: zen, madnas, composite, deepmad, a cost such as macs, or "
              "FILE.py:OBJECT of your own that is a sum over blocks; min: or max: before it says the direction. [default: the "
              "space's]")  # fmt: skip
@click.option("--resolution", type=click.IntRange(1, 65_536), help="Side of the input. [default: the space's]")
@click.option("--num-classes", type=click.IntRange(min=0), help="Classifier outputs. [default: the space's]")
@click.option("--use-se", is_flag=True, help="Count networks with squeeze-excite.")
@budget_options
@click.option(
    "--latency-table", metavar="FILE", help="Predict latencies by a table of this machine (`plainnet lut build`)."
)
@click.option("--gap", type=Fraction(), default=0.001, help="How far the bound may be above the value. [default: 0.1%]")
@click.option("--top", type=Count(), default=10, show_default=True, help="How many of the best networks are told.")
@click.option("--near", type=Count(), help="Go through so many of the next best, too, and tell the best of all by the whole "
              "closed form (zen).")  # fmt: skip
@click.option(
    "--max-seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so long, with what is known."
)
@click.option("--certificate", "certificate", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Write what proves the bound of the prices.")  # fmt: skip
@click.option("--verify", "verified", metavar="RUN|FILE", type=click.Path(path_type=Path),
              help="Check what a run, or a certificate, proves with another program, in place of solving.")  # fmt: skip
@click.option(
    "--judge",
    "judged",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Solve what the search in RUN was asked for, and say how far its best is from the bound.",
)
@click.option("--out", metavar="RUN", type=click.Path(path_type=Path),
              help="Folder of the run. [default: runs/SPACE-optimum; none with --judge]")  # fmt: skip
@click.option("--resume", "resumed", metavar="RUN", type=click.Path(path_type=Path),
              help="Go on where a run stopped, or to a smaller --gap.")  # fmt: skip
@click.option("--trust", is_flag=True, help="With --resume and --verify: run the Python files that RUN names.")
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
    near: int | None,
    max_seconds: float | None,
    certificate: Path | None,
    verified: Path | None,
    judged: Path | None,
    out: Path | None,
    resumed: Path | None,
    trust: bool,
    blocks: tuple[str, ...],
    latency_table: str | None,
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
    plainnet optimum --verify runs/zennas-resnet-optimum
    plainnet optimum --judge runs/cifar
    plainnet optimum --resume runs/zennas-resnet-optimum --gap 0.01%
    """
    if [space, verified, judged, resumed].count(None) != 3:
        raise UsageError(
            "give one of a search space, --verify RUN, --judge RUN and --resume RUN; `plainnet space list` shows the shipped "
            "spaces"
        )
    if trust and resumed is None and verified is None:
        raise UsageError("--trust goes with --resume RUN and --verify RUN")
    if verified is not None:
        _refuse_others("--verify")
        _verify(verified, as_json=as_json, trust=trust)
        return
    if certificate is not None:
        refuse_unwritable(certificate)
    told: float | None = None
    limits: dict[str, Any] = {"gap": gap, "top": top, "max_seconds": max_seconds}
    with stoppable(), watching(quiet=quiet) as watch:
        if resumed is not None:
            folder: Path | None = resumed
            run = _resumed(resumed, watch=watch, trust=trust, **limits)
        else:
            if judged is not None:
                config, told = _judged(judged, blocks)
            else:
                config = _asked(str(space), objective, resolution, num_classes, use_se, blocks, limits_from(options))
            config = with_latency_table(config, latency_table)
            folder = out or (None if judged is not None else free_folder(f"{config.space.name}-optimum"))
            run = _begun(config, folder, watch=watch, near=near or 0, **limits)
    result = run.result()
    if not as_json or not quiet:
        click.echo(result.view().text(None if is_full else terminal_width()))
        _tell_more(result, folder, judged, told)
    if certificate is not None:
        _write_certificates(run, certificate)
    if as_json:
        judged_too = {} if judged is None else {"judged": {"run": str(judged), "value": told}}
        kept = {"folder": str(folder) if folder is not None else None}
        click.echo(json.dumps({**result.as_dict(), **kept, **judged_too}))
    sys.exit(128 + run.signal if run.limit == "interrupted" else CODES[result.reason])


def _asked(
    space: str,
    objective: str | None,
    resolution: int | None,
    num_classes: int | None,
    use_se: bool,
    blocks: tuple[str, ...],
    limits: dict[str, float],
) -> SearchConfig:
    from plainnet.search.exact.asking import exact_config

    return exact_config(
        space,
        objective=objective,
        limits=limits,
        resolution=resolution,
        num_classes=num_classes,
        use_se=use_se,
        blocks=blocks,
    )


def _begun(config: SearchConfig, folder: Path | None, **limits: Any) -> ExactRun:
    from plainnet.search.runs.optimum_run import begin_optimum

    return begin_optimum(config, folder, **limits)


def _resumed(folder: Path, *, gap: float, top: int, **others: Any) -> ExactRun:
    """Go on with a run; its own gap and number of networks count where none are given."""
    from plainnet.search.runs.optimum_run import resume_optimum

    _refuse_others("--resume")
    return resume_optimum(folder, gap=gap if is_given("gap") else None, top=top if is_given("top") else None, **others)


def _refuse_others(what: str) -> None:
    """Refuse options that would say something else than what is asked already."""
    whose = "certificate" if what == "--verify" else "run"
    refuse_options(GOES_WITH[what], f"does not go with {what}: the {whose} says what was asked for")


def _tell_more(result: Optimum, folder: Path | None, judged: Path | None, told: float | None) -> None:
    """How a search is judged, where the run is kept, and how it goes on."""
    if judged is not None:
        tell(judgement(told, result), indent=4)
    if folder is not None:
        quoted = quote(str(folder))
        tell(f"kept in {folder}; a page about it: plainnet report {quoted}", indent=4)
        if result.limit in ("time", "interrupted"):
            tell(f"to go on: plainnet optimum --resume {quoted}", indent=4)


def _judged(folder: Path, blocks: tuple[str, ...]) -> tuple[SearchConfig, float | None]:
    """What a search was asked for, and the best value of its objective among all its candidates; None for no candidates."""
    from plainnet.search.runs.kept_runs import opened

    _refuse_others("--judge")
    with opened(folder) as store:
        config = trusted(store.config, blocks)
        if len(config.objectives) > 1:
            raise UsageError(f"{folder} has {len(config.objectives)} objectives; an exact search has one")
        best = store.best(1)
        return config, best[0].scores[store.columns[0]] if best else None


def _write_certificates(run: ExactRun, path: Path) -> None:
    certificates = run.certificates()
    if not certificates:
        raise UsageError(
            "there is no bound by prices alone that a certificate could prove: certificates are for sums over blocks, and for "
            "all widths of a space"
        )
    text = json.dumps([each.as_dict() for each in certificates], indent=1) + "\n"
    write_whole(path, text)
    tell(f"certificate: {path}; to check it: plainnet optimum --verify {quote(str(path))}", err=True, indent=4)


def _verify(path: Path, *, as_json: bool, trust: bool) -> None:
    """Check what a run claims, or the certificates of a file."""
    from plainnet.cli.optimum_watch import claim_fault, missing_fault
    from plainnet.search.exact.certificate import read_certificates
    from plainnet.search.exact.verify import verify
    from plainnet.search.runs.optimum_run import certificates_of

    fault = ""
    if os.path.isdir(path):
        certificates, claimed = certificates_of(path, trust=trust)
        fault = claim_fault(certificates, claimed)
    else:
        certificates = tuple(read_certificates(path))
    if not certificates:
        raise UsageError(f"nothing in {path} was proven by prices, so that there is nothing to check")
    faults = []
    for certificate in certificates:
        try:
            checked = verify(certificate)
        except PlainnetError as error:
            kind = RunError if isinstance(error, RunError) else UsageError
            raise kind(f"{path}: {error}") from None
        faults += [checked.fault] if checked.fault else []
        if as_json:
            click.echo(json.dumps({"schema": "plainnet.checked/1", **checked._asdict()}))
        else:
            tell(
                f"start {certificate.start}: claimed {checked.claimed:.9f}, proven anew {checked.proven:.9f}: "
                + ("it holds" if checked.holds else f"IT DOES NOT HOLD: {checked.fault}")
            )
    fault = fault or missing_fault(certificates)
    if fault:
        alarm(f"THE {'RUN' if os.path.isdir(path) else 'PROOF'} DOES NOT HOLD: {fault}")
    sys.exit(1 if faults or fault else 0)
