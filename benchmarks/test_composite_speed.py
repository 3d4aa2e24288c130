"""The composite of networks whose blocks are known, of new ones, and the fold over all rows that both replace."""

import pytest

from plainnet.blocks.rows import block_rows
from plainnet.blocks.rows.shapes import Shape
from plainnet.network.published import find_published
from plainnet.proxies.closed import composite as module
from plainnet.proxies.closed.composite import composite, composite_of_rows
from plainnet.templates.nas_bench_macro import codes, network_of_code

pytest.importorskip("pytest_benchmark")

NETWORK = find_published("zennet_imagenet1k_flops900M_res224").structure


def over_all_rows(structure, resolution):
    """The slow twin: one table of rows, nothing remembered."""
    shape = Shape(3, resolution, resolution)
    return composite_of_rows(structure.rows(shape, expand=True), shape).score


def test_a_network_of_known_blocks(benchmark):
    assert benchmark(composite, NETWORK, 224) == pytest.approx(over_all_rows(NETWORK, 224))


def test_a_network_of_new_blocks(benchmark):
    def cold():
        module._memos.clear()
        block_rows._rows.clear()
        return composite(NETWORK, 224)

    assert benchmark(cold) == pytest.approx(over_all_rows(NETWORK, 224))


def test_the_slow_twin(benchmark):
    benchmark(over_all_rows, NETWORK, 224)


def test_all_networks_of_nas_bench_macro(benchmark):
    networks = [network_of_code(code) for code in codes()]
    benchmark.pedantic(lambda: [composite(network) for network in networks], rounds=3)
