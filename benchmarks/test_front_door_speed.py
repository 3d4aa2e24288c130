"""The front door: `analyze_model` and `score` of strings that are known, beside what they are made of.

Ratios are what carries over: to reading the string anew and walking its rows once, timed in turns with it.
"""

from collections.abc import Callable
from time import process_time

import pytest

import plainnet
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.rows.receptive_field import receptive_field
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import walk
from plainnet.blocks.structure import parse
from plainnet.blocks.text.reader import read_blocks
from plainnet.network.published import find_published

pytest.importorskip("pytest_benchmark")

TEXT = find_published("zennet_cifar_model_size1M_res32").text
SHAPE = Shape(3, 32, 32)


def counted() -> object:
    return count_network(parse(TEXT), SHAPE)


def walked() -> object:
    """What no known string needs any more: its blocks read and its compact rows walked."""
    blocks = read_blocks(TEXT)
    return walk(blocks, SHAPE)


def analyzed() -> object:
    return plainnet.analyze_model(TEXT, resolution=32, latency=False, zen=False)


def scored() -> object:
    return plainnet.score(TEXT, "zen", resolution=32)


def in_turns(*functions: Callable[[], object], rounds: int = 200, calls: int = 20) -> list[float]:
    """The least CPU time of one call of each, in microseconds; timed in turns, so that load is the same for all."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for number, function in enumerate(functions):
            function()
            start = process_time()
            for _ in range(calls):
                function()
            best[number] = min(best[number], (process_time() - start) / calls * 1e6)
    return best


def test_known_strings(benchmark, capsys):
    walk_once, count, analysis, score = in_turns(walked, counted, analyzed, scored)
    benchmark.pedantic(analyzed, rounds=20, iterations=20)
    benchmark.extra_info |= {"analyze_us": analysis, "score_us": score, "count_us": count, "walk_us": walk_once}
    with capsys.disabled():
        print(
            f"\n  counting {count:.1f} us, analyze_model {analysis:.1f} us, score {score:.1f} us of CPU time; reading and walking"
            f" once takes {walk_once:.0f} us: {walk_once / analysis:.1f} and {walk_once / score:.1f} times as long"
        )


def test_the_slow_twin_expands_rows(benchmark, capsys):
    def slow() -> object:
        return receptive_field(parse(TEXT).rows(SHAPE, expand=True))

    analysis, expanded = in_turns(analyzed, slow, rounds=40, calls=5)
    benchmark.pedantic(slow, rounds=10, iterations=5)
    with capsys.disabled():
        print(f"\n  expanding the rows for the receptive field alone: {expanded / analysis:.1f} times analyze_model")
