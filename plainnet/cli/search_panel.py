"""The live panel of a search. It keeps its height: what is not known yet has its line from the beginning."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from plainnet.cli.search_figures import duration, shares, time_left

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

    from plainnet.search.runs.progress import Progress
    from plainnet.search.settings.config import SearchConfig

__all__ = ["Panel", "in_lines"]

WIDEST, NARROWEST = 110, 40
MARGIN = 2
"""Columns left free: a terminal writes ^C behind the cursor, and at its edge that would begin another line."""
LINES = 8
"""Lines of a structure at most; a deep network is printed in full when the search ends."""
NOTES = 3
"""Messages that stay in sight."""


class Stage(NamedTuple):
    """A stage that is over."""

    name: str
    done: int
    seconds: float


class Panel:
    """What is shown: told of progress by `watch`, drawn by rich."""

    def __init__(self, config: SearchConfig) -> None:
        self._config = config
        self._began = self._stage_began = time.perf_counter()
        self._now: Progress | None = None
        self._candidates: Progress | None = None
        """The last progress that told what became of the candidates (a ladder's does not)."""
        self._leader: Progress | None = None
        """The last progress that had a best candidate."""
        self._stages: list[Stage] = []
        self._notes: list[str] = []
        self._end = ""

    @property
    def has_begun(self) -> bool:
        """Whether there was any progress."""
        return self._now is not None or bool(self._stages)

    def watch(self, progress: Progress) -> None:
        """Take in how far the search is."""
        if self._now is not None and self._now.stage != progress.stage:
            self._leave_stage()
        if progress.message:
            self._notes = [*self._notes, progress.message][-NOTES:]
        if progress.tally:
            self._candidates = progress
        if progress.best_score is not None:
            self._leader = progress
        self._now = progress

    def finish(self) -> None:
        """The search is over: what remains is its record."""
        if self._now is not None:
            self._leave_stage()
        self._end = f"finished in {duration(time.perf_counter() - self._began)}"

    def stop(self) -> None:
        """The search ends before its end."""
        self._end = f"stopped after {duration(time.perf_counter() - self._began)}"

    def _leave_stage(self) -> None:
        assert self._now is not None
        now = time.perf_counter()
        self._stages.append(Stage(self._now.stage, self._now.done, now - self._stage_began))
        self._stage_began, self._now = now, None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """The panel as it is now, as wide as the terminal, but not too wide to read."""
        from rich.panel import Panel as Box
        from rich.table import Table
        from rich.text import Text

        width = max(NARROWEST, min(WIDEST, options.max_width - MARGIN))
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(style="dim", no_wrap=True, width=10)
        grid.add_column(ratio=1)
        inner = width - 4 - 12
        for name, drawn in self._rows(inner):
            grid.add_row(name, drawn)
        title = Text.assemble(("plainnet search", "bold"), " · ", self._config.space.name)
        end = Text(self._end or f"{duration(time.perf_counter() - self._began)} so far", style="dim")
        yield Box(
            grid, title=title, subtitle=end, title_align="left", subtitle_align="right", border_style="dim", width=width
        )

    def _rows(self, width: int) -> list[tuple[str, Any]]:
        from rich.text import Text

        rows: list[tuple[str, Any]] = []
        for stage in self._stages:
            text = Text.assemble(("✓ ", "green"), stage.name, (f"  {stage.done:,} in {duration(stage.seconds)}", "dim"))
            rows.append(("", text))
        if self._now is not None or not self._end:
            rows.append(("", self._progress(width)))
        rows.append(("candidates", self._fates()))
        rows += zip(["budgets", *[""] * len(self._config.limits)], self._budgets(width), strict=False)
        rows += [("note" if not number else "", Text(note, style="yellow")) for number, note in enumerate(self._notes)]
        rows.append(("best", self._best(width)))
        return rows

    def _progress(self, width: int) -> Any:
        from rich.console import Group
        from rich.text import Text

        now = self._now
        if now is None:
            from plainnet.search.ladder.latency_budget import needs_latency

            calibrates = needs_latency(self._config)
            name = "measuring latencies" if calibrates else "getting ready"
            total, done, rate = self._config.candidates, 0, 0.0
        else:
            seconds = time.perf_counter() - self._stage_began
            total, done, name = now.total, now.done, now.stage
            rate = now.rate or (done / seconds if seconds else 0.0)
        unit = " candidates/s" if now is None or now.tally else "/s"
        said = [f"{done:,} of {total:,}", f"{_rate(rate)}{unit}", time_left(now, rate) if now and rate else "– left"]
        return Group(
            Text.assemble((name, "bold"), "  ", ("  ·  ".join(said))),
            _meter(done / max(1, total), width),
        )

    def _fates(self) -> Any:
        from rich.text import Text

        if self._candidates is None:
            return Text("–", style="dim")
        return Text("  ·  ".join(f"{share:.0%} {fate}" for fate, share in shares(self._candidates).items()))

    def _budgets(self, width: int) -> list[Any]:
        from rich.text import Text

        costs = self._leader.best_costs if self._leader else {}
        limits = self._config.limits
        names = max(map(len, limits), default=0)
        lines = []
        for name, limit in limits.items():
            used = costs.get(name)
            said = f"{_cost(used)} of {_cost(limit)}" if used is not None else f"– of {_cost(limit)}"
            text = Text(f"{name.replace('_', ' '):{names}}  ")
            if width >= 60:
                text.append_text(_meter(used / limit if used is not None else 0.0, 16)).append("  ")
            share = f"{used / limit:6.1%}" if used is not None else "     –"
            lines.append(text.append(f"{share}  {said}"))
        return lines or [Text("none", style="dim")]

    def _best(self, width: int) -> Any:
        from rich.text import Text

        best = self._leader
        if best is None:
            return Text("–", style="dim")
        text = Text.assemble((f"{best.best_score:.3f}", "bold green"), (f"  {best.score_name}", "dim"))
        lines = in_lines(best.best_structure, width)
        text.append("\n" + "\n".join(lines[:LINES]), style="cyan")
        if len(lines) > LINES:
            text.append(f"\n… and {sum(line.count('(') for line in lines[LINES:])} more blocks", style="dim")
        return text


def in_lines(structure: str, width: int) -> list[str]:
    """A structure in lines of whole blocks, as many in each as fit."""
    lines = [""]
    for block in re.findall(r"[A-Za-z_]\w*\([^()]*\)|.", structure):
        if lines[-1] and len(lines[-1]) + len(block) > width:
            lines.append("")
        lines[-1] += block
    return lines


def _rate(rate: float) -> str:
    return "–" if not rate else f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _cost(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _meter(share: float, width: int) -> Any:
    from rich.text import Text

    full = round(min(1.0, share) * width)
    return Text.assemble(("━" * full, "cyan"), ("─" * (width - full), "dim"))
