"""Spaces whose blocks take values of each other: a mutation breaks no reference, and widths follow wherever values meet."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from plainnet import PlainNet, parse
from plainnet.blocks import Shape
from plainnet.blocks.network_counts import count_network
from plainnet.errors import ConfigError, UsageError
from plainnet.search import RunStore, SearchConfig, load_space, optimum, resume, search
from plainnet.search.candidates.evaluation import Counter, Setting
from plainnet.search.candidates.genes import GenePool, Genes
from plainnet.search.space.mutation import Mutator
from plainnet.testing.graphs import sample_graph
from tests.search.small import rows_of

INPUT = Shape(3, 32, 32)
RULE = {
    "names": ["ConvKX", "ConvKXBN", "ConvKXBNRELU"],
    "change": {
        "out_channels": {"add": [-2, -1, 1, 2], "minimum": 1, "maximum": 16},
        "kernel_size": {"values": [1, 3, 5]},
    },
}
PYRAMID = (
    "ConvKXBNRELU(3,4,3,2)ConvKXBNRELU(c2|4,8,3,2)ConvKXBNRELU(c3|8,12,3,2)ConvKX(p3|12,6,1,1)"
    "MultiSumBlock(p2|Upsample(6,2,0);From(c2)ConvKX(8,6,1,1))Outputs(p2,p3)"
)
UNET = (
    "ConvKXBNRELU(e1|3,8,3,1)MaxPool(8,2,2)ConvKXBNRELU(8,16,3,1)Upsample(16,2)"
    "MultiCatBlock(Identity(16);From(e1))ConvKXBNRELU(24,8,3,1)"
)


def graph_space(start: str, **changes: Any) -> Any:
    plain = {"name": "graph", "start": start, "blocks": [RULE], "resolution": 32, "num_classes": 10}
    return load_space({**plain, **changes})


def references(text: str) -> list[str]:
    return re.findall(r"(?:From|Outputs)\([^)]*\)", text)


@pytest.mark.parametrize("start", [0, *[pytest.param(n, marks=pytest.mark.tail) for n in range(16, 1200, 16)]])
def test_every_child_of_a_graph_is_a_network_that_is_counted_exactly(start: int) -> None:
    spaces = changed = misfits = 0
    for seed in range(start, start + 16):
        rng = Random(seed)
        try:
            space = graph_space(
                sample_graph(rng, more=seed % 2 == 1), mutation={"blocks": 2, "redirect": seed % 2 == 0}
            )
        except ConfigError as error:
            assert "nothing depends on" in str(error)
            continue
        mutator, counter = Mutator(space, GenePool(), INPUT), Counter(Setting(INPUT, 10), asked={"peak_activation"})
        genes, spaces = mutator.starts[0], spaces + 1
        for _ in range(8):
            child = mutator.mutate(genes, rng.random, blocks=2)
            if child is None:
                continue
            if not check_child(mutator, child, counter, follows=genes if seed % 2 else None):
                misfits += seed % 2  # another value may be one of another map
                continue
            changed += mutator.text_of(child) != mutator.text_of(genes)
            genes = child
        structure = parse(mutator.text_of(genes))
        with torch.device("meta"):
            params = sum(p.numel() for p in PlainNet(structure, num_classes=10, init="default").parameters())
        assert params == count_network(structure, INPUT, num_classes=10).params
    assert changed > 2 * spaces > 0
    assert misfits <= changed / 4, "widths follow before anything is counted; sums with what is put side by side remain"


def check_child(mutator: Mutator, child: Genes, counter: Counter, *, follows: Genes | None) -> bool:
    """A child reads back as itself, keeps the references of its parent `follows`, and costs what its structure costs; whether
    it fits its input.
    """
    text = mutator.text_of(child)
    structure = parse(text)
    assert structure.text == text
    assert follows is None or references(text) == references(mutator.text_of(follows))
    costs, counts = counter.costs(child), None
    if costs is not None:
        counts = count_network(structure, INPUT, num_classes=10)
        assert (counts.params, counts.macs, counts.sums.layers) == (costs.params, costs.macs, costs.layers), text
        assert max(each.peak_elements for each in structure.totals(INPUT)) == costs.peak_activation
    again = tuple(mutator.read_gene(gene.rule, gene.source) for gene in child)
    assert mutator.text_of(again) == text
    parse(mutator.text_of(mutator.shrink(child, Random(0).random, depth=False)))
    return costs is not None


def children(space: Any, steps: int, seed: int = 0) -> list[str]:
    mutator, draw = Mutator(space, GenePool(), INPUT), Random(seed).random
    genes, found = mutator.starts[0], []
    for _ in range(steps):
        genes = mutator.mutate(genes, draw) or genes
        found.append(mutator.text_of(genes))
    return list(dict.fromkeys(found))


def test_values_that_are_added_change_their_widths_together() -> None:
    widths = set()
    for text in children(graph_space(PYRAMID), 60):
        found = re.search(r"ConvKX\w*\(v2\|\d+,(\d+),.*Upsample\((\d+),2,0\);From\(v1\)ConvKX\((\d+),(\d+)", text)
        assert found, text
        assert found[1] == found[2] == found[4]
        assert re.search(rf"\(v1\|\d+,{found[3]},", text)
        widths.add(found[1])
    assert len(widths) > 3


def test_a_block_that_may_not_follow_keeps_those_that_it_is_added_to() -> None:
    start = "ConvKX(a|3,8,3,1)ConvKXBN(8,8,3,1)MultiSumBlock(BN(8);From(a))"
    only_first = {"names": ["ConvKX"], "change": {"out_channels": {"add": [-2, 0, 2]}}}
    mutator = Mutator(graph_space(start, blocks=[only_first]), GenePool(), INPUT)
    draw, found = Random(0).random, set()
    for _ in range(60):
        child = mutator.mutate(mutator.starts[0], draw)
        found.add(child and re.findall(r"\d+,(\d+),", mutator.text_of(child))[0])
    assert found == {None, "8"}, "the sum holds the width of a block that no rule is for"


def test_what_is_concatenated_changes_by_itself() -> None:
    for text in children(graph_space(UNET), 40):
        first, inner, taken = re.search(
            r"v1\|3,(\d+),.*Upsample\((\d+),2,0\)MultiCatBlock\(Identity\(\d+\);From\(v1\)\)ConvKX\w*\((\d+),", text
        ).groups()  # type: ignore[union-attr]
        assert int(first) + int(inner) == int(taken)


def test_a_reference_takes_another_value_where_the_space_says_so() -> None:
    start = "ConvKX(a|3,8,3,1)ConvKX(b|8,8,3,1)ConvKX(8,8,3,1)MultiSumBlock(BN(8);From(b);From(a))"
    taken = {tuple(references(text)) for text in children(graph_space(start, mutation={"redirect": True}), 60)}
    assert {("From(v2)", "From(v1)"), ("From(v1)", "From(v1)")} <= taken
    assert len({tuple(references(text)) for text in children(graph_space(start), 60)}) == 1


@pytest.mark.parametrize("objective", ["composite", "macs"])
def test_a_search_of_graphs_is_kept_resumed_and_read(objective: str, tmp_path: Path) -> None:
    space = graph_space(UNET, mutation={"redirect": True}, split={"at_least": 6, "first": 3})
    config = SearchConfig(
        space, objectives=(objective,), limits={"macs": 2e6}, candidates=160, islands=2, population=8, epoch=40
    )
    search(config, tmp_path / "whole")
    search(config, tmp_path / "stopped", max_seconds=1e-9)
    resume(tmp_path / "stopped")
    assert rows_of(tmp_path / "stopped") == rows_of(tmp_path / "whole")
    store = RunStore.open(tmp_path / "whole")
    rows = store.select()
    store.close()
    assert len(rows) > 30
    for row in rows:
        structure = parse(row.structure)
        assert structure.hash == row.short_hash
        assert row.costs["macs"] == count_network(structure, INPUT, num_classes=100).macs <= 2e6


def test_several_outputs_are_searched_and_have_no_classifier() -> None:
    config = SearchConfig(graph_space(PYRAMID), objectives=("max:macs",), limits={"params": 2e4}, candidates=60)
    best = search(config).best
    counts = count_network(parse(best.structure), INPUT, num_classes=100)
    assert (best.params, best.macs) == (counts.params, counts.macs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": {"at_most_next": True}}, "rules of widths are for chains"),
        ({"start": "ConvKX(a|3,8,3,1)ConvKX(8,8,3,1)From(a)BN(8)"}, "nothing depends on a part(.|\n)*plainnet lint"),
        ({"start": "ConvKX(3,8,3,1)Zero(8,1)ConvKX(8,8,3,1)"}, "nothing depends on a part"),
        ({"start": UNET.replace("From(e1)", "From(e2)")}, "there is no value e2"),
        ({"blocks": [{**RULE, "names": ["From"]}]}, "From has no such argument|From"),
    ],
)
def test_what_is_wrong_with_a_space_of_graphs_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        graph_space(changes.pop("start", UNET), **changes)


@pytest.mark.parametrize("name", ["rho", "convolutions"])
def test_what_is_counted_along_a_chain_is_no_budget_of_graphs(name: str, tmp_path: Path) -> None:
    for space in (graph_space(UNET), load_space("darts")):
        with pytest.raises(UsageError, match=f"{name} of a network is counted along a chain(.|\n)*--max-params"):
            search(SearchConfig(space, objectives=("macs",), limits={name: 30}, candidates=10), tmp_path / "run")


def test_why_no_start_fits_is_said() -> None:
    with pytest.raises(UsageError, match="32x17x17 and 32x16x16 cannot be added"):
        search(SearchConfig(load_space("nas-bench-201"), objectives=("macs",), resolution=33, candidates=10))


def test_an_exact_search_of_graphs_is_refused() -> None:
    with pytest.raises(UsageError, match="take values of each other"):
        optimum(graph_space(UNET), objective="params", limits={"params": 1e4})
