"""The leading terms against the whole closed form, and against a slow reading of the formula."""

from __future__ import annotations

import math
from random import Random

import pytest
from scipy.stats import kendalltau

from plainnet.blocks import Shape, Variant, parse
from plainnet.blocks.rows.layers import Act, Conv
from plainnet.proxies.closed.zen import zen_score
from plainnet.search import load_space
from plainnet.search.candidates.budgets import Costs
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.genes import GenePool
from plainnet.search.candidates.objectives import as_structure
from plainnet.search.candidates.zen_leading import ZenLeading
from plainnet.search.space.mutation import Mutator

COSTS = Costs(0, 0, 0, 0)
RELU_MEAN, RELU_VARIANCE = 1 / math.sqrt(2 * math.pi), 0.5 - 1 / (2 * math.pi)


def leading(text: str, resolution: int) -> float:
    structure = parse(text)
    genes = GenePool().of_structure(structure, [0] * len(structure))
    return ZenLeading(Setting(Shape(3, resolution, resolution), 10)).score(genes, COSTS)


def slowly(text: str, resolution: int) -> float:
    """The formula of the module's docstring, row by row, positions and taps counted one by one."""
    rows = parse(text).rows(Shape(3, resolution, resolution), variant=Variant(no_reslink=True), expand=True)
    mean, variance, score, relus = 0.0, 1.0, 0.0, 0
    for row in rows:
        if isinstance(row.layer, Conv):
            inside = taps(row.in_shape.height, row.layer.kernel_size, row.layer.stride)
            within = [a * b for a in inside for b in inside]
            spread = variance * sum(within) + mean**2 * sum(f * (1 - f) for f in within)
            score += math.log(row.in_shape.channels / row.layer.groups * spread) / 2
        elif isinstance(row.layer, Act):
            mean, variance, relus = RELU_MEAN, RELU_VARIANCE, relus + 1
    c = 1 / math.sqrt(1.0001)
    for _ in range(relus - 1):
        kernel = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)
        c = (kernel - RELU_MEAN**2) / RELU_VARIANCE
    # E|relu(z) - relu(z')| = E|z - z'| / 2, by symmetry
    return score + math.log(rows[-1].out_shape.elements * math.sqrt((2 - 2 * c) * 2 / math.pi) / 2)


def taps(size: int, kernel_size: int, stride: int) -> list[float]:
    out = -(-size // stride)
    reach = [[position * stride + tap - kernel_size // 2 for position in range(out)] for tap in range(kernel_size)]
    return [sum(0 <= at < size for at in positions) / out for positions in reach]


STRUCTURES = [
    "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperConvK1BNRELU(16,32,1,1)",
    "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE2K7(16,40,2,24,3)SuperResK1K5K1(40,64,2,16,4)SuperConvK1BNRELU(64,128,1,1)",
    "ConvKXBNRELU(3,32,3,2)SuperResK1KXK1(32,64,5,2,16,3)SuperResKXKX(64,64,3,1,32,2)SuperResK1DWK1(64,64,3,2,96,2)",
]


@pytest.mark.parametrize("text", STRUCTURES)
@pytest.mark.parametrize("resolution", [5, 32, 33, 224])
def test_it_is_the_formula(text: str, resolution: int) -> None:
    assert leading(text, resolution) == pytest.approx(slowly(text, resolution), rel=1e-9)


@pytest.mark.parametrize(
    "space", ["zennas-resnet", "zennas-mobile", "tinynas-k1kxk1", "tinynas-kxkx", "tinynas-k1dwk1"]
)
def test_it_ranks_as_the_whole_closed_form_does(space: str) -> None:
    found = load_space(space)
    mutator, draw = Mutator(found, GenePool()), Random(0).random
    scorer = ZenLeading(Setting(Shape(3, 32, 32), 10))
    leading_scores, whole = [], []
    for _ in range(40):
        genes = mutator.starts[0]
        for _ in range(1 + int(draw() * 15)):
            genes = mutator.mutate(genes, draw, blocks=2) or genes
        leading_scores.append(scorer.score(genes, COSTS))
        whole.append(zen_score(as_structure(genes), 32))
    assert kendalltau(leading_scores, whole)[0] > 0.95


def test_a_block_with_gates_gets_the_whole_closed_form() -> None:
    text = "ConvKXBNRELU(3,16,3,2)SuperResK1DWSEK1(16,24,3,2,48,2)"
    assert leading(text, 32) == zen_score(text, 32)
