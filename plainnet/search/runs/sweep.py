"""A sweep: one search for each of a list of budgets, which gives a whole front of networks.

Every search is a run of its own in a folder of the sweep's, so a sweep that was interrupted goes on where it stopped
when it is asked for again.
"""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

from plainnet.errors import PlainnetError, RunError, UsageError, nearest, not_written
from plainnet.files.whole_files import write_whole
from plainnet.results.result import Result, View
from plainnet.search.candidates.budgets import BUDGETS
from plainnet.search.executors.processes import deaf_to_ctrl_c, follow_parent
from plainnet.search.ladder.rung_names import MEASURED
from plainnet.search.runs.networks_table import ABOUT, networks_table
from plainnet.search.runs.session import resume, search
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import COSTS, FILE_NAME, RunStore

__all__ = ["UNMET", "Outcome", "Outcomes", "beaten", "read_budgets", "score_name", "sweep"]

MOST = 1_000
"""Limits of a range at most."""
UNMET = ".unmet.txt"
"""What is behind the name of a limit's folder in that of the file which says why there is no search under it."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one budget of a sweep gave: the summary of its search, or why there is none."""

    budget: str
    limit: float
    folder: str
    result: dict[str, Any] | None
    problem: str = ""


class Outcomes(list[Outcome], Result):
    """What a sweep gave, one outcome for each budget. Shown, it is the table of the networks, with what went wrong."""

    __str__ = Result.__str__

    def as_dict(self) -> dict[str, Any]:
        """The outcomes, under `sweep`."""
        values = [
            {
                "budget": each.budget,
                "limit": each.limit,
                "folder": each.folder,
                **(each.result or {"problem": each.problem}),
            }
            for each in self
        ]
        return {"schema": "plainnet.sweep/1", "sweep": values}

    def records(self) -> list[Mapping[str, Any]]:
        """The budget and the network of each outcome that has one."""
        return [{f"{each.budget} limit": each.limit, **each.result["best"]} for each in self if each.result is not None]

    def view(self) -> View:
        """The networks, and what is wrong with some."""
        records = self.records()
        problems = [("", f"{each.budget} <= {_exact(each.limit)}: {each.problem}") for each in self if each.problem]
        if not records:
            return View(problems or [("", "no budget was searched under")])
        first = next(iter(records[0]))
        bests = [{key: value for key, value in each.items() if key != first} for each in records]
        return View(
            (), [networks_table(bests, first=first, firsts=[_exact(each[first]) for each in records])], problems
        )


def _exact(limit: float) -> str:
    return f"{limit:,.0f}" if limit == int(limit) else f"{limit:,.3f}"


def score_name(outcomes: Sequence[Outcome]) -> str:
    """The score by which the networks of a sweep compare: the dearest that each of them has."""
    found = [outcome.result["best"] for outcome in outcomes if outcome.result is not None]
    shared = [key for key in found[0] if key not in ABOUT and all(each.get(key) is not None for each in found)]
    scores = [key for key in shared if key not in COSTS and not key.startswith(MEASURED)]
    return str(next(each for each in ("zen_mc", "zen", *scores, "macs") if each in shared))


def beaten(outcomes: Sequence[Outcome], *, higher: bool = True) -> list[Outcome]:
    """The outcomes whose network is worse than one that was found under another limit, and is within theirs, too: those
    searches were too short.
    """
    networks = [(outcome, outcome.result["best"]) for outcome in outcomes if outcome.result is not None]
    if not networks:
        return []
    name, sign = score_name(outcomes), 1 if higher else -1
    return [
        outcome
        for outcome, mine in networks
        if any(
            other[name] * sign > mine[name] * sign and other.get(each.budget, each.limit) <= outcome.limit
            for each, other in networks
        )
    ]


