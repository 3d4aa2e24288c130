"""Rules of a space as data: what is accepted, what is refused, what they leave, and where a search then begins."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from plainnet.blocks import Shape, parse
from plainnet.errors import ConfigError, UsageError
from plainnet.search import SearchConfig, load_space, search, shipped_spaces
from plainnet.search.candidates.budgets import Budgets
from plainnet.search.candidates.evaluation import Counter, Setting
from plainnet.search.candidates.genes import GenePool
from plainnet.search.space.feasible import feasible_starts
from plainnet.search.space.mutation import Mutator
from plainnet.search.space.space import Change
from tests.search.random_spaces import ELEMENTWISE, INPUT, breaks

# Rules as data --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "value", "becomes"),
    [
        ({"factors": [2.0], "maximum": 100, "step": 8}, 80, [96]),
        ({"factors": [0.1], "minimum": 10, "step": 8}, 80, [16]),
        ({"add": [1000], "maximum": 1001, "step": 7}, 7, [1001]),
        ({"add": [-1000]}, 5, [1]),
        ({"values": [0, 5]}, 5, [0, 5]),
    ],
)
def test_changes_stay_within_their_bounds(change: dict[str, Any], value: int, becomes: list[int]) -> None:
    made = Change(**change)
    assert made.options(value) == becomes
    assert all(map(made.accepts, becomes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"factors": [2], "minimum": 10, "maximum": 15, "step": 8}, "no multiple of step 8 is from 10 to 15"),
        ({"values": [3, 5], "step": 2}, "values: 3 is not accepted itself"),
        ({"values": [3, 50], "maximum": 9}, "values: 50 is not accepted itself"),
    ],
)
def test_changes_that_leave_nothing_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Change(**change)


RESNET = "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,2)SuperResK3K3(32,24,2,32,1)"


@pytest.mark.parametrize(
    ("start", "rules", "more", "said"),
    [
        (
            RESNET,
            {"out_channels": {"factors": [2], "minimum": 32}},
            {},
            r"out_channels of SuperResK3K3\(32,24,2,32,1\) is 24",
        ),
        (RESNET, {"out_channels": {"factors": [2], "step": 16}}, {}, "a multiple of 16"),
        (RESNET, {"sub_layers": {"values": [2, 3]}}, {}, "sub_layers of .* is 1; accepted: 2, 3"),
        (RESNET, {"bottleneck_channels": {"ratios": [0.5, 2]}}, {}, "accepted: 0.5, 2 times out_channels, which is 24"),
        (RESNET, {"out_channels": {"factors": [2]}}, {"widths": {"at_least_input": True}}, "fewer channels than"),
        (RESNET, {"out_channels": {"factors": [2]}}, {"widths": {"at_most_next": True}}, "fewer channels than"),
        (RESNET, {"out_channels": {"factors": [2]}}, {"widths": {"at_most_input_times": 1.5}}, "more than 1.5 times"),
        (
            RESNET.replace("2,16,2", "2,16,9"),
            {"sub_layers": {"add": [1], "minimum": 1, "maximum": 20}, "out_channels": {"factors": [2]}},
            {
                "split": {"at_least": 4, "first": 1},
                "positions": [{"at": 1, "change": {"sub_layers": {"add": [1], "minimum": 3}}}],
            },
            "fewer sub-layers than its rule allows",
        ),
    ],
)
def test_a_start_outside_its_own_rules_is_refused(
    start: str, rules: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    space = {"name": "mine", "start": start, "blocks": [{"names": ["SuperResK3K3"], "change": rules}], **more}
    with pytest.raises(ConfigError, match=said) as error:
        load_space(space)
    assert "the start structure breaks the space's own rules" in str(error.value)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"names": ["BN"], "change": {"out_channels": {"factors": [2]}}}, "it follows from the block before"),
        ({"names": ["ConvKX"], "change": {"in_channels": {"factors": [2]}}}, "it follows from the block before"),
        ({"names": ["Linear"], "change": {"in_features": {"factors": [2]}}}, "it follows from the block before"),
        ({"names": ["Dropout"], "change": {"probability": {"factors": [2]}}}, "only whole numbers are changed"),
        ({"names": ["Sequential"], "change": {}}, "Sequential holds blocks; a search leaves it as it is"),
        ({"names": ["ConvKX"], "change": {"kernel_size": {"values": [3000]}}}, "accepts an integer from 1 to 1,023"),
        (
            {"names": ["ConvKX"], "change": {"out_channels": {"ratios": [2]}}},
            "no other argument out_channels to multiply",
        ),
        ({"names": ["ConvKX", "ConvDW"]}, "take different arguments"),
        ({"names": ["Konv*"]}, "unknown block Konv"),
    ],
)
def test_rules_that_mean_nothing_are_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_space({"name": "mine", "start": ELEMENTWISE, "blocks": [rule]})


@pytest.mark.parametrize("become", [None, []])
def test_patterns_mean_open_families_and_aliases_too(become: list[str] | None) -> None:
    start = "ConvKX(3,16,3,1)SiLU(16)ConvKXG4(16,32,3,1)ConvDW(32,3,1)ConvKXBN(32,16,1,1)GELU(16)"
    rules = [
        {
            "names": ["Conv*"],
            "become": become,
            "change": {"out_channels": {"factors": [2, 0.5], "step": 4, "minimum": 4}},
        },
        {"names": ["SiLU", "GELU"]},
    ]
    space = load_space({"name": "mine", "start": start, "blocks": rules})
    mutator, draw = Mutator(space, GenePool()), Random(0).random
    counter, genes = Counter(Setting(INPUT, 10)), mutator.starts[0]
    seen: list[set[str]] = [set() for _ in genes]
    for _ in range(300):
        child = mutator.mutate(genes, draw, blocks=2)
        if child is not None and counter.costs(child) is not None:
            genes = child
        blocks = parse("".join(gene.text for gene in genes)).blocks
        for names, block in zip(seen, blocks, strict=True):
            names.add(block.name)
    free = {"ConvKX", "ConvKXBias", "ConvKXBN", "ConvKXBNRELU", "ConvKXG4"}
    assert seen[0] == ({"ConvKX"} if become == [] else free - {"ConvKXG4"})  # 4 groups do not divide an image
    assert seen[2] == ({"ConvKXG4"} if become == [] else free)
    assert seen[3] == {"ConvDW"}
    assert seen[1] == seen[5] == {"Swish", "GELU"}


def test_a_block_may_become_one_other_alone() -> None:
    rules = [{"names": ["SuperResK3K3"], "become": ["SuperResK5K5"]}]
    space = load_space({"name": "mine", "start": RESNET, "blocks": rules})
    mutator, draw = Mutator(space, GenePool()), Random(0).random
    child = mutator.mutate(mutator.starts[0], draw, blocks=20)
    assert child is not None
    assert [gene.name for gene in child] == ["SuperConvK3BNRELU", "SuperResK5K5", "SuperResK5K5"]


def test_what_is_frozen_stays() -> None:
    change = {"out_channels": {"factors": [2, 0.5]}}
    rules = [{"names": ["ConvKX"], "change": change}]
    for freeze in ("all", ["out_channels"]):
        positions = [{"at": 1, "freeze": freeze}]
        frozen = load_space({"name": "mine", "start": ELEMENTWISE, "blocks": rules, "positions": positions})
        mutator, draw = Mutator(frozen, GenePool()), Random(0).random
        genes = mutator.starts[0]
        for _ in range(60):
            genes = mutator.mutate(genes, draw) or genes
            assert genes[1].text == "BN(16)"
            assert genes[0].width_out == 16
        assert genes[5].width_out != 32


@pytest.mark.parametrize("name", [name for name in shipped_spaces() if name.startswith("tinynas")])
def test_shipped_spaces_keep_their_rules_and_reach_their_widths(name: str) -> None:
    space = load_space(name)
    mutator, draw = Mutator(space, GenePool()), Random(0).random
    counter, genes, unchanged = Counter(Setting(Shape(3, 224, 224), 1000)), mutator.starts[0], 0
    for step in range(600):
        genes = genes if step % 60 else mutator.starts[0]
        child = mutator.mutate(genes, draw, blocks=space.mutation.blocks)
        unchanged += child == genes
        if child is not None and counter.costs(child) is not None:
            genes = child
            assert breaks(space, mutator, genes) == []
            assert (genes[0].width_out or 0) >= (16 if "k1dw" in name or name == "tinynas-k1kxk1" else 8)
    assert unchanged < 0.1 * 600
    for rule in space.blocks:
        change = rule.change["out_channels"]
        seen, waiting = {16, 32, 64}, [16, 32, 64]
        while waiting:
            new = [each for each in change.options(waiting.pop()) if each not in seen]
            seen.update(new)
            waiting += new
        assert change.maximum is not None
        assert set(range(int(change.least), change.maximum + 1, change.step)) <= seen


# Budgets --------------------------------------------------------------------------------------


def test_other_names_are_tried_before_nothing_is_said_to_be_within_the_budgets() -> None:
    names = ["SuperResIDWE1K3", "SuperResIDWE2K3", "SuperResIDWE4K7", "SuperResIDWE6K7"]
    space = load_space(
        {
            "name": "mine",
            "start": "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE6K7(16,32,2,16,1)SuperResIDWE6K7(32,64,2,32,1)",
            "blocks": [{"names": names}],
        }
    )
    mutator, counter = Mutator(space, GenePool(), INPUT), Counter(Setting(INPUT, 10))
    least = parse("SuperConvK3BNRELU(3,16,2,1)SuperResIDWE1K3(16,32,2,16,1)SuperResIDWE1K3(32,64,2,32,1)")
    limit = sum(each.sums.macs for each in least.totals(INPUT)) + 640
    start = feasible_starts(mutator, counter, Budgets({"macs": limit}), seed=0)[0]
    assert "".join(gene.text for gene in start) == least.text
    with pytest.raises(UsageError, match="closest found"):
        feasible_starts(mutator, counter, Budgets({"macs": limit - 1}), seed=0)


def test_a_start_whose_mutants_are_all_over_the_budgets_is_a_candidate_itself() -> None:
    space = load_space(
        {
            "name": "mine",
            "start": "SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,32,2,16,1)",
            "blocks": [{"names": ["SuperResK3K3"], "change": {"sub_layers": {"add": [1]}}}],
            "mutation": {"arguments": "one"},
        }
    )
    config = SearchConfig(space, limits={"layers": 2}, candidates=400, islands=1, repairs=0)
    assert search(config).best.structure == space.start[0]


def test_a_structure_over_the_limits_is_a_rejected_candidate() -> None:
    change = {"out_channels": {"factors": [8]}, "bottleneck_channels": {"factors": [8]}, "sub_layers": {"add": [3000]}}
    space = load_space({"name": "mine", "start": RESNET, "blocks": [{"names": ["SuperResK3K3"], "change": change}]})
    for limits in ({"macs": 1e30}, {"layers": 1e6, "params": 1e30}):
        store_free = SearchConfig(space, limits=limits, candidates=600, islands=1, epoch=200, repairs=0)
        result = search(store_free)
        assert result.rejected > 100
        parse(result.best.structure).totals(INPUT)


def test_the_widths_that_the_factors_of_the_paper_do_not_reach() -> None:
    change = load_space("zennas-resnet").blocks[0].change["out_channels"]
    seen, waiting = {8}, [8]
    while waiting:
        new = set(change.options(waiting.pop())) - seen
        seen |= new
        waiting += new
    assert sorted(set(range(8, 2049, 8)) - seen) == [1544, 1736, 1784, 1816, 1864, 1928, 1976, 2024]
