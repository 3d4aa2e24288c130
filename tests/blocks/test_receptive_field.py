"""The receptive field against what gradients say: which input pixels one output pixel depends on."""

import random

import pytest
import torch
from torch import Tensor, nn

from plainnet.blocks.rows.layers import AdaptivePool
from plainnet.blocks.rows.map_layers import Narrow
from plainnet.blocks.rows.receptive_field import ReceptiveField, receptive_field, receptive_field_of_blocks
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.rows.walk import Row
from plainnet.blocks.structure import Structure, parse
from plainnet.network.module_tree import module_tree
from plainnet.network.modules import Gate
from plainnet.network.parameterless import Shift, Zero, ZeroMap
from plainnet.network.published import find_published, published_networks
from plainnet.testing import sample_structure, shipped_blocks
from plainnet.testing.graphs import sample_graph


class Half(nn.Module):
    """In place of whatever is not linear, of batch norms and of gates: half of the input."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


def positive_network(structure: Structure, shape: Shape) -> nn.Module:
    """The network with positive weights throughout, so that no gradient cancels, and averages in place of maxima."""
    net = module_tree(structure.rows(shape, expand=True), shape).double()
    for name, part in list(net.named_modules()):
        parent = net.get_submodule(name.rpartition(".")[0])
        if isinstance(part, nn.MaxPool2d):
            pool = nn.AvgPool2d(part.kernel_size, part.stride, part.padding, ceil_mode=part.ceil_mode)
            setattr(parent, name.rpartition(".")[2], pool)
        elif isinstance(part, Gate):
            part.forward = Half()
        elif not list(part.children()) and not isinstance(part, (nn.Conv2d, nn.AvgPool2d, Shift, Zero, ZeroMap)):
            setattr(parent, name.rpartition(".")[2], Half())
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1 / part.weight[0].numel())
    return net


def numeric_field(structure: Structure, side: int) -> ReceptiveField:
    """Extent and stride from the gradients of two neighbouring pixels in the middle of the map."""
    shape = Shape(structure.in_channels, side, side)
    net = positive_network(structure, shape)
    image = torch.ones(1, *shape, dtype=torch.float64, requires_grad=True)
    out = net(image)
    middle = out.shape[-1] // 2
    spans = []
    for column in (middle, middle + 1):
        (gradient,) = torch.autograd.grad(out[0, :, middle, column].sum(), image, retain_graph=True)
        rows, columns = (torch.nonzero(gradient[0].sum((0, k))).flatten().tolist() for k in (2, 1))
        assert rows[-1] - rows[0] == columns[-1] - columns[0]
        assert columns[0] > 0, "the input is too small: the field is cut off"
        assert columns[-1] < side - 1, "the input is too small: the field is cut off"
        spans.append(columns)
    return ReceptiveField(spans[0][-1] - spans[0][0] + 1, spans[1][0] - spans[0][0])


@pytest.mark.parametrize(
    ("text", "extent", "stride"),
    [
        ("ConvKX(1,2,1,1)", 1, 1),
        ("ConvKX(1,2,3,1)", 3, 1),
        ("ConvKX(1,2,3,2)ConvKX(2,2,3,1)", 7, 2),
        ("SuperConvK3BNRELU(1,2,2,3)", 11, 2),
        ("SuperConvK7BNRELU(1,4,2,1)MaxPool(4,3,2)", 11, 4),
        ("SuperResK1K5K1(2,2,2,2,1)", 13, 2),
        ("MultiSumBlock(ConvKX(2,2,3,2);ConvKX(2,2,7,2))SE(2)", 7, 2),
    ],
)
def test_fields_worked_out_by_hand(text: str, extent: int, stride: int) -> None:
    structure = parse(text)
    shape = Shape(structure.in_channels, 64, 64)
    assert receptive_field(structure.rows(shape, expand=True)) == (extent, stride)
    assert numeric_field(structure, 64) == (extent, stride)


def test_published_fields() -> None:
    # Araujo et al. 2019, table 1: ResNet-50 v1 483, stride 32. There the stride of a unit is on its first 1x1; here it
    # is on the 3x3, which sees one map pixel less far in each of the three strided stages: 483 - 2 * (4 + 8 + 16) = 427.
    structure = find_published("resnet50").structure
    assert receptive_field(structure.rows(Shape(3, 224, 224), expand=True)) == (427, 32)
    structure = find_published("resnet18").structure
    assert receptive_field(structure.rows(Shape(3, 224, 224), expand=True)) == (435, 32)


def test_whole_map_layers_and_an_empty_table() -> None:
    assert receptive_field([]) == (1, 1)
    head = parse("ConvKX(3,8,3,2)AdaptiveAvgPool(8,1)Flatten(8)Linear(8,4,1)")
    assert receptive_field(head.rows(Shape(3, 32, 32), expand=True)) == (3, 2)


SLIDING = [cls for cls in shipped_blocks() if cls.__name__ not in ("AdaptiveAvgPool", "Flatten", "Linear")]


def is_whole_map_pool(row: Row) -> bool:
    """Adaptive pooling outside of a gate, inside of a container."""
    return isinstance(row.layer, AdaptivePool) and ".net" not in row.path


@pytest.mark.parametrize("seed", range(25))
def test_random_structures(seed: int) -> None:
    rng = random.Random(seed)
    while True:
        structure = sample_structure(rng, shape=Shape(2, 64, 64), max_blocks=2, blocks=SLIDING)
        rows = structure.rows(Shape(2, 64, 64), expand=True)
        found = receptive_field(rows)
        if found is None:  # maps are made larger, or zeros cut them off
            continue
        sliced = any(isinstance(row.layer, Narrow) for row in rows)  # some channels may see less than the union
        if found.extent <= 48 and found.stride <= 8 and not sliced and not any(map(is_whole_map_pool, rows)):
            break
    assert numeric_field(structure, 4 * found.extent + 6 * found.stride) == found


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_random_graphs(start: int) -> None:
    """Values that wait, hidden names, dead blocks and zeros among them."""
    shape, compared = Shape(3, 64, 64), 0
    for seed in range(start, start + 10):
        structure = parse(sample_graph(random.Random(seed), max_blocks=4, more=True))
        found = receptive_field(structure.rows(shape, expand=True))
        assert structure.output_names or structure.at(shape).receptive_field == found
        if structure.output_names or found is None or found.extent > 48 or found.stride > 8:
            continue
        assert numeric_field(structure, 4 * found.extent + 6 * found.stride) == found
        compared += 1
    assert compared > 2


@pytest.mark.parametrize("variant", [Variant(), Variant(use_se=True), Variant(no_reslink=True, no_bn=True)], ids=str)
def test_the_field_from_remembered_blocks_is_that_of_the_rows(variant: Variant) -> None:
    rng = random.Random(3)
    shape = Shape(3, 97, 64)
    structures = [sample_structure(rng, shape=shape) for _ in range(40)]
    structures += [network.structure for network in list(published_networks().values())[::6]]
    for structure in structures:
        shapes = [shape, *(totals.out_shape for totals in structure.totals(shape, variant=variant))]
        expected = receptive_field(structure.rows(shape, variant=variant, expand=True))
        for _ in range(2):  # new, and remembered
            assert receptive_field_of_blocks(structure.blocks, shapes, variant=variant) == expected
