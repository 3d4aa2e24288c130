"""The sets that ship: structures from codes and back, and counts equal to the published ones, convention by convention."""

import math
import random

import pytest

from plainnet import UsageError, parse
from plainnet.blocks.rows.layers import Act, AdaptivePool, Norm, Pool
from plainnet.blocks.rows.shapes import Shape
from plainnet.proxies.closed.zen import zen_score
from plainnet.templates import accel_nas_bench, transnas_macro
from plainnet.validation.trained_sets import SETS, published_figures, trained_set, trained_table

SIZES = {  # rows, different networks
    "nas-bench-macro": (6561, 3969),
    "accel-nas-bench": (5138, 5125),
    "transnas-object": (662, 662),
    "transnas-scene": (662, 662),
    "imagenet": (34, 34),
    "nas-bench-101": (500, 301),
    "nas-bench-301": (725, 725),
}


def sampled(name, count):
    figures = published_figures(name)
    return random.Random(0).sample(figures, min(count, len(figures)))


def rows_of(name, code):
    found = trained_set(name)
    return found.build(code).rows(Shape(3, found.resolution, found.resolution), expand=True)


def counts(name, code):
    found = trained_set(name)
    sums = [each.sums for each in found.build(code).totals(Shape(3, found.resolution, found.resolution))]
    return sum(each.params for each in sums), sum(each.macs for each in sums)


def elements(rows, kind):
    return sum(row.out_shape.elements for row in rows if isinstance(row.layer, kind))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "nas-bench-301")) for name in SETS]
)
def test_a_set_is_a_table(name):
    table = trained_table(name)
    assert (len(table), len(set(table.networks))) == SIZES[name]
    assert table.resolution == trained_set(name).resolution
    assert table.name == trained_set(name).title
    assert all(20 < accuracy < 100 for accuracy in table.accuracies)


def test_known_rows():
    object_, scene, accel = map(trained_table, ("transnas-object", "transnas-scene", "accel-nas-bench"))
    assert (object_.names[0], object_.accuracies[0], scene.accuracies[0]) == ("111114", 44.999, 51.15446)
    assert (accel.names[0], accel.accuracies[0]) == ("6466611-3535533-1233222-0000000", 59.368)
    imagenet = trained_table("imagenet")
    assert imagenet.accuracies[imagenet.names.index("resnet18")] == 69.758


# Counts -----------------------------------------------------------------------------------------


def test_accel_nas_bench_has_the_published_params_and_macs():
    """Published MACs are of a counter that takes four operations for an element of a batch norm, and counts what a global
    mean reads and puts out.
    """
    for network in sampled("accel-nas-bench", 50):
        params, macs = counts("accel-nas-bench", network.code)
        rows = rows_of("accel-nas-bench", network.code)
        means = sum(
            row.in_shape.elements + row.out_shape.elements for row in rows if isinstance(row.layer, AdaptivePool)
        )
        head = 1280 * 1000 + 1280 * 7 * 7 + 1280
        assert params + 1280 * 1000 + 1000 == round(network.params * 1e6), network.code
        assert macs + 4 * elements(rows, Norm) + means + head == round(network.macs * 1e6), network.code


def test_transnas_has_the_published_params_and_macs():
    """Published MACs count two operations for an element of a batch norm and one of a ReLU; the mean is taken along one
    axis and then the other, each reading and putting out.
    """
    for network in sampled("transnas-object", 80):
        params, macs = counts("transnas-object", network.code)
        rows = rows_of("transnas-object", network.code)
        channels, height, _ = rows[-1].out_shape
        head = 100 * channels + rows[-1].out_shape.elements + 2 * channels * height + channels
        assert params + 100 * channels + 100 == round(network.params * 1e6), network.code
        assert macs + 2 * elements(rows, Norm) + elements(rows, Act) + head == round(network.macs * 1e6), network.code


def test_cells_have_the_published_params_and_macs():
    """NAS-Bench-101: three operations for an element of a batch norm, nine for one of a 3x3 maximum, and 201,728 that are
    the same for all (the maxima between the stacks, and the head)."""
    for network in sampled("nas-bench-101", 25):
        params, macs = counts("nas-bench-101", network.code)
        rows = rows_of("nas-bench-101", network.code)
        maxima = sum(
            9 * row.out_shape.elements for row in rows if isinstance(row.layer, Pool) and row.layer.kernel_size == 3
        )
        assert params + 5130 == round(network.params * 1e6), network.code
        assert macs + 3 * elements(rows, Norm) + maxima + 201_728 == round(network.macs * 1e6), network.code


def test_predictions_are_never_quoted_as_trainings():
    """Whoever quotes the set by its title says what its accuracies are."""
    assert "surrogate" in trained_set("nas-bench-301").title


# Codes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "name"), [(accel_nas_bench, "accel-nas-bench"), (transnas_macro, "transnas-object")]
)
def test_a_code_goes_to_a_string_and_back(template, name):
    for network in sampled(name, 40):
        text = template.structure_of_code(network.code)
        structure = parse(text)
        assert structure == template.network_of_code(network.code)
        expected = network.code if name == "accel-nas-bench" else network.code.rstrip("0")
        assert template.code_of_structure(text) == template.code_of_structure(structure) == expected


@pytest.mark.parametrize(
    ("template", "codes", "message"),
    [
        (transnas_macro, ["", "111", "1111111", "11150", "110111", "11x1", "0000", "1١11"], "four to six digits"),
        (accel_nas_bench, ["", "6466611", "6466611-3535533-1233222", "5466611-3535533-1233222-0000000",
                           "6466611-3535533-1233222-0000000-1", "6466611-3535533-0233222-0000000"], "seven digits each"),
    ],
)  # fmt: skip
def test_a_wrong_code_is_a_usage_error(template, codes, message):
    for code in codes:
        with pytest.raises(UsageError, match=message):
            template.structure_of_code(code)


@pytest.mark.parametrize("template", [accel_nas_bench, transnas_macro])
def test_a_network_of_another_space_has_no_code(template):
    own = {
        accel_nas_bench: accel_nas_bench.structure_of_code("6466611-3535533-1233222-0101010"),
        transnas_macro: transnas_macro.structure_of_code("1234"),
    }
    others = ["SuperConvK3BNRELU(3,8,1,1)", *(text for other, text in own.items() if other is not template)]
    spoilt = [own[template] + "RELU(8)"]
    for text in [*others, *spoilt]:
        with pytest.raises(UsageError, match="the network is none of"):
            template.code_of_structure(text)


def test_an_unknown_set_is_told_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"no set 'transnas-scen'.*did you mean transnas-scene"):
        trained_table("transnas-scen")
    assert all(math.isfinite(each.macs) for each in published_figures("transnas-scene"))


@pytest.mark.parametrize("code", ["4644614-5555533-2323113-1111110", "6466611-3535533-1233222-1111111"])
def test_gates_that_multiply_one_another_have_a_zen_score(code):
    assert math.isfinite(zen_score(accel_nas_bench.network_of_code(code), 224))
