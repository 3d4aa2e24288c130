"""Cells of published search spaces: code to string and back, counts as published, dead parts neither counted nor built."""

from __future__ import annotations

import time
from random import Random

import pytest

import plainnet
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import UsageError
from plainnet.templates.darts import Genotype, darts, darts_genotype
from plainnet.templates.nas_bench_101 import nas_bench_101, nas_bench_101_code
from plainnet.templates.nas_bench_201 import (
    nas_bench_201,
    nas_bench_201_code,
    nas_bench_201_codes,
    nas_bench_201_network,
)

IMAGE = Shape(3, 32, 32)
SIX = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
DARTS_V2 = Genotype(
    (
        *(("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
        *(("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)),
    ),
    (2, 3, 4, 5),
    (
        *(("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1)),
        *(("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)),
    ),
    (2, 3, 4, 5),
)


def counts(text: str) -> tuple[int, int]:
    found = count_network(plainnet.parse(text), IMAGE, num_classes=10).sums
    return found.params, found.macs


def torch_params(text: str) -> int:
    net = plainnet.PlainNet(text, num_classes=10, resolution=32, init="default")
    return sum(parameter.numel() for parameter in net.parameters())


def test_the_published_cell_of_nas_bench_201() -> None:
    params, macs = counts(plainnet.nas_bench_201(SIX))
    assert (round(params / 1e6, 6), round(macs / 1e6, 2)) == (1.531546, 220.12)
    assert nas_bench_201_code(nas_bench_201(SIX)) == SIX


def test_every_code_of_nas_bench_201_comes_back_as_one_of_the_same_network() -> None:
    codes = nas_bench_201_codes()
    assert len(set(codes)) == 15_625
    for code in Random(0).sample(codes, 60):
        text = nas_bench_201(code)
        back = nas_bench_201_code(text)
        assert nas_bench_201(back) == text
        assert nas_bench_201_code(plainnet.parse(text).text) == back, "names do not matter"
    assert nas_bench_201_network(SIX) == plainnet.parse(nas_bench_201(SIX))


@pytest.mark.parametrize(
    ("code", "same_as"),
    [
        (
            "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|",
            "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
        ),
        (
            "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|none~1|none~2|",
            "|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|",
        ),
        (
            "|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|",
            "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
        ),
    ],
)
def test_what_does_not_reach_the_end_leaves_no_trace(code: str, same_as: str) -> None:
    assert nas_bench_201(code) == nas_bench_201(same_as)
    assert counts(nas_bench_201(code))[0] == torch_params(nas_bench_201(code))


def test_a_known_cell_costs_look_ups() -> None:
    structure = nas_bench_201_network(SIX)
    count_network(structure, IMAGE, num_classes=10)
    start = time.process_time()
    for _ in range(200):
        count_network(structure, IMAGE, num_classes=10)
    assert (time.process_time() - start) / 200 < 1e-3, "32 us where nothing else runs"


POOL, ONE, THREE = "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu"
PUBLISHED_101 = [
    (
        "0111101 0000011 0000001 0000110 0000011 0000000 0000000",
        (
            POOL,
            POOL,
            THREE,
            THREE,
            THREE,
        ),
        4_095_778,
    ),
    (
        "0011001 0011010 0000101 0000000 0000010 0000000 0000000",
        (
            POOL,
            POOL,
            POOL,
            THREE,
            THREE,
        ),
        1_756_298,
    ),
    (
        "0110101 0001111 0001111 0000100 0000010 0000000 0000000",
        (
            THREE,
            ONE,
            ONE,
            POOL,
            POOL,
        ),
        4_342_154,
    ),
    (
        "0100111 0000110 0000000 0000111 0000000 0000001 0000000",
        (
            POOL,
            THREE,
            THREE,
            ONE,
            POOL,
        ),
        2_630_026,
    ),
    (
        "0111110 0011101 0000010 0000111 0000000 0000000 0000000",
        (
            THREE,
            POOL,
            ONE,
            ONE,
            ONE,
        ),
        3_468_426,
    ),
    (
        "0010010 0001110 0001101 0000000 0000010 0000001 0000000",
        (
            POOL,
            THREE,
            ONE,
            POOL,
            THREE,
        ),
        5_532_810,
    ),
    (
        "0110110 0000001 0001011 0000101 0000010 0000000 0000000",
        (
            POOL,
            THREE,
            THREE,
            POOL,
            POOL,
        ),
        2_653_744,
    ),
    (
        "0110011 0011010 0001001 0000110 0000000 0000000 0000000",
        (
            POOL,
            ONE,
            THREE,
            THREE,
            THREE,
        ),
        3_667_594,
    ),
    (
        "0010110 0001001 0001001 0000001 0000001 0000000 0000000",
        (
            POOL,
            POOL,
            ONE,
            ONE,
            ONE,
        ),
        823_172,
    ),
    (
        "0100110 0001111 0001101 0000100 0000010 0000000 0000000",
        (
            POOL,
            ONE,
            THREE,
            POOL,
            ONE,
        ),
        882_570,
    ),
    (
        "0010001 0001101 0000111 0000110 0000000 0000000 0000000",
        (
            THREE,
            POOL,
            THREE,
            THREE,
            THREE,
        ),
        1_756_298,
    ),
    (
        "0100011 0010001 0001011 0000000 0000010 0000001 0000000",
        (
            POOL,
            POOL,
            POOL,
            THREE,
            ONE,
        ),
        1_580_161,
    ),
]
"""edges, operations, params as NAS-Bench-101 publishes them"""


@pytest.mark.parametrize(("rows", "operations", "params"), PUBLISHED_101)
def test_published_cells_of_nas_bench_101(rows: str, operations: tuple[str, ...], params: int) -> None:
    matrix = [[int(edge) for edge in row] for row in rows.split()]
    text = nas_bench_101(matrix, ("input", *operations, "output"))
    assert counts(text)[0] == params
    code = nas_bench_101_code(text)
    assert nas_bench_101(*code) == text
    assert nas_bench_101_code(plainnet.parse(text).text) == code, "names do not matter"


def test_a_cell_of_nas_bench_101_without_operations_is_a_projection() -> None:
    text = nas_bench_101([[0, 1], [0, 0]], ("input", "output"))
    assert nas_bench_101_code(text) == (((0, 1), (0, 0)), ("input", "output"))
    assert counts(text)[0] == torch_params(text)


def test_the_published_network_of_darts() -> None:
    text = darts(DARTS_V2)
    assert counts(text)[0] == 3_349_342
    assert darts_genotype(text) == DARTS_V2


def test_darts_drops_nodes_that_nothing_takes_and_counts_as_torch() -> None:
    cell = (("none", 0), ("dil_conv_5x5", 1), ("sep_conv_7x7", 0), ("avg_pool_3x3", 2))
    text = darts((cell, (3,), cell, (2, 3)), channels=4, layers=5)
    assert counts(text)[0] == torch_params(text)
    assert darts(darts_genotype(text), channels=4, layers=5) == text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nas_bench_201("|nor_conv_3x3~0|"), "is no code of NAS-Bench-201; accepted: six operations"),
        (
            lambda: nas_bench_201(SIX.replace("3x3~2", "3x4~2")),
            "unknown operation 'nor_conv_3x4'.*did you mean nor_conv_3x3",
        ),
        (lambda: nas_bench_201_code("ConvKX(3,8,3,1)"), "no network of NAS-Bench-201"),
        (lambda: nas_bench_201_code(""), "no network of NAS-Bench-201"),
        (lambda: nas_bench_101([[0, 1]], ("input", "output")), "accepted: a square matrix"),
        (lambda: nas_bench_101([[0, 0], [1, 0]], ("input", "output")), r"matrix\[1\]\[0\] is 1"),
        (lambda: nas_bench_101([[0, 0.5], [0, 0]], ("input", "output")), r"matrix\[0\]\[1\] is 0\.5"),
        (lambda: nas_bench_101([[0, float("nan")], [0, 0]], ("input", "output")), r"matrix\[0\]\[1\] is nan"),
        (lambda: nas_bench_101([[0, 0], [0, 0]], ("input", "output")), "no way leads"),
        (lambda: nas_bench_101([[0, 1], [0, 0]], ("in", "output")), "begin with 'in'"),
        (
            lambda: nas_bench_101([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ("input", "conv3x3", "output")),
            "unknown operation 'conv3x3'",
        ),
        (lambda: nas_bench_101_code("Sequential(Identity(8))"), "no network of NAS-Bench-101"),
        (lambda: nas_bench_101_code("nonsense"), "no network of NAS-Bench-101"),
        (lambda: darts((1, 2)), "a genotype of 2 parts"),
        (
            lambda: darts(DARTS_V2._replace(normal=(("sep_conv_3x3", 2), ("none", 0)))),
            r"normal\[0\] takes value 2; accepted",
        ),
        (lambda: darts(DARTS_V2._replace(normal_concat=(9,))), "value 9 is put out; accepted: 2 to 5"),
        (lambda: darts_genotype("ConvKX(3,8,3,1)"), "no network of DARTS"),
    ],
)
def test_what_is_no_code_is_said(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=message):
        call()
