"""All 15,625 cells of NAS-Bench-201, counted and scored by every closed form that graphs have, the whole rows beside
them. `make bench` prints CPU seconds and what a known network costs.
"""

import gc
import random
from time import process_time

import pytest

from plainnet.blocks.network_counts import count_network
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import walk
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import UnknownScoreError
from plainnet.proxies.closed.baselines import depth
from plainnet.proxies.closed.composite import composite, composite_of_rows
from plainnet.proxies.closed.residual import residual_sensitivity
from plainnet.proxies.closed.zen import zen_score
from plainnet.templates.nas_bench_201 import nas_bench_201, nas_bench_201_codes, nas_bench_201_network

pytest.importorskip("pytest_benchmark")

SHAPE = Shape(3, 32, 32)
SIX = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
SCORES = {
    "zen": lambda structure: zen_score(structure, 32),
    "composite": lambda structure: composite(structure, 32),
    "residual_sensitivity": lambda structure: residual_sensitivity(structure, resolution=32),
    "depth": lambda structure: depth(structure, 32),
}


def score_or_none(name: str, structure: Structure) -> float | None:
    """None where the form says nothing of a network."""
    try:
        return SCORES[name](structure)
    except UnknownScoreError:
        return None


def all_of(codes, seconds: dict[str, float]) -> None:
    """Every code read, counted and scored; CPU seconds by what was asked."""
    for code in codes:
        start = process_time()
        structure = nas_bench_201_network(code)
        count_network(structure, SHAPE, num_classes=10)
        seconds["counts"] = seconds.get("counts", 0.0) + process_time() - start
        for name in SCORES:
            start = process_time()
            score_or_none(name, structure)
            seconds[name] = seconds.get(name, 0.0) + process_time() - start


def test_every_cell_counted_and_scored(benchmark, capsys):
    seconds: dict[str, float] = {}
    gc.disable()  # as in an epoch of a search
    try:
        benchmark.pedantic(all_of, args=(nas_bench_201_codes(), seconds), rounds=1)
    finally:
        gc.enable()
    parts = ", ".join(f"{name} {spent:.1f}" for name, spent in seconds.items())
    report(capsys, f"15,625 cells, nothing known before: {sum(seconds.values()):.1f} s of CPU time ({parts})")


def test_a_known_network_with_all_counts(benchmark):
    """Its blocks are known, the structure is made anew."""
    blocks = nas_bench_201_network(SIX).blocks
    benchmark(lambda: count_network(Structure(blocks), SHAPE, num_classes=10))


def test_a_known_text_with_all_counts(benchmark):
    text = nas_bench_201(SIX)
    benchmark(lambda: count_network(parse(text), SHAPE, num_classes=10))


def test_the_slow_twin(benchmark):
    """One table of rows of the whole network, for its composite alone."""
    blocks = nas_bench_201_network(SIX).blocks
    slow = benchmark(lambda: composite_of_rows(walk(blocks, SHAPE, expand=True)[0], SHAPE).score)
    assert composite(nas_bench_201_network(SIX)) == pytest.approx(slow)


def test_new_cells(benchmark):
    """Drawn cells of widths that are not the space's, so that none is known."""
    widths = iter(range(17, 100_000))
    codes = random.Random(0).sample(nas_bench_201_codes(), 20)

    def count_new():
        channels = next(widths)
        for code in codes:
            count_network(nas_bench_201_network(code, channels=channels), SHAPE, num_classes=10)

    benchmark.pedantic(count_new, rounds=10)


def report(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n  {line}")
