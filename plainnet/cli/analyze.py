"""`plainnet analyze`, also installed as `analyze_model`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from plainnet.blocks.rows.variants import PLAIN
from plainnet.blocks.structure import Structure
from plainnet.cli.analysis_options import analysis_options
from plainnet.cli.analysis_trace import check_trace, write_trace
from plainnet.cli.completion import a_network
from plainnet.cli.network_options import NETWORK, network_options, pop_variant, take_network, tell_network
from plainnet.cli.screen import tell
from plainnet.errors import UsageError
from plainnet.files.whole_files import refuse_unwritable

if TYPE_CHECKING:
    from plainnet.blocks.rows.variants import Variant
    from plainnet.cli.assertions import Assertion
    from plainnet.naming import Subject
    from plainnet.profiler.analysis import Analysis
    from plainnet.profiler.latency_pieces import Point
    from plainnet.profiler.roofline import Roofline
    from plainnet.profiler.verify import Verification

__all__ = ["analyze_command"]

DEFAULT = ParameterSource.DEFAULT
NOT_OF_A_POINT = {"network", "batch", "threads", "pieces", "no_zen", "memory", "training", "is_roofline", "latency_table",
                  "trace", "verify", "assertions", "depth", "as_json", "as_csv", "as_markdown", "html", "repeats", "zen_variant",
                  "seed"}  # fmt: skip
"""Options that a process which measures one point is not called with as they are."""


class WaysToName(click.Command):
    """A command whose help lists every way to name a network, as the files of `plainnet/naming/forms/` say them."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The text, and the ways in the order in which they are tried."""
        from plainnet.naming import known_forms

        super().format_help_text(ctx, formatter)
        with formatter.section("A NETWORK, the first of these that fits"):
            formatter.write_dl([(form.written, form.name) for form in known_forms()])


@click.command(name="analyze", cls=WaysToName, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("network", metavar=NETWORK, shell_complete=a_network)
@network_options
@analysis_options
def analyze_command(network: str, assertions: tuple[str, ...], verify: bool, **options: Any) -> None:
    """What a network costs: counts for one image, latency, Zen-score."""
    form = _form(options, verify)
    if options["latency_table"] is not None and not options["is_roofline"]:
        raise UsageError(
            "--latency-table says what every layer of a --roofline is predicted to take; accepted: with it"
        )
    sweep = _taken_sweep(options, form, assertions)
    variant, html = pop_variant(options), options.pop("html")
    if html is not None:
        refuse_unwritable(html)
    check_trace(options["trace"], options["platform"])
    subject = take_network(network, trust=options["trust"], imports=options["imports"], tell=False)
    is_module = subject.structure is None
    if verify and is_module:
        raise UsageError("--verify compares the counts of a structure; a module of your own has no closed form")
    checks = _checks(assertions, options, is_module) if assertions else []
    subject = subject.saying(
        resolution=options["resolution"],
        num_classes=options["num_classes"],
        variant=variant if not is_module else PLAIN,
    )
    tell_network(subject, sizes=not options["inputs"])
    if not isinstance(module := subject.network, Structure):
        subject = replace(subject, module=module)  # built once
    result = _analyze(subject, variant, {**options, "no_latency": True} if sweep else options)
    from plainnet.cli.analysis_report import as_record, render
    from plainnet.results.tables import terminal_width

    verification = _verify(result, subject.variant.value) if verify else None
    points = _points(network, subject, sweep, quiet=form is not None) if sweep else None
    roof = _roofline(subject, result, options) if options["is_roofline"] else None
    trace = write_trace(options["trace"], subject, result, options) if options["trace"] is not None else None
    more: dict[str, Any] = {"verification": verification, "points": points, "roof": roof, "trace": trace}
    click.echo(render(result, form, width=terminal_width(), depth=options["depth"], **more))
    if html is not None:
        _write_page(html, as_record(result, **more))
    failures = [failure for check in checks if (failure := check.failure(result)) is not None]
    for failure in failures:
        tell(failure, err=True, indent=4)
    sys.exit(1 if failures else 0)


def _write_page(path: Path, facts: dict[str, Any]) -> None:
    from plainnet.pages.found_pages import write_pages
    from plainnet.pages.page import Facts

    tell(f"page in {write_pages(Facts('analysis', facts), path)[0]}", err=True)


def _taken_sweep(
    options: dict[str, Any], form: str | None, assertions: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], int] | None:
    """The batch sizes, thread counts and pieces where a latency is measured by other processes; None where this one does. The
    options then hold the first of them.
    """
    if options["precision"] is not None and click.get_current_context().get_parameter_source("seconds") == DEFAULT:
        options["seconds"] = 60.0
    batches, threads, pieces = options["batch"], options["threads"], options.pop("pieces")
    options["batch"], options["threads"] = batches[0], threads[0]
    if (len(batches), len(threads), pieces) == (1, 1, 1):
        return None
    if options["no_latency"]:
        raise UsageError("several batches, threads or pieces are those of a latency, and --no-latency measures none")
    if form not in (None, "json"):
        raise UsageError(f"several latencies are a second table, and --{form} prints one; accepted: text, or --json")
    if any("_ms" in text for text in assertions):
        raise UsageError("--assert looks at one latency; accepted: one batch, one thread count and --pieces 1")
    return batches, threads, pieces


