"""Counts against figures that were published or worked out by hand."""

from __future__ import annotations

import json
import pickle
import weakref
from importlib.resources import files

import pytest

from plainnet import StructureError, Variant, parse
from plainnet.blocks import Shape
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.rows import counts
from plainnet.blocks.rows.counts import totals_memo
from plainnet.blocks.rows.layers import Act
from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.memory import peak_elements
from plainnet.blocks.structure import Structure
from plainnet.network.published import find_published

ZENNETS = json.loads(files("plainnet").joinpath("data/zennets.json").read_text())["nets"]
EXACT = [(net, setting, exact) for net in ZENNETS for setting, exact in net["exact"].items()]


@pytest.mark.parametrize(
    ("net", "setting", "exact"), EXACT, ids=lambda value: value.get("name") if isinstance(value, dict) else str(value)
)
def test_the_published_networks_have_their_exact_counts(net, setting, exact) -> None:  # type: ignore[no-untyped-def]
    classes = int(setting.split()[0].removeprefix("classes="))
    variant = Variant(use_se="use_se" in setting)
    counts = count_network(
        parse(net["string"]), Shape(3, net["resolution"], net["resolution"]), num_classes=classes, variant=variant
    )
    assert counts.params == exact["params"]
    assert counts.macs == exact["macs"]
    assert counts.layers == exact["layers"]
    assert list(counts.feature_shape) == exact["pre_pool_shape"]
    assert counts.output_shape.as_list() == [classes]


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("resnet18", 11_689_512, 1_814_073_344),
        ("resnet34", 21_797_672, 3_663_761_408),
        ("resnet50", 25_557_032, 4_089_184_256),
    ],
)
def test_resnets_have_the_counts_that_everybody_knows(name: str, params: int, macs: int) -> None:
    counts = count_network(find_published(name).structure, Shape(3, 224, 224))
    assert (counts.params, counts.macs, counts.flops) == (params, macs, 2 * macs)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("R18-like", True),
        ("R50-like", True),
        ("R152-like", True),
        ("maedet_s", False),
        ("maedet_m", False),
        ("maedet_l", False),
    ],
)
def test_tinynas_networks_have_their_published_size(name: str, head: bool) -> None:
    network = find_published(name)
    counts = count_network(network.structure, Shape(3, 224, 224), num_classes=1000 if head else None)
    assert counts.params / 1e6 == pytest.approx(network.published["params_M"], abs=0.1)


def test_every_operation_has_a_column() -> None:
    sums = count_network(
        parse("ConvKX(3,8,3,2)BN(8)RELU(8)SE(8)MaxPool(8,3,2)AvgPool(8,3,1)"), Shape(3, 9, 7), num_classes=10
    ).sums
    pixels, pooled, channels, hidden = 5 * 4, 3 * 2, 8, 2
    assert sums.macs == 27 * channels * pixels + 2 * channels * hidden + 10 * channels
    assert (
        sums.params
        == 27 * channels + 2 * channels + (2 * channels * hidden + 2 * hidden + 2 * channels) + 10 * channels + 10
    )
    assert sums.activations == channels * pixels + hidden + channels + 10
    assert sums.norm_ops == 2 * (channels * pixels + hidden + channels)
    assert sums.act_ops == channels * pixels + hidden + channels
    assert sums.mul_ops == channels * pixels
    assert sums.pool_ops == channels * pixels + 9 * channels * pooled + 9 * channels * pooled + channels * pooled
    assert (sums.add_ops, sums.bias_ops) == (0, 10)
    assert (sums.layers, sums.convolutions) == (1, 3)


@pytest.mark.parametrize(("text", "layers"), [
    ("ConvKX(3,8,3,1)BN(8)RELU(8)", 1),
    ("ConvDW(8,3,1)", 1),
    ("SE(8)", 0),
    ("ResBlockProj(8,2,ConvKX(8,8,3,2)BN(8)RELU(8)ConvKX(8,16,3,1)BN(16))", 2),
    ("MultiSumBlock(ConvKX(3,8,1,1);ConvKX(3,8,3,1)BN(8))", 2),
    ("Sequential(SuperResK1K3K1(8,16,2,8,3)ConvKX(16,8,1,1))", 4),
    ("AdaptiveAvgPool(8,1)Flatten(8)Linear(8,10,1)", 1),
])  # fmt: skip
def test_layers_are_counted_as_the_published_work_counts_them(text: str, layers: int) -> None:
    structure = parse(text)
    shape = Shape(structure.in_channels if structure.in_channels != 3 or "(3" in text else 8, 8, 8)
    assert count_network(structure, shape).layers == layers


def test_counts_at_odd_and_oblong_sizes_round_up() -> None:
    structure = parse("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)")
    counts = count_network(structure, Shape(3, 33, 50), num_classes=None)
    assert counts.feature_shape == Shape(16, 9, 13)
    assert counts.output_shape.as_list() == [16]


