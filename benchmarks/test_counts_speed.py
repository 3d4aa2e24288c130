"""Analysing a string: blocks known, unknown, and ten thousand mutated structures, beside the slow twin, which builds the
torch module and counts it. `make bench` prints the ratios.
"""

import random
import subprocess
import sys
from statistics import median
from time import perf_counter

import pytest

from plainnet.blocks import registry
from plainnet.blocks.network_counts import NetworkCounts, count_network
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import StructureError
from plainnet.network.published import find_published

pytest.importorskip("pytest_benchmark")

NETWORK = "zennet_cifar_model_size1M_res32"
TEXT = find_published(NETWORK).text
SHAPE = Shape(3, 32, 32)
CLASSES = 100


def analyse(text: str) -> NetworkCounts:
    """Read, check, params, MACs, layers, shapes, activations, peak memory: all that a string alone says."""
    return count_network(parse(text), SHAPE, num_classes=CLASSES)


def forget_all_blocks() -> None:
    """As if another block had just been declared: everything that was read or counted is forgotten."""
    for listener in registry._listeners:
        listener()


def build_and_count() -> tuple[int, int]:
    """The slow twin: the module as it would be trained, its parameters, and torch's counter on it."""
    import torch

    from plainnet.network.plain_net import PlainNet
    from plainnet.testing import torch_counts

    net = PlainNet(TEXT, num_classes=CLASSES)
    counts = torch_counts(net.to(torch.device("meta")), SHAPE)
    return counts.params, counts.macs


def median_seconds(function, runs: int, *, setup=lambda: None) -> float:
    times = []
    for _ in range(runs):
        setup()
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return median(times)


def mutated(count: int, *, seed: int = 0) -> list[str]:
    """Different structures, each one argument of one block away from one before it (as in a search)."""
    rng = random.Random(seed)
    pool = {TEXT: parse(TEXT)}
    while len(pool) < count + 1:
        parent = rng.choice(list(pool.values())[-64:])
        child = _mutant(parent, rng)
        if child is not None and str(child) not in pool and count_network(child, SHAPE).macs < 1e9:
            pool[str(child)] = child
    return list(pool)[1:]


def _mutant(parent: Structure, rng: random.Random) -> Structure | None:
    blocks = list(parent.blocks)
    index = rng.randrange(1, len(blocks) - 1)
    name = rng.choice([field.name for field in blocks[index].fields if field.name not in ("in_channels", "stride")])
    old = getattr(blocks[index], name)
    value = (
        old + rng.choice((-2, -1, 1, 2))
        if name == "sub_layers"
        else 8 * round(old * rng.choice((0.5, 0.8, 1.25, 2)) / 8)
    )
    try:
        blocks[index] = blocks[index].replace(**{name: value})
        if name == "out_channels":
            blocks[index + 1] = blocks[index + 1].replace(in_channels=value)
        return Structure(blocks)
    except StructureError:
        return None


def test_blocks_known(benchmark):
    analyse(TEXT)
    benchmark(analyse, TEXT)


def test_nothing_known(benchmark):
    benchmark.pedantic(analyse, args=(TEXT,), setup=forget_all_blocks, rounds=200)


def test_ten_thousand_mutated_structures(benchmark, capsys):
    texts = mutated(10_000)
    assert len(set(texts)) == 10_000
    benchmark.pedantic(lambda: [analyse(text) for text in texts], setup=forget_all_blocks, rounds=5)
    report(
        capsys,
        f"10,000 mutated structures: {1e6 * benchmark.stats.stats.median / len(texts):.1f} us each, nothing known before",
    )


def test_the_slow_twin(benchmark, capsys):
    counts = analyse(TEXT)
    assert benchmark.pedantic(build_and_count, rounds=7, warmup_rounds=1) == (counts.params, counts.macs)
    slow = benchmark.stats.stats.median
    known = median_seconds(lambda: analyse(TEXT), 2000)
    unknown = median_seconds(lambda: analyse(TEXT), 200, setup=forget_all_blocks)
    benchmark.extra_info |= {"ratio_known": slow / known, "ratio_unknown": slow / unknown}
    report(
        capsys,
        f"{NETWORK}: building the module and counting it takes {slow / known:,.0f} times as long as analysing the string"
        f" ({1e6 * known:.1f} us; {slow / unknown:,.0f} times with nothing known, {1e6 * unknown:.0f} us)",
    )


def test_building_alone(benchmark, capsys):
    from plainnet.network.plain_net import PlainNet

    benchmark.pedantic(lambda: PlainNet(TEXT, num_classes=CLASSES, init="default"), rounds=15, warmup_rounds=1)
    ratio = benchmark.stats.stats.median / median_seconds(lambda: analyse(TEXT), 2000)
    benchmark.extra_info["ratio_known"] = ratio
    report(capsys, f"{NETWORK}: building the module alone takes {ratio:,.0f} times as long as analysing the string")


@pytest.mark.parametrize("options", [["--no-latency", "--no-zen"]], ids=" ".join)
def test_analyze_model_as_a_process(benchmark, options):
    command = [sys.executable, "-m", "plainnet", "analyze", NETWORK, *options]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=7, warmup_rounds=1)


def report(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n  {line}")
