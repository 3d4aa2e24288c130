"""What pages tell about a search, as plain data."""

from __future__ import annotations

import json
import shlex
import time
from shlex import quote
from typing import Any

from plainnet.blocks.structure import parse
from plainnet.configs import dump_values
from plainnet.profiler.network_drawing import drawn_blocks
from plainnet.proxies.calibrated.names import SHORT, short_name
from plainnet.search.candidates.budgets import BUDGETS
from plainnet.search.candidates.training_names import is_training
from plainnet.search.ladder.ranking import Standing, ranking, said_of_training, scores_of
from plainnet.search.ladder.rung_names import kept_measurement, latency_rung, score_name, verdict_rung
from plainnet.search.report.charts import front_axes, front_chart, history_chart
from plainnet.search.report.explorer_facts import explorer_of
from plainnet.search.report.labels import in_words, input_in_words
from plainnet.search.report.reproduce import next_commands, reproduction
from plainnet.search.runs.kept_runs import state_of
from plainnet.search.runs.search_bound import SearchBound
from plainnet.search.runs.session import summarise
from plainnet.search.runs.trusting import code_of, need_blocks
from plainnet.search.settings.advice import advice
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.mutators import cell_code
from plainnet.search.store import COST_PREFIX, Candidate, RunStore, damaged
from plainnet.validation.trust import trust_sentences

__all__ = ["blocks_of", "lines_of", "moment_of", "search_facts", "trust_of", "words_of"]


def search_facts(store: RunStore, *, trust: bool = False) -> dict[str, Any]:
    """Everything that the page shows. `trust`: the run's own files with blocks may be run, where its networks need them."""
    result = summarise(store)
    config, standings = store.config, ranking(store, 10)
    need_blocks(store, [each.candidate.structure for each in standings], trust=trust)
    return {
        "title": store.path.parent.name if store.path else "search",
        "state": state_of(store),
        "space": config.space.name,
        "about": config.space.about,
        "objectives": [
            f"{'maximises' if maximise else 'minimises'} {in_words(name)}"
            for name, maximise in zip(store.columns, store.directions, strict=True)
        ],
        "strategy": f"{config.strategy}, {config.islands} islands of {config.population}, seed {config.seed}",
        "advice": advice(config),
        "limits": {name: [limit, BUDGETS[name]] for name, limit in config.limits.items()},
        "input": input_in_words(config),
        "result": result.as_dict(),
        "unmet": str(result.unmet) if result.unmet else "",
        "decided_by": result.decided_by,
        "explanations": result.explanations,
        "versions": {name: store.info(name) for name in ("plainnet", "python", "machine")},
        "created": moment_of(store),
        "blocks": blocks_of(store, standings[0].candidate),
        "best": lines_of(store, standings),
        "words": words_of(store),
        "trust": trust_of(store),
        "rungs": _rungs(store),
        "tally": _tally(store),
        "events": [
            text for _, kind, _, text in store.events() if kind not in ("epoch", "merge") and "rung" not in kind
        ],
        "resume": _resume(store),
        "next": next_commands(store, standings[0].candidate),
        **_charts(store, standings, result.bound),
        "reproduce": reproduction(store),
        **_written(config),
    }


def _charts(store: RunStore, standings: list[Standing], bound: SearchBound | None) -> dict[str, Any]:
    """What is drawn of all candidates, with the winner and the bound among them."""
    proven = bound.bound if bound is not None else None
    return {
        "history": history_chart(store, standings[0].candidate),
        "front": front_chart(store),
        "explorer": explorer_of(store, standings, front_axes(store), bound=proven),
    }


def _written(config: SearchConfig) -> dict[str, Any]:
    """The whole configuration, as data and as YAML."""
    values = json.loads(config.to_json())
    return {"configuration": values, "yaml": dump_values(values)}


def words_of(store: RunStore) -> dict[str, str]:
    """Columns of the run, and what its ladder measured, in words."""
    measured = [score_name(each.proxy, store.columns) for each in store.measures()]
    return {
        name: in_words(name) for name in dict.fromkeys([*store.columns, *store.asked, "peak_activation", *measured])
    }


def _resume(store: RunStore) -> str:
    if store.path is None:
        return ""
    words = ["plainnet", "search", "--resume", str(store.path.parent)]
    return shlex.join([*words, "--trust"] if code_of(store.config) else words)