def test_peak_memory_knows_shortcuts() -> None:
    shape = Shape(8, 4, 4)
    plain, residual = parse("ConvKX(8,8,3,1)ConvKX(8,8,3,1)"), parse("ResBlock(ConvKX(8,8,3,1)ConvKX(8,8,3,1))")
    assert peak_elements(plain.rows(shape), shape) == 2 * shape.elements
    assert peak_elements(residual.rows(shape), shape) == 3 * shape.elements


def test_a_size_that_is_too_small_is_an_error_with_its_place() -> None:
    structure = parse("ConvKX(3,8,3,4)ConvKX(8,8,4,1)")
    with pytest.raises(StructureError, match="a 4x4 convolution has no output on a map of 1x1") as caught:
        count_network(structure, Shape(3, 4, 4))
    problem = caught.value.problems[0]
    assert caught.value.text[problem.start : problem.end] == "ConvKX(8,8,4,1)"
    assert "the network's input is 3x4x4" in str(caught.value)


def test_a_branch_that_does_not_fit_is_an_error_with_its_place() -> None:
    structure = parse("ConvKX(3,8,3,1)MultiSumBlock(ConvKX(8,8,3,2);ConvKX(8,8,3,1))")
    with pytest.raises(StructureError, match="one branch does not fit: 8x5x5 and 8x9x9 cannot be added") as caught:
        count_network(structure, Shape(3, 9, 9))
    problem = caught.value.problems[0]
    assert caught.value.text[problem.start : problem.end].startswith("MultiSumBlock")


@pytest.mark.parametrize("bad", [Shape(3, 0, 4), Shape(0, 4, 4), Shape(3, -1, 4)])
def test_an_input_that_is_no_image_is_refused(bad: Shape) -> None:
    with pytest.raises(StructureError, match="is no image"):
        count_network(parse("ConvKX(3,8,3,1)"), bad)


def test_repeated_layers_are_counted_once_and_multiplied() -> None:
    shape = Shape(3, 16, 16)
    structure = parse("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE4K5(8,16,2,24,9)SuperResK1K3K1(16,16,1,8,7)")
    compact, expanded = structure.rows(shape), structure.rows(shape, expand=True)
    assert len(compact) < len(expanded) == sum(row.times for row in compact)
    assert {row.times for row in expanded} == {1}
    assert len({row.path for row in expanded}) == len(expanded)


def test_variants() -> None:
    structure, shape = parse("SuperConvK3BNRELU(3,8,1,1)SuperResK1K3K1(8,16,2,8,2)"), Shape(3, 16, 16)

    def layers(**options: bool | str) -> list[str]:
        rows = structure.rows(shape, variant=Variant(**options), expand=True)  # type: ignore[arg-type]
        return [getattr(row.layer, "kind", type(row.layer).__name__) for row in rows]

    assert layers(no_reslink=True).count("Add") == 0
    assert layers(no_reslink=True).count("Conv") == 1 + 12
    assert layers().count("Conv") == 1 + 12 + 1
    assert layers(use_se=True).count("Scale") == 4
    assert layers(no_bn=True).count("Norm") == 0
    assert layers(no_bn=True, use_se=True).count("Norm") == 2 * 4
    silu = layers(activation="silu", use_se=True)
    assert (silu.count("silu"), silu.count("relu"), silu.count("sigmoid")) == (1 + 12, 4, 4)


def test_a_new_column_concerns_the_layers_that_have_something_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = parse("ConvKXBN(3,8,3,1)Sigmoid(8)ConvKX(8,4,1,1)").rows(Shape(3, 5, 5))
    before = counts.add_rows(rows)
    act = counts._COUNTERS[Act]
    monkeypatch.setattr(counts, "COLUMNS", (*counts.COLUMNS, "exp_ops"))
    monkeypatch.setitem(counts._COUNTERS, Act, lambda layer, shape, out: (*act(layer, shape, out), out.elements))
    assert counts.add_rows(rows) == [*before, 8 * 5 * 5]


def test_what_is_remembered_is_bounded() -> None:
    memo: BoundedMemo[int, int] = BoundedMemo(10)
    for number in range(1000):
        memo[number] = number
        assert len(memo) <= 10
        assert memo[number] == number
    assert totals_memo(Variant()).limit <= 100_000


def test_a_structure_goes_when_nobody_needs_it_and_its_table_makes_it_again() -> None:
    """Nothing holds both, so that a search leaves no work to the garbage collector; a kept table knows its network."""
    text, shape = "ConvKX(a|3,8,3,1)BN(8)MultiSumBlock(RELU(8);From(a))", Shape(3, 9, 7)
    structure = Structure(parse(text).blocks, source=text)
    table, gone = structure.at(shape), weakref.ref(structure)
    assert table.structure is structure
    del structure
    assert gone() is None
    assert str(table.structure) == text
    assert table.structure is table.structure
    again = pickle.loads(pickle.dumps(table))
    assert (again.totals, again.shape, again.structure) == (table.totals, table.shape, table.structure)
    assert [row.path for row in table.rows()] == [row.path for row in parse(text).rows(shape)]
