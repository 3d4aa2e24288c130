"""A team of workers: which islands each has, and what happens when one dies.

What islands do follows from their states and from what was evaluated before the epoch, so a worker that died is
replaced by a new one that is told both, and does the epoch again with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from plainnet.errors import RunError
from plainnet.search.evolution.islands import IslandReport
from plainnet.search.executors.workers import EpochRequest

__all__ = ["Handle", "Recover", "Team", "WorkerDiedError"]

MAX_DEATHS = 5
"""How often in a row a worker may die before the run gives up: something kills it every time."""

States = Mapping[int, dict[str, Any] | None]
Recover = Callable[[], tuple[States, bytes]]
"""The states of all islands after the last epoch, and the hashes that were evaluated until then."""


class WorkerDiedError(Exception):
    """A worker is gone; what it was doing is not done."""


class Handle(Protocol):
    """A worker somewhere. Every call may raise `WorkerDiedError`; `take` gives the answer to the oldest `send`."""

    def send(self, method: str, *arguments: Any) -> None:
        """Ask the worker to call one of its methods."""

    def take(self) -> Any:
        """Wait for an answer."""

    def hang_up(self) -> None:
        """Tell the worker to end; it may take a moment."""

    def close(self) -> None:
        """End the worker, and wait until it has ended."""


class Team:
    """Workers by number; island i belongs to worker i modulo their number."""

    def __init__(self, hire: Callable[[], Handle], size: int, *, on_death: Callable[[str], None]) -> None:
        self._hire, self._on_death = hire, on_death
        self._handles: list[Handle] = [hire() for _ in range(size)]
        self._request: tuple[int, Sequence[int], Mapping[int, list[Any]]] = (0, (), {})

    def _islands(self, worker: int, states: States) -> dict[int, dict[str, Any] | None]:
        return {number: state for number, state in states.items() if number % len(self._handles) == worker}

    def settle(self, states: States, known: bytes) -> None:
        """Give every worker its islands."""
        self.islands = sorted(states)
        for worker in range(len(self._handles)):
            self._persist(worker, lambda worker=worker: self._settle(worker, states, known))  # type: ignore[misc]

    def _settle(self, worker: int, states: States, known: bytes) -> None:
        self._handles[worker].send("settle", self._islands(worker, states), known)
        self._handles[worker].take()

    def submit(
        self, epoch: int, shares: Sequence[int], arrivals: Mapping[int, list[Any]], evaluated: Mapping[int, bytes]
    ) -> None:
        """Start an epoch in which each island proposes its share; `evaluated` are the hashes that each island evaluated in
        the epoch before.
        """
        self._request = (epoch, shares, arrivals)
        for worker in range(len(self._handles)):
            news = b"".join(h for island, h in evaluated.items() if island % len(self._handles) != worker)
            try:
                self._ask(worker, news)
            except WorkerDiedError:
                continue  # `collect` meets it again, when there is something to recover from

    def _ask(self, worker: int, news: bytes) -> None:
        epoch, shares, arrivals = self._request
        mine = {island: shares[island] for island in self.islands if island % len(self._handles) == worker}
        sent = {island: arrivals.get(island, []) for island in mine}
        self._handles[worker].send("run", EpochRequest(epoch, mine, sent, news))

    def collect(self, recover: Recover) -> dict[int, IslandReport]:
        """What the islands did in the epoch, all of them."""
        reports: dict[int, IslandReport] = {}
        for worker in range(len(self._handles)):
            try:
                reports.update(self._handles[worker].take())
            except WorkerDiedError as error:
                self._replace(worker, error)
                reports.update(self._again(worker, recover))
        return reports

    def _again(self, worker: int, recover: Recover) -> dict[int, IslandReport]:
        """The epoch of one worker, done by its successor."""

        def redo() -> dict[int, IslandReport]:
            self._settle(worker, *recover())
            self._ask(worker, b"")
            found: dict[int, IslandReport] = self._handles[worker].take()
            return found

        return self._persist(worker, redo)  # type: ignore[no-any-return]

    def _persist(self, worker: int, action: Callable[[], Any]) -> Any:
        """Do something with a worker, and again with its successors while they die."""
        for _ in range(MAX_DEATHS):
            try:
                return action()
            except WorkerDiedError as error:
                self._replace(worker, error)
        raise RunError(f"worker {worker} died {MAX_DEATHS} times in a row; the run can be resumed")

    def _replace(self, worker: int, error: WorkerDiedError) -> None:
        self._on_death(f"worker {worker} died ({error}) and was replaced")
        self._handles[worker].close()
        self._handles[worker] = self._hire()

    def map(self, method: str, jobs: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """(number of the job, answer) for each job, done by whoever is free, in the order of the jobs."""
        size = len(self._handles)
        for first in range(0, len(jobs), size):
            share = jobs[first : first + size]
            sent: list[bool] = []
            for worker, job in enumerate(share):
                try:
                    self._handles[worker].send(method, *job)
                    sent.append(True)
                except WorkerDiedError:
                    sent.append(False)
            for worker, job in enumerate(share):
                yield first + worker, self._finish(worker, method, job, sent=sent[worker])

    def _finish(self, worker: int, method: str, job: tuple[Any, ...], *, sent: bool) -> Any:
        if sent:
            try:
                return self._handles[worker].take()
            except WorkerDiedError as error:
                self._replace(worker, error)

        def redo() -> Any:
            self._handles[worker].send(method, *job)
            return self._handles[worker].take()

        return self._persist(worker, redo)

    def close(self) -> None:
        """End all workers: tell all of them before waiting for one."""
        for handle in self._handles:
            handle.hang_up()
        for handle in self._handles:
            handle.close()
