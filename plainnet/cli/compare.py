"""`plainnet compare`: networks side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_network
from plainnet.cli.network_options import NETWORK, network_options, pop_variant, take_networks
from plainnet.cli.screen import show, tell
from plainnet.errors import NoFeatureMapError, UnknownScoreError, UsageError
from plainnet.files.whole_files import refuse_unwritable
from plainnet.results.numbers import interval_text, score_text
from plainnet.results.tables import Table, terminal_width

if TYPE_CHECKING:
    from plainnet.naming import Subject
    from plainnet.profiler.analysis import Analysis
    from plainnet.profiler.comparison import Pair
    from plainnet.profiler.latency_ratio import ComparedLatencies, LatencyRatio
    from plainnet.proxies.score_record import Score

__all__ = ["compare_command"]

SCHEMA = "plainnet.comparison/1"


@click.command(name="compare")
@click.argument("networks", nargs=-1, required=True, metavar=f"{NETWORK} {NETWORK}...", shell_complete=a_network)
@network_options
@click.option(
    "--proxy", "proxies", default="composite", show_default=True, metavar="NAME[,NAME...]|none", help="Scores."
)
@click.option(
    "--repeats", type=click.IntRange(min=1), default=4, show_default=True, help="Draws of a score that has some."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same scores.")
@click.option(
    "--latency", "is_timed", is_flag=True, help="Run the networks in turn: which is faster, where that can be told."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="Of that, for all together.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the latencies.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images at once for the latencies."
)
@click.option(
    "--dtype", default="float32", show_default=True, help="Of the latencies: float32, float16, bfloat16, float64."
)
@click.option("--device", default="cpu", show_default=True, help="Of the latencies.")
@click.option("--channels-last", is_flag=True, help="Latencies in NHWC layout.")
@click.option("--full", "is_full", is_flag=True, help="Equal blocks, too, and blocks with all their arguments.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with all of it, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (a versioned schema).")
def compare_command(
    networks: tuple[str, ...],
    proxies: str,
    repeats: int,
    seed: int,
    is_timed: bool,
    is_full: bool,
    html: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Networks side by side: counts, memory and scores, each with its difference from the first network; then block by block,
    where blocks correspond. Scores whose 95 % intervals overlap cannot be told apart. With --latency the networks run in turn,
    and one is called faster only where the whole interval of the quotient says so.

    A NETWORK is named in any way that `plainnet analyze` takes.

    \b
    plainnet compare resnet18 resnet34
    plainnet compare runs/search:1 runs/search:2 --proxy composite,zen_mc
    """
    from plainnet.naming.entries import analyze_subject
    from plainnet.profiler.comparison import corresponding, counts_of

    if len(networks) < 2:
        raise UsageError("compare takes two networks or more; `plainnet analyze` shows one")
    if html is not None:
        refuse_unwritable(html)
    said = {"resolution": options["resolution"], "num_classes": options["num_classes"], "variant": pop_variant(options)}
    subjects = take_networks(networks, trust=options["trust"], imports=options["imports"], **said)
    results = [analyze_subject(subject, latency=False, zen=False, **_sizes(subject, said)) for subject in subjects]
    scores = _scores(subjects, results, proxies, repeats, seed)
    latencies = _latencies(subjects, results, options) if is_timed else None
    pairs = [corresponding(results[0], result) for result in results[1:]]
    record = {
        "schema": SCHEMA,
        "networks": [subject.as_dict() for subject in subjects],
        "counts": [counts_of(result) for result in results],
        "reports": [result.to_dict() for result in results],
        "latency": None if latencies is None else latencies.as_dict(),
        "scores": {name: _score_record(found) for name, found in scores.items()},
        "blocks": [[pair.as_dict() for pair in each] for each in pairs],
    }
    if html is not None:
        _write_page(html, record)
    if as_json:
        click.echo(json.dumps(record, indent=2, allow_nan=False))
        return
    _print_counts(_count_table(subjects, results, scores, latencies), subjects, scores, is_full=is_full)
    for subject, found in zip(subjects[1:], pairs, strict=True):
        tell(f"\n{subjects[0].label} -> {subject.label}", indent=4)
        show(_block_table(found, is_full=is_full), is_full=is_full)


def _write_page(path: Path, facts: dict[str, Any]) -> None:
    from plainnet.pages.found_pages import write_pages
    from plainnet.pages.page import Facts

    tell(f"page in {write_pages(Facts('comparison', facts), path)[0]}", err=True)


def _sizes(subject: Subject, said: dict[str, Any]) -> dict[str, Any]:
    """What a module has to be told by itself."""
    return {} if subject.structure is not None else {"resolution": said["resolution"]}


def _scores(
    subjects: Sequence[Subject], results: Sequence[Analysis], proxies: str, repeats: int, seed: int
) -> dict[str, list[Score]]:
    """The scores of all networks by proxy: none where their inputs differ, as scores of different sizes do not compare."""
    from plainnet.proxies.score import score

    names = [name.strip() for name in proxies.split(",") if name.strip() not in ("", "none")]
    if not names:
        return {}
    if any(result.input != results[0].input for result in results) or any(each.structure is None for each in subjects):
        tell("note: no scores: they compare structures at one input size (--resolution)", err=True)
        return {}
    found: dict[str, list[Score]] = {}
    for name in names:
        try:
            found[name] = [
                score(
                    subject.network,
                    name,
                    resolution=subject.resolution.value,
                    num_classes=subject.num_classes.value,
                    variant=subject.variant.value,
                    repeats=repeats,
                    seed=seed,
                )
                for subject in subjects
            ]
        except (NoFeatureMapError, UnknownScoreError) as error:  # the counts are compared all the same
            tell(f"note: no {name}: {error}", err=True, indent=6)
    return found