def read_budgets(text: str) -> tuple[str, list[float]]:
    """The budget and its limits: `params=2e5,5e5,1e6`, or `params=2e5:2e6:20` for 20 limits in equal ratios."""
    name, sign, values = text.partition("=")
    name = name.strip().removeprefix("max-").replace("-", "_")
    if name not in BUDGETS or not sign:
        near = nearest(name, BUDGETS)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"{text!r} names no budget; accepted: {', '.join(BUDGETS)}, as in params=2e5:2e6:20{hint}")
    try:
        if ":" in values:
            first, last, count = values.split(":")
            limits = _ratios(float(first), float(last), int(count))
        else:
            limits = [float(value) for value in values.split(",")]
    except ValueError:
        accepted = f"2e5,5e5,1e6 or FIRST:LAST:COUNT with 0 < FIRST < LAST and a COUNT from 2 to {MOST}"
        raise UsageError(f"{values!r} are no limits; accepted: {accepted}") from None
    if not all(0 < limit < math.inf for limit in limits) or len(set(limits)) < len(limits):
        raise UsageError(f"{values!r} are no limits; accepted: different positive numbers")
    return name, sorted(limits)


def _ratios(first: float, last: float, count: int) -> list[float]:
    if not 0 < first < last < math.inf or not 2 <= count <= MOST:
        raise ValueError(f"a range needs 0 < first < last and from 2 to {MOST} limits")
    ratio = (last / first) ** (1 / (count - 1))
    limits = [first * ratio**step for step in range(count)]
    return [float(round(limit)) if first >= 100 else float(f"{limit:.4g}") for limit in limits]


def sweep(
    config: SearchConfig,
    budget: str,
    limits: Sequence[float],
    out: Path,
    *,
    workers: int = 1,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> Outcomes:
    """Search under each limit, `workers` searches at a time; the outcomes in the order of the limits.

    A limit that no structure meets is an outcome with a problem, not the end of the sweep.
    """
    if config.trains:
        raise UsageError("a sweep does not train; accepted: a ladder without a rung that trains, then plainnet search")
    jobs = []
    for limit in limits:
        changed = dataclasses.replace(config, limits={**config.limits, budget: limit}, starts=())
        jobs.append((changed.to_json(), budget, limit, str(out / f"{budget}-{limit:.15g}")))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(out, error, done="made") from None
    found: dict[float, Outcome] = {}
    try:
        for outcome in _one_by_one(jobs) if workers == 1 else _in_processes(jobs, workers):
            found[outcome.limit] = outcome
            if on_outcome is not None:
                on_outcome(outcome)
    except BaseException:
        with suppress(OSError):  # what holds something stays
            out.rmdir()
        raise
    return Outcomes(found[limit] for limit in limits)


Job = tuple[str, str, float, str]


def _one_by_one(jobs: Sequence[Job]) -> Iterator[Outcome]:
    for job in jobs:
        yield run_job(*job)


def _in_processes(jobs: Sequence[Job], workers: int) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, mp_context=context, initializer=follow_parent) as pool:
        with deaf_to_ctrl_c():  # asking for work starts the processes
            waiting: set[Future[Outcome]] = {pool.submit(run_job, *job) for job in reversed(jobs)}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise RunError("a process of the sweep died; ask for the same sweep again to go on") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # a search that is ended at any moment can be taken up again, and nobody wants to wait for it
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def run_job(config: str, budget: str, limit: float, folder: str) -> Outcome:
    """Search under one limit, or go on with the search that is there."""
    path = Path(folder)
    wanted = SearchConfig.from_json(config)
    try:
        if (path / FILE_NAME).exists():
            store = RunStore.open(path, writable=False)
            # what a latency budget was calibrated to belongs to the run, not to what was asked for
            same = dataclasses.replace(store.config, latency=wanted.latency, starts=wanted.starts) == wanted
            store.close()
            if not same:
                raise UsageError(f"{path} holds a search of another configuration; give the sweep another folder")
            result = resume(path, trust=True)  # what it names, who asks for the sweep has named again
        else:
            result = search(wanted, path)
    except UsageError as error:
        if not (path / FILE_NAME).exists():
            write_whole(path.with_name(path.name + UNMET), str(error))
        return Outcome(budget, limit, folder, None, str(error))
    except PlainnetError as error:
        raise RunError(str(error)) from error
    return Outcome(budget, limit, folder, result.as_dict())
