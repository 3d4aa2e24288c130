"""The closed-form Zen-score of networks whose blocks are known, alone and with all counts, of new ones, and Monte-Carlo."""

import json
import statistics
from pathlib import Path
from time import perf_counter

import pytest

from plainnet.blocks import Shape, parse
from plainnet.proxies.closed import zen
from plainnet.proxies.closed.zen import ZenScorer

pytest.importorskip("pytest_benchmark")

TABLE = Path(__file__).parents[1] / "tests" / "profiler" / "data" / "zen_monte_carlo.json"
STRUCTURES = [parse(text) for text in json.loads(TABLE.read_text(encoding="utf-8"))["random"]]
SHAPE = Shape(3, 32, 32)


def test_known_blocks(benchmark):
    scorer = ZenScorer(32)
    before = [scorer(structure) for structure in STRUCTURES]
    after = benchmark(lambda: [scorer(structure) for structure in STRUCTURES])
    assert after == before
    benchmark.extra_info["us_per_structure"] = benchmark.stats["median"] / len(STRUCTURES) * 1e6


def test_known_blocks_with_all_counts(benchmark):
    scorer = ZenScorer(32)

    def score_and_count():
        return [(scorer(structure), structure.totals(SHAPE)) for structure in STRUCTURES]

    score_and_count()
    assert len(benchmark(score_and_count)) == len(STRUCTURES)
    benchmark.extra_info["us_per_structure"] = benchmark.stats["median"] / len(STRUCTURES) * 1e6


def test_new_blocks(benchmark):
    """Nothing is known but the functions of one variable and the borders."""
    ZenScorer(32)(STRUCTURES[0])

    def cold():
        zen._forget()
        scorer = ZenScorer(32)
        return [scorer(structure) for structure in STRUCTURES[:50]]

    assert len(benchmark(cold)) == 50
    benchmark.extra_info["us_per_structure"] = benchmark.stats["median"] / 50 * 1e6


def test_monte_carlo_beside_it(benchmark):
    """The slow twin: one repeat, R 32, B 16."""
    from plainnet.proxies.sampled.zen_mc import zen_mc

    structure = sorted(STRUCTURES, key=lambda structure: len(structure.text))[0]
    score = benchmark(lambda: zen_mc(structure, resolution=32, batch=16, repeats=1))
    seconds = []
    scorer = ZenScorer(32)
    for _ in range(200):
        start = perf_counter()
        scorer(structure)
        seconds.append(perf_counter() - start)
    assert score.mean == pytest.approx(scorer(structure), rel=0.05)
    assert statistics.median(seconds) < benchmark.stats["median"] / 100
