"""The proof that counts are exact: closed forms against what torch builds and executes."""

import json
import random
from importlib.resources import files
from typing import Any

import pytest
import torch

from plainnet.blocks import From, Outputs
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.network_counts import NetworkCounts, count_network, head_layers
from plainnet.blocks.registry import block_classes
from plainnet.blocks.rows.counts import COLUMNS, add_rows
from plainnet.blocks.rows.layers import ACTIVATIONS, Act, Add, Conv, Dropout, Flatten, Layers, Norm, Repeat, Scale, Sum
from plainnet.blocks.rows.memory import peak_elements
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import INPUT, Row, walk
from plainnet.blocks.structure import Structure, parse
from plainnet.network.counting.module_counts import count_module
from plainnet.network.plain_net import PlainNet
from plainnet.testing import check_block, sample_case, sample_shape, sample_structure, shipped_blocks, torch_counts

VARIANTS = (
    PLAIN,
    Variant(use_se=True),
    Variant(no_reslink=True),
    Variant(no_bn=True),
    Variant(activation="silu"),
    Variant(True, True, True, "identity"),
)


def built(structure: Structure, shape: Shape, num_classes: int | None, variant: Variant) -> PlainNet:
    with torch.device("meta"):
        return PlainNet(
            structure,
            num_classes=num_classes,
            in_channels=shape.channels,
            resolution=shape[1:],
            init="default",
            **vars(variant),
        )


def compare(
    structure: Structure, shape: Shape, num_classes: int | None, variant: Variant, *, operators: bool = False
) -> NetworkCounts:
    """All counts of a structure against the built network; with `operators` the columns of the other operations, too."""
    counts = count_network(structure, shape, num_classes=num_classes, variant=variant)
    net = built(structure, shape, num_classes, variant)
    features: list[torch.Size] = []
    net.blocks.register_forward_hook(lambda module, args, out: features.append(out.shape))  # noqa: ARG005
    found = torch_counts(net, shape)
    counted = (counts.params, counts.macs, counts.activations, counts.sums.convolutions, counts.output_shape)
    assert counted == tuple(found), f"{structure} on {shape} [{variant}]"
    assert counts.feature_shape.as_list() == list(features[0][1:])
    if operators:
        compare_operators(counts, net, shape, f"{structure} on {shape} [{variant}]")
    return counts


def compare_operators(counts: NetworkCounts, net: PlainNet, shape: Shape, where: str) -> None:
    """The columns of the other operations against the operators that torch executes."""
    found = count_module(net, (1, *shape))
    assert found.uncounted == {}
    for column in COLUMNS:
        if column != "layers":
            assert getattr(counts.sums, column) == getattr(found, column), f"{column}: {where}"


def random_case(seed: int) -> tuple[Structure, Shape, int | None, Variant]:
    """A random structure at a random size, half of the time in a random variant."""
    rng = random.Random(seed)
    while True:
        shape = sample_shape(rng)
        structure = sample_structure(rng, shape=shape)
        if structure.in_channels == shape.channels:
            break
    variant = PLAIN
    if rng.random() < 0.5:
        variant = Variant(rng.random() < 0.4, rng.random() < 0.4, rng.random() < 0.4, rng.choice(ACTIVATIONS))
    return structure, shape, rng.choice((None, 1, 10)), variant


@pytest.mark.parametrize("cls", shipped_blocks(), ids=lambda cls: cls.__name__)
def test_every_block(cls: type[PlainNetBasicBlockClass]) -> None:
    check_block(cls, samples=6, seed=1)


@pytest.mark.parametrize("cls", shipped_blocks(), ids=lambda cls: cls.__name__)
def test_every_block_in_every_variant(cls: type[PlainNetBasicBlockClass]) -> None:
    rng = random.Random(2)
    for variant in VARIANTS:
        block, shape = sample_case(cls, rng)
        if shape.is_vector or Structure([block]).in_channels != shape.channels:
            continue
        compare(Structure([block]), shape, 3, variant, operators=True)


def test_every_registered_block_is_shipped_or_the_tests_own() -> None:
    registered = {cls for cls in block_classes() if cls.__module__.startswith("plainnet.")}
    assert registered == {*shipped_blocks(), From, Outputs}


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_random_structures(start: int) -> None:
    for seed in range(start, start + 50):
        compare(*random_case(seed), operators=start < 100)


@pytest.mark.tail
@pytest.mark.slow
@pytest.mark.parametrize("start", range(200, 3200, 100))
def test_thousands_of_random_structures(start: int) -> None:
    for seed in range(start, start + 100):
        compare(*random_case(seed))


