"""What a person sees of a running search: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from plainnet.cli.screen import tell
from plainnet.cli.search_figures import shares, time_left

if TYPE_CHECKING:
    from plainnet.search.runs.progress import Progress, Watcher
    from plainnet.search.settings.config import SearchConfig

__all__ = ["watching"]

EVERY = 2.0
"""Seconds between plain lines."""


@contextmanager
def watching(config: SearchConfig, *, quiet: bool) -> Iterator[Watcher]:
    """A watcher that shows progress on standard error: nothing when quiet, lines where there is no terminal."""
    from plainnet.search.ladder.latency_budget import SAMPLES, needs_latency
    from plainnet.search.runs.progress import nobody

    if quiet:
        yield nobody
        return
    from rich.console import Console

    console = Console(stderr=True)
    # rich takes FORCE_COLOR for a terminal; a log that wants colours still wants lines
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        if needs_latency(config):
            tell(f"measuring the latency of {SAMPLES} structures", err=True)
        yield Lines().watch
        return
    from rich.live import Live

    from plainnet.cli.search_panel import Panel

    panel = Panel(config)
    with Live(panel, console=console, refresh_per_second=4) as live:
        try:
            yield panel.watch
        except BaseException:
            live.transient = not panel.has_begun  # an empty panel above an error would only be in the way
            panel.stop()
            raise
        panel.finish()
        live.refresh()


class Lines:
    """Plain lines: one every other second and one at the end of each stage."""

    def __init__(self) -> None:
        self._last = 0.0

    def watch(self, progress: Progress) -> None:
        """Tell of progress, if it is time to."""
        if progress.message:
            tell(progress.message, err=True, indent=4)
        now = time.perf_counter()
        if now - self._last < EVERY and progress.done < progress.total:
            return
        self._last = now
        line = f"{progress.stage}: {progress.done:,} of {progress.total:,}"
        if progress.tally:
            score = "none" if progress.best_score is None else f"{progress.score_name} {progress.best_score:.3f}"
            left = time_left(progress, progress.rate)
            line += f", {progress.rate:,.0f}/s, {left}, best {score}, "
            line += ", ".join(f"{share:.0%} {fate}" for fate, share in shares(progress).items())
        tell(line, err=True, indent=4)
