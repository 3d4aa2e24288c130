"""Values with a name: what is read, printed, refused and counted."""

from __future__ import annotations

import hashlib
import re
from random import Random

import pytest

from plainnet import PlainNetBasicBlockClass, PlainnetError, Structure, StructureError, parse
from plainnet.blocks import Blocks
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.rows.counts import Sums, add_rows
from plainnet.blocks.rows.layers import Layers, Norm, Repeat
from plainnet.blocks.rows.live_rows import Row, last_uses
from plainnet.blocks.rows.memory import peak_elements
from plainnet.blocks.rows.row_check import check_rows
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.testing.graphs import sample_graph

SHAPE = Shape(3, 33, 31)
SKIP = "ConvKX(stem|3,8,3,1)ConvKX(8,8,3,1)BN(8)RELU(8)ConvKX(8,8,3,1)MultiSumBlock(BN(8);From(stem))"


def drawn(seeds: range) -> list[str]:
    return [sample_graph(Random(seed), more=seed % 2 == 1) for seed in seeds]


def renamed(text: str, prefix: str) -> str:
    """The same network under other names, the unused ones among them."""
    labelled = re.sub(r"([\w.-]+)\|", rf"{prefix}\1|", text)
    taken = re.compile(r"(From|Outputs)\(([^)]*)\)")
    return taken.sub(
        lambda m: f"{m[1]}({','.join(name if name == 'in' else prefix + name for name in m[2].split(','))})", labelled
    )


@pytest.mark.parametrize("text", drawn(range(40)))
def test_a_graph_is_printed_as_it_was_written_and_is_the_same_under_other_names(text: str) -> None:
    structure = parse(text)
    assert str(structure) == text
    again = parse(str(structure))
    assert (again, again.hash, hash(again)) == (structure, structure.hash, hash(structure))
    other = parse(renamed(text, "n"))
    assert (other, other.hash, other.text) == (structure, structure.hash, structure.text)
    canonical = parse(structure.text)
    assert str(canonical) == canonical.text == structure.text
    assert Structure(structure.blocks) == structure


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (SKIP, SKIP.replace("8,8,3,1)BN", "second|8,8,3,1)BN").replace("From(stem)", "From(second)")),
        (SKIP, SKIP.replace("From(stem)", "From(in)")),
        ("ConvKX(a|3,8,3,1)ConvKX(b|8,8,3,1)Outputs(a,b)", "ConvKX(a|3,8,3,1)ConvKX(b|8,8,3,1)Outputs(b,a)"),
        ("ConvKX(a|3,8,3,1)ConvKX(b|8,8,3,1)Outputs(a,b)", "ConvKX(a|3,8,3,1)ConvKX(b|8,8,3,1)Outputs(b)"),
        ("ConvKX(a|3,8,3,1)Sequential(BN(a|8)From(a)RELU(8))", "ConvKX(a|3,8,3,1)Sequential(BN(8)From(a)RELU(8))"),
    ],
)
def test_another_value_makes_another_network(text: str, other: str) -> None:
    assert parse(text) != parse(other)
    assert parse(text).hash != parse(other).hash


def test_a_name_that_nothing_takes_is_no_part_of_the_network() -> None:
    assert parse(SKIP.replace("BN(8)R", "BN(unused|8)R")) == parse(SKIP)
    old = hashlib.blake2b(b"ConvKX(3,8,3,1)BN(8)", digest_size=6).hexdigest()
    assert parse("ConvKX(a|3,8,3,1)BN(b|8)").hash == parse("ConvKX(3,8,3,1)BN(8)").hash == old


