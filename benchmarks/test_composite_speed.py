"""The composite of networks whose blocks are known, of new ones, and the fold over all rows that both replace."""

import math

import pytest

from plainnet.blocks.rows.shapes import Shape
from plainnet.network.published import find_published
from plainnet.proxies.closed import composite as module
from plainnet.proxies.closed.composite import composite, rows_work
from plainnet.proxies.closed.felt_depth import INPUT_SIGNAL, propagate
from plainnet.proxies.closed.live_positions import all_positions, live_positions
from plainnet.templates.nas_bench_macro import codes, network_of_code

pytest.importorskip("pytest_benchmark")

NETWORK = find_published("zennet_imagenet1k_flops900M_res224").structure


def over_all_rows(structure, resolution):
    """The slow twin: one table of rows, nothing remembered."""
    shape = Shape(3, resolution, resolution)
    rows = structure.rows(shape, expand=True)
    live, _ = live_positions(rows, shape, all_positions(rows[-1].out_shape))
    return math.log(rows_work(rows, live).entropy * propagate(rows, shape, INPUT_SIGNAL).loss / module.NATS_PER_RELU)


def test_a_network_of_known_blocks(benchmark):
    assert benchmark(composite, NETWORK, 224) == pytest.approx(over_all_rows(NETWORK, 224))


def test_a_network_of_new_blocks(benchmark):
    def cold():
        module._memos.clear()
        module._rows.cache_clear()
        return composite(NETWORK, 224)

    assert benchmark(cold) == pytest.approx(over_all_rows(NETWORK, 224))


def test_the_slow_twin(benchmark):
    benchmark(over_all_rows, NETWORK, 224)


def test_all_networks_of_nas_bench_macro(benchmark):
    networks = [network_of_code(code) for code in codes()]
    benchmark.pedantic(lambda: [composite(network) for network in networks], rounds=3)
