"""What a report tells about a run, as plain data."""

from __future__ import annotations

import json
import time
from typing import Any

from plainnet.blocks.structure import parse
from plainnet.profiler.trust import trust_sentences
from plainnet.search.budgets import BUDGETS
from plainnet.search.fronts import axes_of, front_of
from plainnet.search.measures import find_measurement
from plainnet.search.runs import best_of, state_of
from plainnet.search.session import scores_of, summarise
from plainnet.search.store import COST_PREFIX, Candidate, RunStore

__all__ = ["facts_of"]

POINTS = 4_000
"""Candidates in a scatter plot at most, evenly drawn from all."""


def facts_of(store: RunStore) -> dict[str, Any]:
    """Everything that the page shows."""
    result = summarise(store)
    config = store.config
    best = best_of(store, 10)
    return {
        "title": store.path.parent.name if store.path else "search",
        "state": state_of(store),
        "space": config.space.name,
        "about": config.space.about,
        "objectives": list(store.columns),
        "limits": {name: [limit, BUDGETS[name]] for name, limit in config.limits.items()},
        "input": f"{config.resolution} × {config.resolution}, {config.num_classes} classes"
        + (", squeeze-excite" if config.use_se else ""),
        "result": result.as_dict(),
        "versions": {name: store.info(name) for name in ("plainnet", "python", "machine")},
        "created": time.strftime("%Y-%m-%d %H:%M", time.localtime(float(store.info("created")))),
        "blocks": _blocks(store, best[0]),
        "best": [_line(store, candidate) for candidate in best],
        "trust": _trust(store),
        "history": _history(store),
        "rungs": _rungs(store),
        "tally": _tally(store),
        "front": _front(store),
        "reproduce": command_of(store),
        "configuration": json.loads(config.to_json()),
    }


def _line(store: RunStore, candidate: Candidate) -> dict[str, Any]:
    scores = scores_of(store, candidate)
    return {"structure": candidate.structure, "hash": candidate.short_hash, "costs": candidate.costs, "scores": scores}


def _blocks(store: RunStore, candidate: Candidate) -> list[dict[str, Any]]:
    """The winner block by block: shapes, params, MACs."""
    setting = store.config.setting
    structure = parse(candidate.structure)
    found, shape = [], setting.shape
    for block, totals in zip(structure.blocks, structure.totals(shape, variant=setting.variant), strict=True):
        out = totals.out_shape
        found.append(
            {
                "name": block.name,
                "text": block.text,
                "in": list(shape),
                "out": list(out),
                "layers": totals.sums.layers,
                "params": totals.sums.params,
                "macs": totals.sums.macs,
                "inner": getattr(block, "bottleneck_channels", None),
            }
        )
        shape = out
    return found


def _trust(store: RunStore) -> list[dict[str, Any]]:
    proxies = dict.fromkeys(
        ["zen" if name == "zen_leading" else name.removeprefix(COST_PREFIX) for name in store.columns]
        + [rung.proxy for rung in store.config.ladder]
    )
    return [{"proxy": proxy, "sentences": trust_sentences(proxy)} for proxy in proxies]


def _history(store: RunStore) -> dict[str, Any]:
    """Scores of evenly drawn candidates, the best so far, and what became of the candidates of each epoch."""
    column = store.columns[0]
    count = store.query("SELECT count(*) FROM candidates")[0][0]
    every = max(1, -(-count // POINTS))
    points = store.query(
        f'SELECT id, "{column}", params, macs FROM candidates WHERE id % {every} = 0 AND "{column}" IS NOT NULL ORDER BY id'
    )
    epochs, best_so_far, proposed = [], None, 0
    sign = 1 if store.directions[0] else -1
    for number, each, evaluated, tally, best in store.query(
        "SELECT epoch, proposed, evaluated, tally, best FROM epochs"
    ):
        proposed += each
        counts = json.loads(tally)
        if best is not None and (best_so_far is None or best * sign > best_so_far * sign):
            best_so_far = best
        duplicates = counts.get("duplicates", 0)
        epochs.append([number, proposed, best_so_far, each, evaluated, duplicates, each - evaluated - duplicates])
    return {"points": [list(point) for point in points], "epochs": epochs, "evaluated": count}


def _rungs(store: RunStore) -> list[dict[str, Any]]:
    config = store.config
    totals = store.totals()
    rungs = [
        {
            "rung": "0",
            "proxy": ", ".join(name.removeprefix(COST_PREFIX) for name in store.columns),
            "candidates": totals["evaluated"],
            "values": totals["evaluated"],
            "seconds": store.seconds("epoch"),
            "what": "every candidate within the budgets, once",
        }
    ]
    for number, rung in enumerate([*config.ladder, None, None], 1):
        measures = [each for each in store.measures() if each.rung == number]
        if not measures:
            continue
        exact = find_measurement(measures[0].proxy).exact
        verdict = number == len(config.ladder) + 2
        what = "the best of the rung before" if rung else "finalists, one image in one thread: over the budget is out"
        what = "the finalists again, with fresh seeds: the best of these wins" if verdict else what
        rungs.append(
            {
                "rung": "verdict" if verdict else str(number),
                "proxy": measures[0].proxy,
                "candidates": len(measures),
                "values": len(measures) if exact else sum(each.repeats for each in measures),
                "seconds": store.seconds(f"rung {number}"),
                "what": what,
            }
        )
    return rungs


def _tally(store: RunStore) -> list[list[Any]]:
    totals = store.totals()
    shown = ("candidates", "evaluated", "duplicates", "repaired", "rejected")
    order = ["evaluated", "duplicates", *sorted(name for name in totals if name not in shown)]
    return [[name, totals[name]] for name in order]


def _front(store: RunStore) -> dict[str, Any]:
    """The first two axes of the front, and the candidates on it."""
    axes = axes_of(store)[:2]
    points: list[list[Any]] = []
    for candidate in front_of(store, [f"{'max' if maximise else 'min'}:{name}" for name, maximise in axes]):
        values = {**candidate.costs, **candidate.scores}
        points.append([values[axes[1][0]], values[axes[0][0]], candidate.structure, candidate.short_hash])
    points.sort(key=lambda point: point[0])
    names = [name.removeprefix(COST_PREFIX) for name, _ in axes]
    return {"y": names[0], "x": names[1], "points": points}


def command_of(store: RunStore) -> str:
    """The command that makes this run again."""
    config = store.config
    parts = [f"plainnet search {config.space.name}", *(f"--objective {name}" for name in config.objectives)]
    parts += [f"--resolution {config.resolution}", f"--num-classes {config.num_classes}"]
    parts += ["--use-se"] if config.use_se else []
    parts += [f"--max-{name.replace('_', '-')} {limit:.12g}" for name, limit in config.limits.items()]
    parts += [f"--candidates {config.candidates}", f"--seed {config.seed}", f"--strategy {config.strategy}"]
    parts += [f"--population {config.population}", f"--islands {config.islands}", f"--epoch {config.epoch}"]
    parts += [f"--crossover {config.crossover}"] if config.crossover else []
    parts += ["--ladder " + (",".join(map(str, config.ladder)) or "none")]
    parts += [f"--blocks {path}" for path in config.blocks]
    return " ".join(parts)
