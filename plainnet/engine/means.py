"""Means over samples, exact whatever the batches: sums and counts, never means of means."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plainnet.engine.processes.collectives import gather

__all__ = ["Means", "Ratio", "RecentMeans", "added_up"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A sum over samples and how many there were: `Ratio(correct, n)` is an accuracy that adds up exactly."""

    total: Tensor | float
    count: int


class Means:
    """Running sums and counts by name, in float64 where the device has it; nothing is read back before `compute`."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, results: Mapping[str, Any], *, samples: int) -> None:
        """Add a batch's results: a `Ratio` as it is, a number or scalar tensor as the mean over `samples`."""
        for name, value in results.items():
            # a sum counts once, a mean as often as there are samples
            total, times, count = (
                (value.total, 1, value.count) if isinstance(value, Ratio) else (value, samples, samples)
            )
            known = self.sums.get(name)
            if known is None:
                self.sums[name] = _double(total).mul_(times)
                self.counts[name] = count
                continue
            if isinstance(total, Tensor):
                if total.device != known.device:  # after a resume
                    known = self.sums[name] = known.to(total.device)
                known.add_(total.detach(), alpha=times)  # computed in the type of the sum
            else:
                known.add_(total * times)
            self.counts[name] += count

    def compute(self, *, reduce: Callable[[Tensor], Tensor] | None = None) -> dict[str, float]:
        """The mean of each name, nan where nothing was counted; `reduce` adds a tensor up over the processes, all of which
        take part.
        """
        names = list(self.sums)
        if reduce is not None:  # a process may have seen nothing
            names = list(dict.fromkeys(name for each in gather(names) for name in each))
        if not names:
            return {}
        rows = [[float(self.sums.get(name, 0.0)), float(self.counts.get(name, 0))] for name in names]
        table = torch.tensor(rows, dtype=torch.float64)
        if reduce is not None:
            table = reduce(table)
        return {
            name: total / count if count else math.nan
            for name, (total, count) in zip(names, table.tolist(), strict=True)
        }

    def clear(self) -> None:
        """Forget everything."""
        self.sums.clear()
        self.counts.clear()

    def state_dict(self) -> dict[str, Any]:
        """Sums and counts."""
        return {"sums": {name: float(value) for name, value in self.sums.items()}, "counts": dict(self.counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` left off."""
        self.sums = {name: torch.tensor(value, dtype=torch.float64) for name, value in state["sums"].items()}
        self.counts = dict(state["counts"])


class RecentMeans:
    """Means over the last `window` updates, all their samples together; those of each update are kept apart until it leaves."""

    def __init__(self, window: int = 1) -> None:
        self.updates: deque[Means] = deque(maxlen=window)

    @property
    def window(self) -> int:
        """Updates that are taken together."""
        return self.updates.maxlen or 1

    def begin(self) -> None:
        """A new update; the oldest leaves where there are `window` of them."""
        self.updates.append(Means())

    def add(self, result: Mapping[str, Any], *, samples: int) -> None:
        """The results of a batch of the update that has begun: see `Means.add`."""
        self.updates[-1].add(result, samples=samples)

    def compute(self, *, reduce: Callable[[Tensor], Tensor] | None = None) -> dict[str, float]:
        """The mean of each name over the updates: see `Means.compute`."""
        whole = Means()
        for update in self.updates:
            for name, total in update.sums.items():
                whole.sums[name] = whole.sums[name] + total.to(whole.sums[name].device) if name in whole.sums else total
                whole.counts[name] = whole.counts.get(name, 0) + update.counts[name]
        return whole.compute(reduce=reduce)

    def state_dict(self) -> list[dict[str, Any]]:
        """Sums and counts of the updates that the next line is of, too."""
        return [update.state_dict() for update in list(self.updates)[1 - self.window :]] if self.window > 1 else []

    def load_state_dict(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take up where `state_dict` left off."""
        self.updates.clear()
        for state in states:
            self.begin()
            self.updates[-1].load_state_dict(state)


def added_up(states: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The states of several `Means`, as those of processes, in one."""
    result: dict[str, dict[str, Any]] = {"sums": {}, "counts": {}}
    for state in states:
        for part, values in result.items():
            for name, value in state[part].items():
                values[name] = values.get(name, 0) + value
    return result


def _double(value: Tensor | float) -> Tensor:
    if not isinstance(value, Tensor):
        return torch.tensor(float(value), dtype=torch.float64)
    return value.detach().to(torch.float32 if value.device.type == "mps" else torch.float64, copy=True)
