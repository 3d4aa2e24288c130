"""A budget of milliseconds: latency as a search can afford to ask for it, calibrated on this machine.

    latency = overhead + a * MACs + b * activations + c * layers        (all coefficients at least 0)

fitted once, before the search, to the measured latency of some random structures of the space. The coefficients become
part of the run's configuration, so a run stays the same when it is resumed, on any machine. The finalists are measured
for real: what is over the budget then cannot win.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from random import Random
from statistics import median

from plainnet.errors import UsageError
from plainnet.profiler.lut.latency_model import LatencyModel
from plainnet.profiler.lut.table_model import load_model
from plainnet.search.candidates.budgets import Budgets
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import GenePool, Genes
from plainnet.search.candidates.measures import find_measurement, one_torch_thread
from plainnet.search.settings.config import SearchConfig
from plainnet.search.space.feasible import feasible_starts
from plainnet.search.space.mutators import find_mutator

__all__ = ["calibrate", "needs_latency", "said_of_fit", "said_of_table", "sample_structures", "with_table"]

SAMPLES = 16
"""Structures that are measured."""

REACH = 64
"""Structures that are measured cost so many times what the start does, at most: where no other budget bounds them, random walks
end at networks that no machine holds.
"""


def needs_latency(config: SearchConfig) -> bool:
    """Whether a configuration asks for latencies and has no coefficients yet."""
    return "latency_ms" in config.asked and not config.latency and not config.latency_model


def with_table(config: SearchConfig, path: str | Path) -> SearchConfig:
    """The configuration with latencies predicted by a table of this machine. `UsageError` for a table of another machine or of
    another input, and where nothing asks for latencies.
    """
    if "latency_ms" not in config.asked:
        raise UsageError(
            "a table of latencies is given and nothing asks for them; accepted: a budget or objective latency_ms"
        )
    model = load_model(path)
    there = model.setting
    wanted = {
        "resolution": config.resolution,
        "in_channels": config.in_channels,
        "use_se": config.use_se,
        "batch": 1,
        "threads": 1,
        "dtype": "float32",
        "channels_last": False,  # as finalists are measured
    }
    differing = [
        f"{name} {getattr(there, name)} there, {value} here"
        for name, value in wanted.items()
        if getattr(there, name) != value
    ]
    if differing:
        raise UsageError(
            f"{path} is no table for this search ({'; '.join(differing)}); accepted: one built for its input"
        )
    return dataclasses.replace(config, latency_model=model.as_dict())


def said_of_table(config: SearchConfig) -> str:
    """What a person should know about predictions by a table."""
    model = LatencyModel.from_dict(config.latency_model)
    return (
        f"latencies are predicted by a table of this machine, {model.error}; budgets hold for the upper end of the interval, "
        f"{model.upper:.2f} times the prediction; the finalists are measured, and one that is over the budget then cannot win"
    )


def said_of_fit(error: float) -> str:
    """What a person should know about a fit."""
    return (
        f"latencies are predicted with a median error of {error:.1%} on {SAMPLES} structures that were measured on this "
        "machine; the finalists are measured, and one that is over the budget then cannot win"
    )


def calibrate(config: SearchConfig) -> tuple[tuple[float, float, float, float], float]:
    """The coefficients for one image in one thread of this machine, and the median relative error of the fit."""
    import numpy as np
    from scipy.optimize import nnls

    structures = sample_structures(config)
    measurement, setting = find_measurement("latency_ms"), config.setting
    rows, measured = [], []
    with one_torch_thread():
        for text, costs in structures:
            measured.append(measurement.measure(text, setting, seed=0, repeats=1)[0])
            rows.append([1.0, costs[0], costs[1], costs[2]])
    values, found = np.array(measured), np.array(rows)
    scale = found.max(axis=0)
    coefficients, _ = nnls(found / scale / values[:, None], np.ones(len(values)))
    coefficients = coefficients / scale
    errors = np.abs(found @ coefficients / values - 1)
    one, two, three, four = (float(each) for each in coefficients)
    return (one, two, three, four), median(map(float, errors))


def sample_structures(config: SearchConfig) -> list[tuple[str, tuple[int, int, int]]]:
    """Structures of the space within the other budgets, on random walks, with their MACs, activations and layers."""
    mutator, counter = find_mutator(config.space, GenePool(), config.setting.shape), Counter(config.setting)
    budgets = Budgets({name: limit for name, limit in config.limits.items() if name != "latency_ms"})
    draw = Random(config.seed).random
    walkers: list[Genes] = list(feasible_starts(mutator, counter, budgets, seed=config.seed))
    found: dict[str, tuple[int, int, int]] = {}
    genes = walkers[0]
    start = counter.sound_costs(genes)
    assert start is not None  # it is within the budgets
    reach = Budgets({name: REACH * max(1, getattr(start, name)) for name in ("params", "macs", "activations")})
    for step in range(400 * SAMPLES):
        child = mutator.mutate(genes, draw, blocks=config.space.mutation.blocks)
        costs = counter.sound_costs(child) if child is not None else None
        if child is not None and costs is not None and not (budgets.over(each := costs._asdict()) or reach.over(each)):
            genes = child
            if step % 7 == 0:
                text = mutator.text_of(child)
                found[text] = (costs.macs, costs.activations, costs.layers)
        if step % 60 == 59:
            genes = walkers[0]
    if len(found) < SAMPLES:
        raise UsageError("too few structures are within the other budgets to calibrate a latency budget with")
    ordered = sorted(found.items(), key=lambda item: item[1])
    return [ordered[(len(ordered) - 1) * each // (SAMPLES - 1)] for each in range(SAMPLES)]