def _score_record(scores: Sequence[Score]) -> list[dict[str, Any]]:
    import math

    from plainnet.proxies.score_order import indistinguishable

    return [
        {
            "mean": each.mean if math.isfinite(each.mean) else None,
            "ci95": None if each.ci95 is None else [end if math.isfinite(end) else None for end in each.ci95],
            "exact": each.exact,
            "distinguishable_from_first": None if each is scores[0] else not indistinguishable(scores[0], each),
        }
        for each in scores
    ]


def _latencies(subjects: Sequence[Subject], results: Sequence[Analysis], options: dict[str, Any]) -> ComparedLatencies:
    """The networks run in turn, each at its own size."""
    from plainnet.blocks.structure import Structure
    from plainnet.network.plain_net import PlainNet
    from plainnet.profiler.latency_ratio import compare_latencies
    from plainnet.profiler.out_of_memory import memory_errors_as_usage

    modules, shapes = [], []
    with memory_errors_as_usage(f"the latencies of a batch of {options['batch']}"):
        for subject, result in zip(subjects, results, strict=True):
            if result.input is None:
                raise UsageError(f"{subject.label} takes no image; accepted for --latency: networks of one image")
            channels, height, width = result.input
            network = subject.network
            if isinstance(network, Structure):
                network = PlainNet(
                    network,
                    num_classes=subject.num_classes.value,
                    in_channels=channels,
                    resolution=(height, width),
                    variant=subject.variant.value,
                    init="default",
                )
            modules.append(network)
            shapes.append((options["batch"], *result.input))
        names = ("device", "dtype", "threads", "channels_last", "seconds")
        return compare_latencies(modules, shapes, **{name: options[name] for name in names})


def _print_counts(table: Table, subjects: Sequence[Subject], scores: dict[str, list[Score]], *, is_full: bool) -> None:
    """A row for each quantity, a column for each network; a network after the other where there is no room beside each other."""
    width = None if is_full else terminal_width()
    if width is None or table.width <= width:
        show(table, is_full=is_full)
    else:
        for index, subject in enumerate(subjects, 1):
            tell(subject.label, indent=4)
            for row in table.rows:
                tell(f"  {row[0]:22} {row[index]}", indent=25)
    for name in scores:
        tell(f"{name}: {_meaning(name)}", indent=4)


def _count_table(
    subjects: Sequence[Subject],
    results: Sequence[Analysis],
    scores: dict[str, list[Score]],
    latencies: ComparedLatencies | None,
) -> Table:
    from plainnet.profiler.comparison import COUNTS

    header = ["", *(subject.label for subject in subjects)]
    rows = [["input", *("x".join(map(str, result.input or [])) for result in results)]]
    rows.append(["classes", *(str(result.num_classes) for result in results)])
    for name in COUNTS:
        values = [getattr(result, name) for result in results]
        rows.append(
            [name.replace("_", " "), *(_with_change(value, values[0], index) for index, value in enumerate(values))]
        )
    if latencies is not None:
        rows.append(["latency ms", *map(_latency_cell, latencies.median_ms, latencies.ratios)])
    for name, found in scores.items():
        rows.append([name, *(_score_cell(found, index) for index in range(len(found)))])
    return Table(header, rows)


def _latency_cell(median_ms: float, ratio: LatencyRatio | None) -> str:
    from plainnet.profiler.measured_view import ratio_text

    return f"{median_ms:.4g}" + ("" if ratio is None else f" ({ratio_text(ratio.as_dict())})")


def _meaning(name: str) -> str:
    from plainnet.proxies.catalogue import find_proxy

    made = find_proxy(name)
    return f"{made.summary} ({'higher' if made.higher_is_better else 'lower'} is better)"


def _with_change(value: int | None, first: int | None, index: int) -> str:
    if value is None:
        return "not counted"
    if index == 0 or first is None:
        return f"{value:,}"
    if value == first:
        return f"{value:,} (equal)"
    change = f"{100 * (value - first) / first:+.1f} %" if first else f"{value - first:+,}"
    return f"{value:,} ({change})"


def _score_cell(scores: Sequence[Score], index: int) -> str:
    from plainnet.proxies.score_order import indistinguishable

    one = scores[index]
    half = None if one.exact or one.ci95 is None else (one.ci95[1] - one.ci95[0]) / 2
    interval = "" if one.exact or one.ci95 is None else f" {interval_text(one.ci95, digits=4)}"
    same = index and indistinguishable(scores[0], one)
    return f"{score_text(one.mean, half, digits=4)}{interval}" + (" (cannot be told apart)" if same else "")


def _block_table(pairs: Sequence[Pair], *, is_full: bool) -> Table:
    """Each pair in a line, runs of equal ones in one."""
    rows, equal = [], 0
    for pair in pairs:
        if pair.is_equal and not is_full:
            equal += 1
            continue
        if equal:
            rows.append(_equal_row(equal))
            equal = 0
        sides = [("", "-") if block is None else (str(block.index), block.name) for block in (pair.first, pair.second)]
        changes = [_signed(pair.difference(name)) for name in ("params", "macs")]
        rows.append([*sides[0], *sides[1], *changes])
    if equal:
        rows.append(_equal_row(equal))
    return Table(["#", "block", "#", "block", "params", "macs"], rows, left=4, cut=("block",))


def _equal_row(count: int) -> list[str]:
    return ["", f"{count} equal block{'' if count == 1 else 's'}", "", "", "", ""]


def _signed(value: int | None) -> str:
    return "" if value is None else "=" if value == 0 else f"{value:+,}"