def _points(
    network: str,
    subject: Subject,
    sweep: tuple[tuple[int, ...], tuple[int, ...], int],
    *,
    quiet: bool,
) -> list[Point]:
    """The latencies at several points, by processes that are called with the same network and options."""
    from plainnet.cli.latency_table import latency_points

    if network == "-":
        if subject.structure is None:
            raise UsageError("several latencies need a network that can be named again, not standard input")
        network = str(subject.structure)
    context = click.get_current_context()
    words = [network]
    for param in context.command.params:
        if (
            param.name not in context.params
            or param.name in NOT_OF_A_POINT
            or context.get_parameter_source(param.name or "") == DEFAULT
        ):
            continue
        for value in context.params[param.name] if param.multiple else [context.params[param.name]]:
            words += [param.opts[0]] if getattr(param, "is_flag", False) else [param.opts[0], _word(value)]
    batches, threads, pieces = sweep
    return latency_points(words, batches, threads, pieces=pieces, quiet=quiet)


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _form(options: dict[str, Any], verify: bool) -> str | None:
    """The form of the output: "json", "csv", "markdown", or None for text."""
    forms = [form for form in ("json", "csv", "markdown") if options.pop(f"as_{form}")]
    if len(forms) > 1:
        raise UsageError(
            f"{' and '.join(f'--{form}' for form in forms)} are two forms of one output; accepted: one of them"
        )
    if verify and forms and forms != ["json"]:
        raise UsageError(
            f"--verify adds a second table, and --{forms[0]} prints one; accepted: --verify with --json, or alone"
        )
    return forms[0] if forms else None


def _checks(assertions: tuple[str, ...], options: dict[str, Any], is_module: bool) -> list[Assertion]:
    """The assertions, read before minutes of measuring."""
    from plainnet.cli.assertions import read_assertions

    no_zen = "is not drawn for a module of your own" if is_module else "is not drawn with --no-zen"
    return read_assertions(
        assertions,
        without_latency="is not measured with --no-latency" if options["no_latency"] else None,
        without_zen=no_zen if options["no_zen"] or is_module else None,
    )


def _analyze(subject: Subject, variant: Variant, options: dict[str, Any]) -> Analysis:
    from plainnet.naming.entries import analyze_subject

    names = (
        "in_channels",
        "batch",
        "dtype",
        "device",
        "threads",
        "channels_last",
        "seconds",
        "precision",
        "platform",
        "memory",
        "training",
        "zen_variant",
        "seed",
    )
    keywords = {name: options[name] for name in names}
    keywords |= {"latency": not options["no_latency"], "zen": False if options["no_zen"] else None}
    keywords["zen_repeats"] = options["repeats"]
    if subject.structure is not None:
        if options["inputs"]:
            raise UsageError("--input says what a module of your own takes; a structure takes one image (--resolution)")
        return analyze_subject(subject, **keywords)
    if options["inputs"]:
        from plainnet.network.counting.module_inputs import arguments_of

        module = subject.network
        assert not isinstance(module, Structure)
        keywords |= arguments_of(module, options["inputs"])
    given = {"resolution": options["resolution"], "num_classes": options["num_classes"]}
    return analyze_subject(subject, variant=variant, **given, **keywords)


def _roofline(subject: Subject, result: Analysis, options: dict[str, Any]) -> Roofline:
    """Every layer of a structure against the machine."""
    if subject.structure is None or result.input is None:
        raise UsageError(
            "--roofline looks at the layers of a structure; `plainnet analyze` counts a module by operator"
        )
    from plainnet.blocks.rows.shapes import Shape
    from plainnet.profiler.lut.table_model import load_model
    from plainnet.profiler.roofline import roofline

    table = subject.structure.at(Shape(*result.input), variant=subject.variant.value)
    names = ("batch", "threads", "dtype")
    model = None if options["latency_table"] is None else load_model(options["latency_table"])
    return roofline(table, num_classes=result.num_classes, model=model, **{name: options[name] for name in names})


def _verify(result: Analysis, variant: Variant) -> Verification:
    from plainnet.profiler.verify import verify_counts

    assert result.structure is not None
    assert result.input is not None
    size = (result.input[1], result.input[2])
    return verify_counts(result.structure, resolution=size, num_classes=result.num_classes, variant=variant)
