"""What a person sees of a running search: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from plainnet.search.config import SearchConfig
    from plainnet.search.driver import Progress, Watcher

__all__ = ["duration", "watching"]

EVERY = 2.0
"""Seconds between plain lines."""


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 45 s, 3:05, 1:02:03."""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def watching(config: SearchConfig, *, quiet: bool) -> Iterator[Watcher]:
    """A watcher that shows progress on standard error: nothing when quiet, lines where there is no terminal."""
    from plainnet.search.driver import nobody

    if quiet:
        yield nobody
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines().watch
        return
    from rich.live import Live

    panel = _Panel(config)
    with Live(console=console, get_renderable=panel.render, refresh_per_second=8) as live:
        yield panel.watch
        live.refresh()


def _shares(progress: Progress) -> str:
    done = max(1, progress.done)
    evaluated, duplicates = progress.tally.get("evaluated", 0), progress.tally.get("duplicates", 0)
    rejected = progress.done - evaluated - duplicates
    return f"{evaluated / done:.0%} evaluated, {rejected / done:.0%} over a budget, {duplicates / done:.0%} duplicates"


class _Lines:
    """Plain lines, one every other second and one at the end of each stage."""

    def __init__(self) -> None:
        self._last = 0.0

    def watch(self, progress: Progress) -> None:
        if progress.message:
            click.echo(progress.message, err=True)
        now = time.perf_counter()
        if now - self._last < EVERY and progress.done < progress.total:
            return
        self._last = now
        line = f"{progress.stage}: {progress.done:,} of {progress.total:,}"
        if progress.tally:
            score = "none" if progress.best_score is None else f"{progress.best_score:.3f}"
            line += f", {progress.rate:,.0f}/s, best {score}, {_shares(progress)}"
        click.echo(line, err=True)


class _Panel:
    """The live display."""

    def __init__(self, config: SearchConfig) -> None:
        self._config = config
        self._progress: Progress | None = None
        self._messages: list[str] = []
        self._stages: list[str] = []

    def watch(self, progress: Progress) -> None:
        last = self._progress
        if last is not None and last.stage != progress.stage:
            self._stages.append(f"{last.stage}: {last.done:,} in {duration(last.seconds)}")
        if progress.message:
            self._messages = [*self._messages, progress.message][-3:]
        if last is not None and not progress.tally:
            progress = _with_tally(progress, last)
        self._progress = progress

    def render(self) -> Any:
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        progress = self._progress
        title = f"plainnet search · {self._config.space.name}"
        if progress is None:
            return Panel(Text("getting ready…", style="dim"), title=title, border_style="cyan", width=100)
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column()
        rate = progress.rate or (progress.done / progress.seconds if progress.seconds else 0.0)
        left = (progress.total - progress.done) / rate if rate else 0.0
        bar = ProgressBar(total=progress.total, completed=progress.done, width=40)
        numbers = Text(f"{progress.done:,} / {progress.total:,}   {rate:,.0f}/s   {duration(left)} left")
        line = Table.grid(padding=(0, 2))
        line.add_row(bar, numbers)
        for stage in self._stages:
            grid.add_row("done", Text(stage, style="green"))
        grid.add_row(progress.stage.split(":")[0], line)
        if progress.tally:
            grid.add_row("candidates", _shares(progress) if progress.stage == "evolution" else "")
        if progress.best_score is not None:
            grid.add_row("best", Text(f"{progress.best_score:.3f}", style="bold green"))
            grid.add_row("", Text(progress.best_structure, style="cyan", overflow="fold"))
            grid.add_row("budgets", _budgets(self._config, progress))
        for message in self._messages:
            grid.add_row("note", Text(message, style="yellow"))
        return Panel(grid, title=title, border_style="cyan", width=100)


def _with_tally(progress: Progress, last: Progress) -> Progress:
    import dataclasses

    return dataclasses.replace(progress, tally=last.tally)


def _budgets(config: SearchConfig, progress: Progress) -> str:
    parts = []
    for name, limit in config.limits.items():
        used = progress.best_costs.get(name)
        if used is not None:
            parts.append(f"{name} {used:,} of {limit:,.0f} ({used / limit:.1%})")
    return "   ".join(parts) or "none"