def published() -> list[tuple[dict[str, Any], str]]:
    nets = json.loads(files("plainnet").joinpath("data", "zennets.json").read_text(encoding="utf-8"))["nets"]
    return [(net, setting) for net in nets for setting in net["exact"]]


@pytest.mark.parametrize(
    ("net", "setting"), published(), ids=lambda part: part["name"] if isinstance(part, dict) else part
)
def test_published_networks(net: dict[str, Any], setting: str) -> None:
    exact = net["exact"][setting]
    classes, *options = setting.removeprefix("classes=").split()
    shape = Shape(3, net["resolution"], net["resolution"])
    counts = compare(parse(net["string"]), shape, int(classes), Variant(use_se="use_se" in options))
    assert counts.params == exact["params"]
    assert counts.macs == exact["macs"]
    assert counts.feature_shape.as_list() == exact["pre_pool_shape"]
    assert counts.layers == exact["layers"]


@pytest.mark.parametrize("variant", VARIANTS[2:], ids=str)
@pytest.mark.parametrize("resolution", [(32, 32), (33, 47)])
def test_published_networks_in_variants(variant: Variant, resolution: tuple[int, int]) -> None:
    net = published()[0][0]
    compare(parse(net["string"]), Shape(3, *resolution), 10, variant, operators=True)


IN_PLACE = (Norm, Act, Dropout, Flatten, Add, Sum, Scale)


def simulated_peak(rows: list[Row], shape: Shape) -> int:
    """The peak by the book: every value is kept in a dictionary, and dropped when no later row takes it."""
    alive = {INPUT: shape.elements} if not rows or any(INPUT in row.inputs for row in rows) else {}
    peak = sum(alive.values())
    for number, row in enumerate(rows):
        size = row.out_shape.elements
        needed_later = {value for later in rows[number + 1 :] for value in later.inputs}
        dying = [value for value in alive if value in row.inputs and value not in needed_later]
        writes_over = isinstance(row.layer, IN_PLACE) and any(alive[value] == size for value in dying)
        peak = max(peak, sum(alive.values()) + (0 if writes_over else size))
        alive[number] = size
        for value in dying:
            del alive[value]
    assert len(alive) <= 1 or not rows
    return peak


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_peak_memory_is_that_of_a_simulation(start: int) -> None:
    for seed in range(start, start + 50):
        structure, shape, num_classes, variant = random_case(seed)
        counts = count_network(structure, shape, num_classes=num_classes, variant=variant)
        tail = head_layers(counts.feature_shape, num_classes)
        expanded = structure.rows(shape, variant=variant, expand=True, tail=tail)
        slow = simulated_peak(expanded, shape)
        assert peak_elements(expanded, shape) == slow, f"{structure} on {shape} [{variant}]"
        assert counts.peak_elements == slow, f"{structure} on {shape} [{variant}]"


CONV, NORM = Conv(4, 3), Norm()
REPEATED = [
    (Add((Repeat(3, (CONV,)),)),),
    (Sum(((Repeat(2, (CONV, NORM)), CONV), (Repeat(4, (NORM,)),), ())),),
    (Repeat(2, (Add((Repeat(3, (CONV, NORM)),), (CONV,)),)),),
    (Scale((Repeat(2, (CONV,)), Act("sigmoid"))),),
    (Add((Repeat(2, (Repeat(3, (CONV,)),)),)),),
]


@pytest.mark.parametrize("layers", REPEATED)
def test_peak_memory_where_a_branch_begins_with_a_repeated_body(layers: Layers) -> None:
    shape = Shape(4, 5, 3)
    compact, expanded = (walk(layers, shape, expand=expand)[0] for expand in (False, True))
    assert peak_elements(compact, shape) == simulated_peak(expanded, shape)
    assert add_rows(compact) == add_rows(expanded)
    assert {row.path for row in compact} <= {row.path for row in expanded}


def test_compact_tables_add_up_to_expanded_ones() -> None:
    for seed in range(200):
        structure, shape, _, variant = random_case(seed)
        compact = structure.rows(shape, variant=variant)
        expanded = structure.rows(shape, variant=variant, expand=True)
        assert add_rows(compact) == add_rows(expanded)
        assert sum(row.times for row in compact) == len(expanded)
        assert compact == [] or compact[-1].out_shape == expanded[-1].out_shape
        assert (
            walk(structure.blocks, shape, variant=variant)[1]
            == walk(structure.blocks, shape, variant=variant, expand=True)[1]
        )
