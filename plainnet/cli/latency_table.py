"""The table of latencies at several batch sizes and thread counts, measured by this command in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.screen import tell
from plainnet.errors import UsageError
from plainnet.results.numbers import interval_text, score_text
from plainnet.results.result import View
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.profiler.latency_pieces import Point

__all__ = ["Numbers", "latency_points", "points_view"]


WORDS = ("-m", "plainnet", "analyze")
"""What a process that measures is called with, before the network and its options."""


class Numbers(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Positive whole numbers: 1,8,32."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
            self.fail(f"{value!r} is no list of positive whole numbers; accepted: 8, or 1,8,32", param, ctx)
        return tuple(map(int, parts))


def latency_points(
    words: Sequence[str], batches: Sequence[int], threads: Sequence[int], *, pieces: int, quiet: bool
) -> list[Point]:
    """Measure all points. words: the network and the options of `plainnet analyze` that a process is called with."""
    from plainnet.profiler.latency_pieces import measure_points

    def measure(batch: int, count: int) -> Mapping[str, Any]:
        return _measured([*words, "--batch", str(batch), "--threads", str(count)])

    def announce(point: Point) -> None:
        if not quiet:
            said = point.error or f"{point.median_ms:.3g} ms"
            tell(f"batch {point.batch}, threads {point.threads}: {said}", err=True, indent=4)

    return measure_points(batches, threads, pieces=pieces, measure=measure, announce=announce)


def _measured(words: Sequence[str]) -> Mapping[str, Any]:
    """The latency that a process of its own measures; `UsageError` with what it said last where it failed."""
    command = [sys.executable, *WORDS, *words, "--no-zen", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise UsageError(f"the system ended the process (signal {-done.returncode}), as it does when memory runs out")
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        said = next((line for line in lines if "Error: " in line), lines[-1] if lines else "it failed silently")
        raise UsageError(said.partition("Error: ")[2] or said)
    found: Mapping[str, Any] = json.loads(done.stdout)["latency"]
    return found


def points_view(points: Sequence[Point]) -> View:
    """The points as a table, the knee of each thread count marked, and below it what there is to say."""
    from plainnet.profiler.latency_pieces import knees

    columns = ["threads", "batch", "median ms", "95 % CI", "p90", "p99", "MAD", "images/s", "knee"]
    marked = knees(points)
    rows = [_row(point, knee=point in marked) for point in points]
    table = Table(columns, rows, left=0, drop=("MAD", "p90", "p99"), hint="--json or a wider terminal")
    notes = [("", "knee: the smallest batch with 90 % of the most images a second")] if marked else []
    for point in points:
        where = f"batch {point.batch}, threads {point.threads}"
        notes += [("note:", f"{where}: {text}") for text in ([point.error] if point.error else []) + point.warnings]
    return View((), [table if marked else table.without(("knee",))], notes)


def _row(point: Point, *, knee: bool) -> list[str]:
    start = [str(point.threads), str(point.batch)]
    if point.median_ms is None or point.ci95_ms is None:
        return [*start, "-", "", "", "", "", "", ""]
    low, high = point.ci95_ms
    half = (high - low) / 2
    quantiles = [score_text(point.worst(name) or 0.0, half, digits=3) for name in ("p90_ms", "p99_ms", "mad_ms")]
    return [
        *start,
        score_text(point.median_ms, half, digits=3),
        "one run" if [piece["n"] for piece in point.pieces] == [1] else interval_text((low, high)),
        *quantiles,
        f"{point.images_per_second:.4g}",
        "*" if knee else "",
    ]
