"""What a search found: the winner with every score explained, or the front, and a budget that is not met."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from plainnet.results.numbers import count_text
from plainnet.results.result import Result, View
from plainnet.search.ladder.ranking import Unmet
from plainnet.search.ladder.trainings import Training
from plainnet.search.runs.networks_table import networks_table
from plainnet.search.runs.search_bound import SearchBound
from plainnet.search.store import COSTS

__all__ = ["Best", "SearchResult"]


@dataclass(frozen=True)
class Best:
    """The winner of a search. `scores` holds the objectives and what the ladder measured, by name. Costs that nothing
    asked for are None. code: in a space of cells, what the structure is written from.
    """

    structure: str
    hash: str
    params: int
    macs: int
    layers: int
    activations: int
    peak_activation: int | None
    latency_ms: float | None
    convolutions: int | None
    rho: float | None
    scores: dict[str, float]
    code: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything side by side; a number that is not finite is None. The code is there for cells alone."""
        apart = ("scores", *(["code"] if self.code is None else []))
        found = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name not in apart}
        return {**found, **{name: _finite(value) for name, value in self.scores.items()}}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class SearchResult(Result):
    """What a search found and what it took. `seconds` is the time of all its sessions, `searching_seconds` that of its
    candidates alone: without a ladder, and what is measured or proven.

    best: with several objectives, the first of `front` (the best by the first of them).
    decided_by: the name of the score that makes `best` the best; explanations: what each of its scores is.
    front: with several objectives, the candidates that no other one beats in all of them; empty for one.
    asked: the candidates that the search has when it is finished; `candidates` are fewer where the time was over.
    unmet: a latency budget that no finalist meets.
    trained: where a rung trained `best`, that training: accuracy, seeds, seconds, the folder with the weights.
    bound: what is proven of all networks of the space within the budgets; None where nobody tried to prove anything.
    """

    best: Best
    candidates: int
    evaluated: int
    rejected: int
    duplicates: int
    failed: int
    seconds: float
    searching_seconds: float
    folder: Path | None
    asked: int
    decided_by: str
    explanations: dict[str, str]
    front: tuple[Best, ...] = ()
    unmet: Unmet | None = None
    exhausted: bool = False
    trained: Training | None = None
    bound: SearchBound | None = None

    def as_dict(self) -> dict[str, Any]:
        """The summary that `plainnet search --json` prints."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {
            "schema": "plainnet.search/1",
            **values,
            "best": self.best.as_dict(),
            "seconds": round(self.seconds, 3),
            "searching_seconds": round(self.searching_seconds, 3),
            "folder": str(self.folder) if self.folder else None,
            "front": [each.as_dict() for each in self.front],
            "unmet": dataclasses.asdict(self.unmet) if self.unmet else None,
            "trained": self.trained.as_dict() if self.trained else None,
            "bound": self.bound.as_dict() if self.bound else None,
        }

    def records(self) -> list[Mapping[str, Any]]:
        """The winner, or each network of the front."""
        return [each.as_dict() for each in self.front or (self.best,)]

    def view(self) -> View:
        """The winner or the front, and what it took."""
        if self.front:
            title = f"the front: {len(self.front)} networks that no other one beats in all objectives"
            ranks = [str(rank) for rank in range(1, len(self.front) + 1)]
            hint = "plainnet runs pareto RUN --full"
            return View(
                [("", title)], [networks_table(self.records(), first="rank", firsts=ranks, hint=hint)], self._story()
            )
        costs = [(name, getattr(self.best, name)) for name in COSTS]
        known = ", ".join(f"{name} {count_text(value)}" for name, value in costs if value is not None)
        code = [("code", self.best.code)] if self.best.code is not None else []
        winner = [("", self.best.structure), *code, ("hash", self.best.hash), ("costs", known), *self._scores()]
        return View(winner, (), self._story())

    def _scores(self) -> list[tuple[str, str]]:
        """The winner's scores, and what each of them is."""
        lines = []
        for name, value in self.best.scores.items():
            decides = " (this decides)" if name == self.decided_by and len(self.best.scores) > 1 else ""
            lines.append((name, f"{value:<10.6g}  {self.explanations.get(name, '')}{decides}".rstrip()))
        return lines

    def _trained(self, quoted: str) -> list[str]:
        """Where the winner's weights are, and what takes them."""
        trained = self.trained
        if trained is None or trained.folder is None:
            return []
        accuracy = f"{trained.accuracy:.4f}" + (f" ± {trained.stderr:.4f}" if trained.stderr is not None else "")
        seeds = f", {trained.seeds} seeds" if trained.seeds > 1 else ""
        seconds = f", {trained.seconds:.1f} s" if trained.seconds is not None else ""
        return [
            f"trained: {accuracy}{seeds}{seconds}, {trained.folder}/best.safetensors",
            f"all trainings: plainnet runs trained {quoted}; use it: plainnet predict {quoted} IMAGE...",
        ]

    def _story(self) -> list[tuple[str, str]]:
        searching = self.searching_seconds
        rate = self.candidates / searching if searching else 0.0
        more = f", {self.seconds:.1f} s in all" if f"{self.seconds:.1f}" != f"{searching:.1f}" else ""
        failed = f", {self.failed:,} failed" if self.failed else ""
        lines = [
            f"{self.candidates:,} candidates in {searching:.1f} s ({rate:,.0f}/s){more}: {self.evaluated:,} evaluated, "
            f"{self.rejected:,} rejected, {self.duplicates:,} duplicates{failed}"
        ]
        if self.bound is not None and str(self.bound):
            lines.insert(0, str(self.bound))
        if self.folder is not None:
            quoted = quote(str(self.folder))
            lines += self._trained(quoted)
            lines.append(f"kept in {self.folder}; a page about it: plainnet report {quoted}")
            if self.exhausted:
                lines.append("it ended early: the last candidates held nothing new")
            elif self.candidates < self.asked:
                left = self.asked - self.candidates
                lines.append(f"{left:,} candidates are left: plainnet search --resume {quoted}")
        return [("", line) for line in lines]
