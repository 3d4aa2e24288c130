"""`plainnet analyze`, also installed as `analyze_model`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.structures import network_options, pop_variant, resolve_structure
from plainnet.errors import UsageError
from plainnet.profiler.analysis import Analysis
from plainnet.profiler.user_modules import is_module_reference, load_module

if TYPE_CHECKING:
    from plainnet.blocks.variants import Variant

__all__ = ["analyze_command"]


@click.command(name="analyze", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("network", metavar="STRUCTURE|FILE|NAME|MODULE.py:FUNCTION")
@network_options
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images at once (latency, peak memory)."
)
@click.option("--device", default="cpu", show_default=True, help="Where latency and Zen-score are measured.")
@click.option("--dtype", default="float32", show_default=True, help="float32, float16, bfloat16 or float64.")
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the latency measurement."
)
@click.option("--no-latency", is_flag=True, help="Do not measure latency.")
@click.option("--no-zen", is_flag=True, help="Do not draw the Zen-score.")
@click.option("--repeats", type=click.IntRange(min=1), help="Draws of the Zen-score. [default: up to 4]")
@click.option(
    "--variant",
    "zen_variant",
    type=click.Choice(["paper", "zennas"]),
    default="paper",
    show_default=True,
    help="Zen-score.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the Zen-score.")
@click.option("--verify", is_flag=True, help="Count with torch, fvcore and thop, too, and explain every difference.")
@click.option(
    "--assert", "assertions", multiple=True, metavar="EXPR", help="Fail with exit code 1 unless it holds: 'params<1e6'."
)
@click.option("--json", "form", flag_value="json", help="Print JSON (a versioned schema).")
@click.option("--csv", "form", flag_value="csv", help="Print the table of blocks as CSV.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the table of blocks as Markdown.")
def analyze_command(network: str, form: str | None, assertions: tuple[str, ...], verify: bool, **options: Any) -> None:
    """What a network costs: counts for one image, latency, Zen-score.

    The network is a structure string, a file that holds one ("-" for standard input), the name of a published network
    (`plainnet list`), or a function in a Python file that returns any torch module.
    """
    variant = pop_variant(options)
    result = _analyze(network, variant, options)
    from plainnet.cli.analysis_report import render

    click.echo(render(result, form))
    if verify:
        _verify(result, variant)
    failures = []
    if assertions:
        from plainnet.cli.assertions import failed_assertions

        failures = failed_assertions(assertions, result)
    for failure in failures:
        click.echo(failure, err=True)
    sys.exit(1 if failures else 0)


def _analyze(network: str, variant: Variant, options: dict[str, Any]) -> Analysis:
    from plainnet.profiler.analyze import analyze_model

    keywords = {
        "batch": options["batch"],
        "dtype": options["dtype"],
        "device": options["device"],
        "threads": options["threads"],
        "latency": not options["no_latency"],
        "zen": not options["no_zen"],
        "zen_repeats": options["repeats"],
        "zen_variant": options["zen_variant"],
        "seed": options["seed"],
    }
    if is_module_reference(network):
        module = load_module(network)
        result = analyze_model(module, resolution=options["resolution"] or 224, **keywords)
        return replace(result, name=network)
    resolved = resolve_structure(network)
    classes = options["num_classes"]
    result = analyze_model(
        resolved.structure,
        resolution=options["resolution"] or resolved.resolution,
        num_classes=resolved.num_classes if classes is None else classes,
        variant=variant,
        **keywords,
    )
    notes = list(result.notes)
    if resolved.published_with_se and not variant.use_se:
        notes.append("the authors trained this network with squeeze-excite: --use-se counts it so")
    return replace(result, name=resolved.name, notes=notes)


def _verify(result: Analysis, variant: Variant) -> None:
    if result.structure is None:
        raise UsageError("--verify compares the counts of a structure; a module of your own has no closed form")
    from plainnet.profiler.verify import verify_counts

    verification = verify_counts(
        result.structure, resolution=(result.input[1], result.input[2]), num_classes=result.num_classes, variant=variant
    )
    click.echo(f"\n{verification}")
