"""Spaces are data: what is wrong with one is said where it stands; what comes out of one is a network."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from plainnet.blocks import PlainNetBasicBlockClass, Shape, Variant, parse
from plainnet.blocks.fields import Channels
from plainnet.blocks.rows.layers import Act, Add, Conv, Layers, Norm, Repeat
from plainnet.cli.main import cli
from plainnet.errors import ConfigError, UsageError
from plainnet.search import load_space, shipped_spaces
from plainnet.search.candidates.compounds import genes_of
from plainnet.search.candidates.evaluation import Counter, Setting
from plainnet.search.candidates.genes import GenePool
from plainnet.search.candidates.objectives import as_structure
from plainnet.search.candidates.zen_leading import ZenLeading
from plainnet.search.space.mutation import Mutator
from plainnet.search.space.mutators import find_mutator

SPACES = list(shipped_spaces())


def walk(name: str, steps: int, seed: int = 0, blocks: int = 2):
    """Random walks of 20 steps from the start of a space."""
    mutator, draw = find_mutator(load_space(name), GenePool()), Random(seed).random
    genes = mutator.starts[0]
    for step in range(steps):
        if step % 20 == 0:
            genes = mutator.starts[0]
        genes = mutator.mutate(genes, draw, blocks=blocks) or genes
        yield mutator, genes


def test_the_published_spaces_are_shipped() -> None:
    assert {"zennas-resnet", "zennas-mobile"} <= set(SPACES)
    assert {f"tinynas-{name}" for name in ("k1kxk1", "k1kx", "kxkx", "k1dwk1", "k1dwsek1")} <= set(SPACES)


@pytest.mark.parametrize("name", SPACES)
def test_what_a_space_prints_reads_back_as_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(load_space(name).dump())
    assert load_space(str(tmp_path / "space.yaml")) == load_space(name)


@pytest.mark.parametrize("name", SPACES)
def test_every_child_is_a_network_and_is_counted_exactly(name: str) -> None:
    space = load_space(name)
    setting = Setting(Shape(3, space.resolution, space.resolution), space.num_classes)
    counter, whole, pool = Counter(setting), Counter(setting, asked={"peak_activation"}), GenePool()
    for _, genes in walk(name, 60 if space.cell is None else 8):
        structure = parse("".join(gene.text for gene in genes))
        assert structure == as_structure(genes)
        totals = structure.totals(setting.shape)
        channels = totals[-1].out_shape.channels
        others = genes_of(structure, pool)
        for costs in (counter.costs(genes), whole.costs(others)):
            assert costs is not None
            assert costs.params == sum(each.sums.params for each in totals) + (channels + 1) * space.num_classes
            assert costs.macs == sum(each.sums.macs for each in totals) + channels * space.num_classes
            assert costs.activations == sum(each.sums.activations for each in totals) + space.num_classes
            assert costs.layers == sum(each.sums.layers for each in totals)
        assert costs is not None
        assert costs.peak_activation == max(each.peak_elements for each in totals)
        assert costs.layers == sum(gene.depth for gene in genes)


@pytest.mark.parametrize("use_se", [False, True])
def test_one_block_at_several_places_is_counted_at_each(use_se: bool) -> None:
    """The same gene at maps of 20, 10, 5 and 3 pixels, asked in both directions and twice."""
    variant = Variant(use_se=use_se)
    unit = "SuperResK1K5K1(16,16,2,8,2)"
    texts = ["SuperConvK3BNRELU(3,16,1,1)" + unit * depth for depth in (4, 1, 3, 2, 4)]
    setting, pool = Setting(Shape(3, 20, 20), 10, variant), GenePool()
    counter = Counter(setting)
    for text in (*texts, *reversed(texts)):
        structure = parse(text)
        costs = counter.costs(pool.of_structure(structure, [0] * len(structure)))
        totals = structure.totals(setting.shape, variant=variant)
        assert costs is not None
        assert costs.macs == sum(each.sums.macs for each in totals) + 16 * 10
        assert costs.params == sum(each.sums.params for each in totals) + 17 * 10


class WithEmptyBranches(PlainNetBasicBlockClass):
    """Branches and bodies without a layer."""

    out_channels: Channels

    def layers(self) -> Layers:
        return (Conv(self.out_channels), Norm(), Add(()), Repeat(2, ()), Act())


def test_empty_branches_cost_nothing() -> None:
    structure, setting = parse("WithEmptyBranches(8)"), Setting(Shape(3, 8, 8), 10)
    genes = GenePool().of_structure(structure, [0])
    costs = Counter(setting).costs(genes)
    totals = structure.totals(setting.shape)
    assert costs is not None
    assert costs.params == totals[0].sums.params + 9 * 10
    assert not math.isnan(ZenLeading(setting).score(genes, costs))


def test_a_block_that_fits_at_one_place_and_not_at_another() -> None:
    pool, counter = GenePool(), Counter(Setting(Shape(3, 8, 8), 10))
    small, large = (parse(f"ConvKX(3,8,1,{stride})ConvKX(8,8,4,1)") for stride in (8, 2))
    for _ in range(2):
        assert counter.costs(pool.of_structure(large, [0, 0])) is not None
        assert counter.costs(pool.of_structure(small, [0, 0])) is None


@pytest.mark.parametrize("name", ["zennas-resnet", "zennas-mobile"])
def test_the_published_rules_are_kept(name: str) -> None:
    start = load_space(name).start[0]
    strides = [block.stride for block in parse(start).blocks]
    for _, genes in walk(name, 300):
        blocks = parse("".join(gene.text for gene in genes)).blocks
        assert [block.stride for block in blocks if block.stride > 1] == [stride for stride in strides if stride > 1]
        for block in blocks:
            assert block.out_channels % 8 == 0
            assert block.out_channels >= 8
            assert 1 <= block.sub_layers < 10
            if name == "zennas-resnet":
                assert block.out_channels <= 2048
            if "SuperConv" in block.name:
                assert block.sub_layers == 1
        assert (blocks[0].name, blocks[-1].name) == ("SuperConvK3BNRELU", "SuperConvK1BNRELU")
        if name == "zennas-mobile":
            assert blocks[-1].out_channels == 2048


@pytest.mark.parametrize("name", [name for name in SPACES if load_space(name).blocks])
def test_a_child_is_joined_everywhere(name: str) -> None:
    """A mutation looks at the changed blocks and their neighbours only; `joined` looks at all of them."""
    space = load_space(name)
    for blocks in (1, 3):
        for mutator, genes in walk(name, 300, seed=blocks, blocks=blocks):
            assert mutator.joiner.joined(genes) == genes
            if space.split:
                assert all(gene.depth < space.split.at_least for gene in genes)


def test_deep_blocks_are_split() -> None:
    mutator = Mutator(load_space("zennas-resnet"), GenePool())
    block = parse("SuperResK1K5K1(16,32,2,16,7)").blocks[0]
    parts = mutator.joiner.joined([mutator.pool.of_block(block, 2)])
    assert [gene.text for gene in parts] == ["SuperResK1K5K1(16,32,2,16,3)", "SuperResK1K5K1(32,32,1,16,4)"]


@pytest.mark.parametrize("name", ["tinynas-k1kxk1", "tinynas-k1dwk1"])
def test_widths_keep_to_the_order_of_a_space(name: str) -> None:
    for _, genes in walk(name, 200):
        blocks = parse("".join(gene.text for gene in genes)).blocks
        for before, block in itertools.pairwise(blocks):
            if block is blocks[-1] and name == "tinynas-k1dwk1":
                continue
            assert block.in_channels <= block.out_channels <= 4 * block.in_channels
            assert before.out_channels == block.in_channels


def test_a_shrunk_candidate_costs_less_until_nothing_is_left() -> None:
    space = load_space("zennas-resnet")
    mutator, draw = Mutator(space, GenePool()), Random(1).random
    counter = Counter(Setting(Shape(3, 32, 32), 100))
    genes, last = mutator.starts[0], counter.costs(mutator.starts[0])
    while (smaller := mutator.shrink(genes, draw, depth=False)) != genes:
        costs = counter.costs(smaller)
        assert costs is not None
        assert last is not None
        assert costs.params < last.params
        genes, last = smaller, costs
    assert all(gene.width_out == 8 for gene in genes)


def test_crossover_keeps_the_resolution() -> None:
    mutator, draw = Mutator(load_space("zennas-resnet"), GenePool()), Random(2).random
    one = two = mutator.starts[0]
    for _ in range(30):
        one, two = mutator.mutate(one, draw, blocks=2), mutator.mutate(two, draw, blocks=2)
        child = parse("".join(gene.text for gene in mutator.crossover(one, two, draw)))
        assert child.totals(Shape(3, 32, 32))[-1].out_shape.height == 4


def test_mutation_depends_on_the_random_numbers_alone() -> None:
    first = [tuple(gene.text for gene in genes) for _, genes in walk("zennas-mobile", 50, seed=3)]
    assert first == [tuple(gene.text for gene in genes) for _, genes in walk("zennas-mobile", 50, seed=3)]
    assert first != [tuple(gene.text for gene in genes) for _, genes in walk("zennas-mobile", 50, seed=4)]


def test_a_block_that_pins_its_input_pins_the_width_before_it() -> None:
    space = load_space(
        {
            "name": "pinned",
            "start": "SuperConvK3BNRELU(3,16,1,1)ResBlock(ConvKX(16,16,3,1)BN(16))RELU(16)",
            "blocks": [{"names": ["SuperConvK3BNRELU"], "change": {"out_channels": {"factors": [2, 1, 0.5]}}}],
        }
    )
    mutator, draw = Mutator(space, GenePool()), Random(0).random
    for _ in range(20):
        assert mutator.mutate(mutator.starts[0], draw) == mutator.starts[0]


BROKEN = """\
name: mine
start: SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,1)
blocks:
  - names: [SuperResK3K3, SuperResK4K4]
    change:
      out_chanels: {factors: [2, 0.5]}
      sub_layers: {add: [-1, 1], factors: [2]}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BROKEN, ["mine.yaml:7:", "one of factors, add, values and ratios is needed, 2 are given"]),
        (
            BROKEN.replace(", factors: [2]", ""),
            ["mine.yaml:4:27", "unknown block SuperResK4K4", "did you mean SuperResK"],
        ),
        (BROKEN.replace(", factors: [2]", ""), ["mine.yaml:6:7", "has no such argument", "did you mean out_channels?"]),
        ("nam: x\n", ["mine.yaml:1:1", "unknown key", "did you mean name?"]),
        ("name: x\nstart: SuperConvK3BNRELU(3,16,1,\nblocks: [{names: ['Super*'], become: []}]\n", ["mine.yaml:2:8"]),
        ("name: x\nstart: RELU(3)\nblocks: [{names: [RELU]}]\n", ["no block of the start structure may change"]),
        (
            "name: x\nstart: SuperResK3K3(3,8,1,8,1)\nblocks: [{names: [SuperResK3K3, SuperResK1KX]}]\npositions: [{at: 4}]\n",
            ["take different arguments", "mine.yaml:4:18", "there is no block 4"],
        ),
        (
            "name: x\nstart: SuperResK3K3(3,8,1,8,1)\nblocks: [{names: [SuperResK3K3, SuperResK5K5]}]\nlimits: {mac: 1}\n",
            ["mine.yaml:4:10", "is no budget", "did you mean macs?"],
        ),
    ],
)
def test_mistakes_are_shown_where_they_stand(text: str, expected: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_space("mine.yaml")
    for part in expected:
        assert part in str(error.value)


def test_an_unknown_space_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean zennas-mobile"):
        load_space("zennas-mobil")


def test_the_commands() -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["space", *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    assert [line.split()[0] for line in run("list").splitlines()] == SPACES
    assert "may change: kind: 6 names, out_channels" in run("check", "zennas-resnet")
    assert run("show", "zennas-mobile") == load_space("zennas-mobile").dump()
    lines = [json.loads(line) for line in run("sample", "zennas-resnet", "-n", "3", "--json").splitlines()]
    assert len(lines) == 3
    assert run("sample", "zennas-resnet", "-n", "3").splitlines() == [line["structure"] for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        "SuperConvK3BNRELU(3,8,1,1)",
        "{'best_structures': [[{'class': 'ConvKXBNRELU', 'in': 3, 'k': 3, 'out': 8, 's': 2}]]}",
    ],
)
def test_a_file_that_holds_a_network_is_named_as_that(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.txt").write_text(text)
    with pytest.raises(
        UsageError, match=r"net.txt holds a network, and no search space; accepted: a file with the network"
    ):
        load_space(tmp_path / "net.txt")


def test_the_spaces_on_the_page_are_spaces(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
    written = [text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if text.startswith("name:")]
    for number, text in enumerate(written):
        (tmp_path / f"{number}.yaml").write_text(text)
        assert load_space(str(tmp_path / f"{number}.yaml")).name in text
    assert len(written) >= 3