def moment_of(store: RunStore) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(store.created))
    except (OverflowError, ValueError, OSError) as error:
        raise damaged(store.path or "memory", f"created is {store.created}: {error}") from None


def lines_of(store: RunStore, standings: list[Standing]) -> list[dict[str, Any]]:
    """Candidates with all their counts and scores, and how far up the ladder they came."""
    scores = scores_of(store, [each.candidate for each in standings])
    errors: dict[int, dict[str, float]] = {}
    for each in store.measures():
        if each.stderr is not None:
            errors.setdefault(each.hash, {})[score_name(each.proxy, store.columns)] = each.stderr
    return [
        _line(store, standing, values, errors.get(standing.candidate.hash, {}))
        for standing, values in zip(standings, scores, strict=True)
    ]


def _line(store: RunStore, standing: Standing, scores: dict[str, float], errors: dict[str, float]) -> dict[str, Any]:
    candidate, setting = standing.candidate, store.config.setting
    totals = parse(candidate.structure).totals(setting.shape, variant=setting.variant)
    costs = {**candidate.costs, "peak_activation": max(each.peak_elements for each in totals)}
    special = {verdict_rung(store.config): "verdict", latency_rung(store.config): "measured latency"}
    return {
        "structure": candidate.structure,
        "code": cell_code(store.config.space, candidate.structure),
        "hash": candidate.short_hash,
        "costs": {name: value for name, value in costs.items() if value is not None},
        "scores": scores,
        "errors": errors,
        "reached": special.get(standing.rung, f"rung {standing.rung}"),
    }


def blocks_of(store: RunStore, candidate: Candidate) -> list[dict[str, Any]]:
    """The winner block by block: shapes, params, MACs."""
    setting = store.config.setting
    return drawn_blocks(parse(candidate.structure), setting.shape, variant=setting.variant)


def trust_of(store: RunStore) -> list[dict[str, Any]]:
    proxies = dict.fromkeys(
        ["zen" if name == "zen_leading" else name.removeprefix(COST_PREFIX) for name in store.columns]
        + [rung.proxy for rung in store.config.ladder if not is_training(rung.proxy)]
    )
    versions = {"composite": store.config.composite}
    return [
        {
            "proxy": short_name(proxy),
            "name": in_words(short_name(proxy)),
            "sentences": trust_sentences(proxy, version=versions.get(proxy)) or [_not_known(proxy)],
        }
        for proxy in proxies
    ]


def _not_known(proxy: str) -> str:
    from plainnet.proxies.catalogue import known_proxies

    if short_name(proxy) == SHORT:
        return "fitted to trained networks; how well it ranks those that it has not seen stands in its file (plainnet calibrate)"
    if proxy in known_proxies():
        return f"not validated yet; to find out: plainnet validate {quote(proxy)} --store"
    return "nothing is known about it: compare it with networks that were trained"


def _rungs(store: RunStore) -> list[dict[str, Any]]:
    config = store.config
    totals = store.totals()
    rungs = [
        {
            "rung": "0",
            "proxy": ", ".join(name.removeprefix(COST_PREFIX) for name in store.columns),
            "measure": ", ".join(map(in_words, store.columns)),
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
        exact = kept_measurement(store, measures[0].proxy).exact
        verdict = number == len(config.ladder) + 2
        what = "the best of the rung before" if rung else "finalists, one image in one thread: over the budget is out"
        what = said_of_training(config, rung, number) if rung and is_training(rung.proxy) else what
        what = "the finalists again, with fresh seeds: the best of these wins" if verdict else what
        rungs.append(
            {
                "rung": "verdict" if verdict else str(number),
                "proxy": short_name(measures[0].proxy),
                "measure": in_words(short_name(measures[0].proxy)),
                "candidates": len(measures),
                "values": len(measures) if exact else sum(each.repeats for each in measures),
                "seconds": store.seconds(f"rung {number}"),
                "what": what,
            }
        )
    return rungs


def _tally(store: RunStore) -> list[list[Any]]:
    totals = store.totals()
    shown = ("candidates", "evaluated", "duplicates", "repaired", "rejected", "failed", "without a score")
    order = ["evaluated", "duplicates", *sorted(name for name in totals if name not in shown)]
    return [[name, totals[name]] for name in order]