WRONG = {
    "From(stem)BN(8)": ("there is no value stem", "From(stem)"),
    SKIP.replace("From(stem)", "From(sten)"): ("there is no value sten", "From(sten)"),
    SKIP + "ConvKX(8,8,3,1)From(last)BN(last|8)": ("last is put out here or later", "From(last)"),
    "Sequential(x|ConvKX(3,8,3,1)From(x))": ("x is put out here or later", "From(x)"),
    "ConvKX(3,8,3,1)Sequential(RELU(8)From(y))BN(y|8)": ("y is put out here or later", "From(y)"),
    "ConvKX(a|3,8,3,1)ConvKX(a|8,8,3,1)From(a)BN(8)": ("a is the name of two blocks", "From(a)"),
    "ConvKX(a|3,8,3,1)BN(a|8)Sequential(RELU(8)From(a))": ("a is the name of two blocks", "Sequential"),
    "ConvKX(in|3,8,3,1)From(in)ConvKX(3,8,3,1)": ("in is the name of a block and of what comes in", "From(in)"),
    "Sequential(ConvKX(x|3,8,3,1))From(x)BN(8)": ("x is a name inside of Sequential", "From(x)"),
    "ConvKX(3,8,3,1)MultiSumBlock(BN(q|8);From(q)RELU(8))": ("q is a name inside of MultiSumBlock", "From(q)"),
    "ConvKX(a|3,8,3,1)ConvKX(8,16,3,1)From(a)BN(16)": ("BN takes 16 channels and gets 8", "BN(16)"),
    "ConvKX(a|3,8,3,1)ConvKX(8,16,3,1)Sequential(From(a)BN(16))": ("BN takes 16 channels and gets 8", "BN(16)"),
    "ConvKX(a|3,8,3,1)ConvKX(8,9,3,1)MultiSumBlock(BN(9);From(a))": ("put out 8 and 9 channels", "MultiSumBlock"),
    "ConvKX(a|3,8,3,1)Outputs(a)BN(8)": ("Outputs is not the last block", "Outputs(a)"),
    "ConvKX(a|3,8,3,1)Sequential(BN(8)Outputs(a))": ("Outputs is not the last block", "Outputs(a)"),
    "ConvKX(a|3,8,3,1)Outputs(a,a)": ("a is put out twice", "Outputs(a,a)"),
    "ConvKX(a|3,8,3,1)Outputs(b)": ("there is no value b", "Outputs(b)"),
    "From()": ("From takes the name of one value", "From()"),
    "From(a,b)": ("From takes the name of one value", "From(a,b)"),
    "ConvKX(a|3,8,3,1)From(BN(8))": ("From takes the name of one value", "From(BN(8))"),
    "Outputs()": ("Outputs takes the names of values", "Outputs()"),
    "ConvKX(3,8,three,1)": ("'three' is no number", "three"),
    "Sequential(ConvKX,BN(8))": ("ConvKX is not followed by (", "ConvKX"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_name_is_an_error_with_its_place(text: str) -> None:
    message, place = WRONG[text]
    with pytest.raises(StructureError) as caught:
        parse(text)
    problem = caught.value.problems[0]
    assert message in problem.message
    assert text[problem.start : problem.end].startswith(place)


SLIPS = {
    "a|ConvKX(3,8,3,1)From(a)BN(8)": "as in ConvKX(a|3,16,3,1)",
    "a = ConvKX(3,8,3,1)From(a)BN(8)": "as in ConvKX(a|3,16,3,1)",
    "ConvKX(3,8,3,1|a)BN(8)": "the name first, as in ConvKX(name|...)",
    "ConvKX(a|3,8,3,1)MultiSumBlock(a;BN(8))": "which From(a) takes up",
    "ConvKX(a|3,8,3,1)BN(a)": "which From(a) takes up",
    "ConvKX(a|3,8,3,1)From('a')BN(8)": "names without quotes",
    "ConvKX(a|3,8,3,1)BN(8)Outputs(From(a))": "accepted: Outputs(name,name)",
    "ConvKX(a|3,8,3,1)MultiSumBlock(From(a,in))": "accepted: From(name)",
}
"""Ways to write names that people try -> what the error says of the right one."""


@pytest.mark.parametrize("text", SLIPS)
def test_a_name_in_the_wrong_place_is_one_error_that_says_the_right_one(text: str) -> None:
    with pytest.raises(StructureError) as caught:
        parse(text)
    assert len(caught.value.problems) == 1
    assert SLIPS[text] in str(caught.value)


def test_the_nearest_name_is_said() -> None:
    with pytest.raises(StructureError, match="did you mean stem") as caught:
        parse(SKIP.replace("From(stem)", "From(sten)"))
    assert "accepted: stem, in" in str(caught.value)
    with pytest.raises(StructureError, match=r"the shortcut|one branch") as caught:
        parse("ConvKX(a|3,8,3,1)ConvKX(8,8,3,2)MultiSumBlock(BN(8);From(a))").totals(SHAPE)
    assert caught.value.problems[0].start == 32


def test_an_open_block_alone_is_an_error_and_no_number() -> None:
    block = parse(SKIP).blocks[-1]
    assert block.taken_names == ("stem",)
    with pytest.raises(PlainnetError, match="stem"):
        block.get_model_size()
    with pytest.raises(PlainnetError, match="stem"):
        block.get_FLOPs(32)


VARIANTS = (PLAIN, Variant(no_bn=True), Variant(no_reslink=True), Variant(use_se=True, activation="silu"))


def simulated_peak(rows: list[Row], shape: Shape) -> int:
    """The peak by the book: every value is kept in a dictionary, and dropped when no later row takes it; images that no row takes
    at once.
    """
    alive = {-1: shape.elements} if any(-1 in row.inputs for row in rows) else {}
    peak = sum(alive.values())
    for number, row in enumerate(rows):
        dying = {v for v in row.inputs if all(v not in later.inputs for later in rows[number + 1 :])}
        size = row.out_shape.elements
        over = type(row.layer).__name__ in ("Norm", "Act", "Dropout", "Flatten", "Add", "Sum", "Scale")
        over = over and any(alive[v] == size for v in dying)
        peak = max(peak, sum(alive.values()) + (0 if over else size))
        alive[number] = size
        for value in dying:
            del alive[value]
    return peak


@pytest.mark.parametrize("start", [0, *[pytest.param(n, marks=pytest.mark.tail) for n in range(60, 3000, 60)]])
def test_every_question_counts_the_same_rows(start: int) -> None:
    for seed in range(start, start + 60):
        structure, variant = parse(sample_graph(Random(seed), more=seed % 2 == 1)), VARIANTS[seed // 2 % len(VARIANTS)]
        compact = structure.rows(SHAPE, variant=variant)
        rows = structure.rows(SHAPE, variant=variant, expand=True)
        totals = structure.totals(SHAPE, variant=variant)
        check_rows(rows, SHAPE, totals[-1].out_shape)
        assert not variant.no_bn or not any(isinstance(row.layer, Norm) and "gate" not in row.path for row in rows)
        assert max(part.peak_elements for part in totals) == simulated_peak(rows, SHAPE), structure
        assert peak_elements(compact, SHAPE) == simulated_peak(rows, SHAPE), structure
        counts = count_network(structure, SHAPE, num_classes=10, variant=variant)
        alone = (
            count_network(parse(f"Sequential({structure})"), SHAPE, num_classes=10, variant=variant)
            if not (structure.output_names)
            else counts
        )
        assert alone.sums._replace(layers=0) == counts.sums._replace(layers=0)
        assert alone.peak_elements == counts.peak_elements


def test_a_checker_that_shares_nothing_with_the_walk_finds_what_is_wrong() -> None:
    rows = parse(SKIP).rows(SHAPE, expand=True)
    out = rows[-1].out_shape
    check_rows(rows, SHAPE, out)
    wrong = {
        "no row before it": [rows[0]._replace(inputs=(3,)), *rows[1:]],
        "has the path": [*rows[:-1], rows[-1]._replace(path=rows[0].path)],
        "is written for": [rows[0]._replace(in_shape=Shape(4, 9, 9)), *rows[1:]],
        "is written to put out": [rows[0]._replace(out_shape=Shape(4, 9, 9)), *rows[1:]],
        "no row takes": [*rows[:-1], rows[-1]._replace(inputs=(0, 0))],
    }
    for message, table in wrong.items():
        with pytest.raises(AssertionError, match=message):
            check_rows(table, SHAPE, out)


def test_a_repeated_body_lets_the_values_live_that_are_taken_later() -> None:
    """What three sub-layers need at once while a value waits, in the compact table as in the expanded one."""
    for text in (
        "ConvKX(a|3,8,3,1)SuperConvK3BNRELU(8,8,1,4)MultiSumBlock(BN(8);From(a))",
        "SuperConvK3BNRELU(c|3,8,1,4)From(in)ConvKX(3,8,1,1)MultiSumBlock(BN(8);From(c))",
        "ConvKX(3,8,3,1)Sequential(SuperConvK3BNRELU(8,8,1,4)MultiSumBlock(BN(8);From(s))BN(8))".replace(
            "Sequential(", "Sequential(SuperResK3K3(s|8,8,1,8,3)"
        ),
    ):
        structure = parse(text)
        rows = structure.rows(SHAPE, expand=True)
        assert peak_elements(structure.rows(SHAPE), SHAPE) == simulated_peak(rows, SHAPE)


class Thrice(PlainNetBasicBlockClass):
    """Blocks, three times."""

    blocks: Blocks

    def num_layers(self) -> int:
        return 3 * sum(block.num_layers() for block in self.blocks)

    def layers(self) -> Layers:
        return (Repeat(3, self.blocks),)


@pytest.mark.parametrize(
    "body",
    [
        "ConvKX(8,8,3,1)RELU(8)",
        "Zero(8,1)ConvKX(8,8,3,1)",
        "From(in)ConvKX(8,8,3,1)",
        "ConvKX(8,8,3,1)From(a)BN(8)",
        "ConvKX(x|8,8,3,1)ConvKX(8,8,3,1)MultiSumBlock(BN(8);From(x))",
        "ConvKX(8,8,3,1)MultiSumBlock(BN(8);From(a))",
        "ConvKX(x|8,8,3,1)ConvKX(8,8,5,1)From(x)BN(8)",
        "MultiSumBlock(Zero(8,1)BN(8);ConvKX(8,8,3,1))",
        "Thrice(ConvKX(8,8,3,1)Zero(8,1)BN(8))",
        "Thrice(ConvKX(8,8,3,1)MultiSumBlock(BN(8);From(in)))",
    ],
)
def test_what_is_repeated_is_counted_as_often_as_it_runs(body: str) -> None:
    """In the compact table as in the expanded one: of runs that do not read the run before only the last one lives."""
    for start in ("ConvKX(a|3,8,3,1)BN(8)", "ConvKX(a|3,8,3,1)"):
        structure = parse(f"{start}Thrice({body})RELU(8)")
        rows, found = structure.rows(SHAPE, expand=True), structure.totals(SHAPE)
        assert add_rows(structure.rows(SHAPE)) == add_rows(rows)
        sums = Sums(*map(sum, zip(*(totals.sums for totals in found), strict=True)))
        assert list(sums._replace(layers=0)) == add_rows(rows)
        assert peak_elements(structure.rows(SHAPE), SHAPE) == simulated_peak(rows, SHAPE)
        assert max(totals.peak_elements for totals in found) == simulated_peak(rows, SHAPE)


def test_a_chain_of_ten_thousand_blocks_meets_no_limit_of_recursion() -> None:
    text = "ConvKX(a|3,4,1,1)" + "RELU(r|4)".replace("r|", "") * 9_990 + "MultiSumBlock(BN(4);From(a))"
    structure = parse(text)
    assert structure.text.startswith("ConvKX(v1|3,4,1,1)")
    counts = count_network(structure, Shape(3, 4, 4), num_classes=None)
    assert counts.sums.act_ops == 9_990 * 64
    assert last_uses([row.inputs for row in structure.rows(Shape(3, 4, 4))])[0] == 9_992


def test_what_nothing_depends_on_costs_nothing() -> None:
    live = "ConvKX(a|3,8,3,1)From(a)BN(8)"
    dead = "ConvKX(a|3,8,3,1)ConvKX(8,999,7,1)SuperResK3K3(999,64,2,64,2)From(a)BN(8)"
    shape = Shape(3, 32, 32)
    assert count_network(parse(dead), shape).sums == count_network(parse(live), shape).sums
    assert [part.sums.params for part in parse(dead).totals(shape)] == [216, 0, 0, 0, 16]
