"""Scores of networks whose blocks take values by name: right, or refused with a reason."""

from __future__ import annotations

import math
from random import Random

import pytest

from plainnet import PlainnetError, analyze_model, parse
from plainnet.blocks.rows.counts import add_rows
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.walk import walk
from plainnet.errors import NoFeatureMapError, UnknownScoreError
from plainnet.proxies.closed.composite import composite_of_rows, composite_parts
from plainnet.proxies.closed.entropy import madnas
from plainnet.proxies.closed.felt_depth import INPUT_SIGNAL, signals
from plainnet.proxies.closed.meanfield.correlated import added_at_last
from plainnet.proxies.closed.residual import Pair, residual_sensitivity
from plainnet.proxies.closed.residual import _behind as behind_steps
from plainnet.proxies.closed.residual import _compiled as steps_of
from plainnet.proxies.closed.zen import zen_score
from plainnet.proxies.sampled.zen_mc import zen_mc
from plainnet.templates.nas_bench_201 import nas_bench_201_codes, nas_bench_201_network
from plainnet.testing.graphs import sample_graph

IMAGE = Shape(3, 16, 16)
STEM = "ConvKXBNRELU(3,48,3,1)ConvKX(a|48,64,3,1)"
GRAPHS = {
    "a skip over two blocks": "ConvKXBNRELU(a|3,64,3,1)ConvKXBNRELU(64,64,3,2)ConvKXBN(64,64,3,1)"
    "MultiSumBlock(Identity();From(a)ConvKXBN(64,64,1,2))RELU(64)ConvKXBNRELU(64,96,3,1)".replace(
        "Identity()", "BN(64)"
    ),
    "x + x": STEM + "MultiSumBlock(From(a);From(a))ConvKXBNRELU(64,64,3,1)ConvKX(64,64,3,1)",
    "x + x + x": STEM + "MultiSumBlock(From(a);From(a);From(a))ConvKX(64,64,3,1)",
    "(x + f(x)) + x": STEM
    + "MultiSumBlock(RELU(64)ConvKXBN(64,64,3,1);From(in))MultiSumBlock(From(in);From(a))ConvKX(64,64,3,1)",
    "concatenation": "ConvKXBNRELU(a|3,48,3,1)ConvKXBNRELU(48,48,3,1)MultiCatBlock(From(in);From(a))ConvKXBNRELU(96,64,3,1)",
    "zeros beside a map": STEM + "MultiSumBlock(Zero(64,2);ConvKXBNRELU(64,64,3,2))BN(64)ConvKX(64,64,3,1)",
}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_closed_zen_score_is_the_sampled_one(name: str) -> None:
    closed = zen_score(GRAPHS[name], 24)
    sampled = zen_mc(GRAPHS[name], resolution=24, repeats=6, seed=0)
    assert closed == pytest.approx(sampled.mean, abs=0.08)


def test_x_plus_x_has_four_times_the_variance() -> None:
    """Without a batch norm behind it, doubling a map doubles every difference."""
    once, twice = (zen_score(f"{STEM}MultiSumBlock({branches})", 24) for branches in ("From(a)", "From(a);From(a)"))
    assert twice - once == pytest.approx(math.log(2), abs=0.01)
    for score in (residual_sensitivity, lambda text: composite_parts(text, 24).felt_depth):
        one, two = (
            score(f"{STEM}MultiSumBlock({branches})BN(64)RELU(64)ConvKX(64,8,3,1)")
            for branches in ("From(a)", "From(a);From(a)")
        )
        assert one == pytest.approx(two)


def test_what_the_theory_does_not_say_is_refused_with_a_reason() -> None:
    mixed = STEM + "MultiSumBlock(From(a);From(a)RELU(64))ConvKX(64,64,3,1)"
    for score in (zen_score, residual_sensitivity):
        with pytest.raises(UnknownScoreError, match="correlated"):
            score(mixed)
    assert composite_parts(mixed).felt_depth > 0
    with pytest.raises(UnknownScoreError, match="chain"):
        madnas(mixed)
    result = analyze_model(mixed, resolution=24, latency=False)
    assert result.zen is None
    assert any("correlated" in note for note in result.notes)
    several = STEM + "ConvKX(b|64,64,3,2)Outputs(a,b)"
    for score in (zen_score, composite_parts, residual_sensitivity, lambda text: zen_mc(text, repeats=1)):
        with pytest.raises(NoFeatureMapError, match="a, b"):
            score(several)


def test_every_random_graph_has_a_score_or_a_reason() -> None:
    told = 0
    for seed in range(60):
        structure = parse(sample_graph(Random(seed), more=seed % 2 == 1))
        for score in (zen_score, composite_parts, residual_sensitivity):
            try:
                score(structure)
                told += 1
            except PlainnetError as error:
                assert str(error)
    assert told > 40


def test_cells_are_what_their_whole_networks_are() -> None:
    """Blocks are counted and scored once and remembered; the slow twin is one table of rows of the whole network."""
    told = 0
    for code in Random(5).sample(nas_bench_201_codes(), 6):
        structure = nas_bench_201_network(code, channels=4, cells=2)
        rows, _ = walk(structure.blocks, IMAGE, expand=True)
        found = structure.at(IMAGE).counts(None).sums._replace(layers=0)
        head = structure.at(IMAGE).head(None).sums
        assert tuple(a - b for a, b in zip(found, head, strict=True)) == tuple(add_rows(rows))
        for version in (1, 2):
            whole = composite_of_rows(rows, IMAGE, version).score
            assert composite_parts(structure, 16, version=version).score == pytest.approx(whole, rel=1e-12)
        try:
            score = residual_sensitivity(structure, resolution=16)
        except UnknownScoreError:
            continue
        pair = behind_steps(steps_of(added_at_last(rows)), Pair(0.0, 1.0, 1 - 1 / math.sqrt(1.0001)), 0)
        assert score == pytest.approx(math.log(pair.apart / pair.variance), rel=1e-12)
        told += 1
    assert told > 1


@pytest.mark.parametrize(
    ("branches", "variance", "linear"),
    [
        ("Identity(64);Identity(64)", 4.0, 4.0),
        ("Identity(64);AvgPool(64,3,1)", 4.0, 4.0),
        ("RELU(64);RELU(64)", 4 * (0.5 - 0.5 / math.pi), 1.0),
        ("Identity(64);RELU(64)", 1 + (0.5 - 0.5 / math.pi) + 1.0, 2.25),
        ("MultiSumBlock(Identity(64);RELU(64));RELU(64)", 1 + 4 * (0.5 - 0.5 / math.pi) + 2.0, 4.0),
        ("Identity(64);RELU(64)ConvKX(64,64,3,1)", 2.0, 1 + 0.25 / (0.5 - 0.5 / math.pi)),
    ],
)
def test_felt_depth_adds_what_branches_have_in_common_by_amplitude(
    branches: str, variance: float, linear: float
) -> None:
    """Of relu(z) half of z is linear, which adds to z itself: (1 + 1/2)^2."""
    shape = Shape(3, 8, 8)
    rows = parse(f"ConvKX(3,64,3,1)MultiSumBlock({branches})").rows(shape, expand=True)
    last = signals(rows, shape, INPUT_SIGNAL)[-1]
    assert (last.variance, math.exp(-last.loss) * last.variance) == pytest.approx((variance, linear))
