"""The language: what is read, what is refused, and how it is said."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainnet import Limits, StructureError, parse
from plainnet.blocks import PlainNetBasicBlockClass, ResBlock, SuperResBasic
from plainnet.blocks.formats.formatting import pretty
from plainnet.network.published import published_networks

PUBLISHED = list(published_networks().values())
SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)"

VALID = {
    # text -> canonical form
    "ConvKX(3, 8, 3, 1)": "ConvKX(3,8,3,1)",
    "Sequential(ConvKX(3,8,3,1)BN(8))": "Sequential(ConvKX(3,8,3,1)BN(8))",
    "Sequential(ConvKX(3,8,3,1)BN(8))RELU(8)": "Sequential(ConvKX(3,8,3,1)BN(8))RELU(8)",
    "ResBlock(8,1,ConvKX(a|8,8,3,1)BN(8))": "ResBlock(8,1,ConvKX(a|8,8,3,1)BN(8))",
    "ResBlock(8,1,MultiSumBlock(m|ConvKX(8,8,1,1);ConvKX(8,8,3,1)BN(8)))": (
        "ResBlock(8,1,MultiSumBlock(m|ConvKX(8,8,1,1);ConvKX(8,8,3,1)BN(8)))"
    ),
    "ResBlock(ConvKX(8,16,3,2)BN(16))": "ResBlock(8,2,ConvKX(8,16,3,2)BN(16))",
    "ResBlockProj(8,ConvKX(8,8,3,1)BN(8))": "ResBlockProj(8,1,ConvKX(8,8,3,1)BN(8))",
    "MultiCatBlock(ConvKX(3,8,1,1);ConvKX(3,4,3,1)BN(4)RELU(4))BN(12)": (
        "MultiCatBlock(ConvKX(3,8,1,1);ConvKX(3,4,3,1)BN(4)RELU(4))BN(12)"
    ),
    "AdaptiveAvgPool(64,2)": "AdaptiveAvgPool(64,2)",
    "SiLU(8)": "Swish(8)",
    "ConvKXG32(64,64,3,1)": "ConvKXG32(64,64,3,1)",
    "ConvKXG5(10,15,3,1)": "ConvKXG5(10,15,3,1)",
    "Dropout(8,0.2)Dropout(8,1)Dropout(8,0)": "Dropout(8,0.2)Dropout(8,1)Dropout(8,0)",
    "ConvKX(3,8,3,1) # the stem\n\n  BN( 8 )\tRELU(8)": "ConvKX(3,8,3,1)BN(8)RELU(8)",
    "SuperResIDWE2K3(8,16,2,24,1)": "SuperResIDWE2K3(8,16,2,24,1)",
    # the expansion that the authors print, with their wrong annotation of an activation
    "ResBlockProj(8,2,ConvKX(8,48,1,1)BN(48)RELU(48)ConvDW(48,3,2)BN(48)RELU(48)ConvKX(48,24,1,1)BN(24))RELU(16)"
    "ResBlock(24,1,ConvKX(24,32,1,1)BN(32)RELU(32)ConvDW(32,3,1)BN(32)RELU(32)ConvKX(32,16,1,1)BN(16))RELU(16)": (
        "ResBlockProj(8,2,ConvKX(8,48,1,1)BN(48)RELU(48)ConvDW(48,3,2)BN(48)RELU(48)ConvKX(48,24,1,1)BN(24))RELU(16)"
        "ResBlock(24,1,ConvKX(24,32,1,1)BN(32)RELU(32)ConvDW(32,3,1)BN(32)RELU(32)ConvKX(32,16,1,1)BN(16))RELU(16)"
    ),
}

INVALID = {
    # text -> (part of the message, what the caret points at)
    "": ("the structure is empty", ""),
    "  # nothing\n": ("the structure is empty", ""),
    "SuperResK3K4(8,16,1,8,1)": ("unknown block SuperResK3K4", "SuperResK3K4"),
    "ConvKX(3,8,3,1)BN(16)": ("BN takes 16 channels and gets 8", "BN(16)"),
    "ConvKX(3,8,3)": ("ConvKX takes 4 numbers and gets 3", "ConvKX(3,8,3)"),
    "ConvKX(3,8,3,1,1)": ("ConvKX takes 4 numbers and gets 5", "ConvKX(3,8,3,1,1)"),
    "ConvKX(0,8,3,1)": ("in_channels is 0", "0"),
    "ConvKX(-3,8,3,1)": ("in_channels is -3", "-3"),
    "ConvKX(3.5,8,3,1)": ("in_channels is 3.5", "3.5"),
    "ConvKX(3,9999999999999999999999999,3,1)": ("out_channels is 99999999999999999999...", "9999999999999999999999999"),
    "SuperResK3K3(8,16,1,8,0)": ("sub_layers is 0", "0"),
    "ConvKX(3,8,3,1": ("the parenthesis of ConvKX is never closed", "("),
    "ConvKX(3,8,3,1))": ("unmatched )", ")"),
    "ConvKX": ("ConvKX is not followed by (", "ConvKX"),
    "ConvKX()": ("ConvKX takes 4 numbers and gets 0", "ConvKX()"),
    "ConvKX(3,,8,3,1)": ("an argument is missing before this comma", ","),
    "ConvKX(3 8,3,1)": ("a comma is missing", "8"),
    "ConvKX(3,8,3,1,)": ("an argument is missing after the last comma", ","),
    "ConvKX(1e3,8,3,1)": ("'1e3' is no number", "1e3"),
    "ConvKX(٣,8,3,1)": ("'٣' is no number", "٣"),
    "@ConvKX(3,8,3,1)": ("unexpected '@ConvKX'", "@ConvKX"),
    "ResBlock(8,1,)": ("an argument is missing after the last comma", ","),
    "ResBlock(8,1)": ("ResBlock has an empty body", "ResBlock(8,1)"),
    "Sequential()": ("Sequential has an empty body", "Sequential()"),
    "MultiSumBlock(ConvKX(3,8,1,1);)": ("MultiSumBlock has an empty branch", "MultiSumBlock(ConvKX(3,8,1,1);)"),
    "Sequential(BN(8);BN(8))": ("holds one sequence of blocks", "Sequential(BN(8);BN(8))"),
    "ConvKX(3,8,3,1,BN(8))": ("ConvKX holds no blocks", "ConvKX(3,8,3,1,BN(8))"),
    "BN(8 RELU(8))": ("BN holds no blocks", "BN(8 RELU(8))"),
    "ConvKXG3(8,9,3,1)": ("3 groups do not divide 8 and 9 channels evenly", "ConvKXG3(8,9,3,1)"),
    "SuperResK1KX(8,8,3,3,8,1)": ("stride is 3", "SuperResK1KX(8,8,3,3,8,1)"),
    "Dropout(8,1.5)": ("probability is 1.5", "1.5"),
    "PlainNetBasicBlockClass(3,8,1)": ("unknown block PlainNetBasicBlockClass", "PlainNetBasicBlockClass"),
    "ResBlock(8,ConvKX(8,8,3,1)BN(16))": ("BN takes 16 channels and gets 8", "BN(16)"),
    "ResBlock(8,ConvKX(16,8,3,1))": ("ConvKX takes 16 channels and gets 8", "ConvKX(16,8,3,1)"),
}


@pytest.mark.parametrize("text", VALID)
def test_valid_texts_are_read_and_print_their_canonical_form(text: str) -> None:
    structure = parse(text)
    assert str(structure) == VALID[text]
    assert parse(str(structure)) == structure
    assert parse(pretty(structure)) == structure
    assert str(parse(pretty(structure))) == str(structure)


@pytest.mark.parametrize("text", INVALID)
def test_invalid_texts_say_what_and_where(text: str) -> None:
    message, pointed = INVALID[text]
    with pytest.raises(StructureError) as caught:
        parse(text)
    problem = next(problem for problem in caught.value.problems if message in problem.message)
    assert text[problem.start : problem.end] == pointed


def test_the_message_has_a_caret_the_accepted_form_and_the_nearest_name() -> None:
    with pytest.raises(StructureError) as caught:
        parse("SuperConvK3BNRELU(3,8,1,1)SuperResK3K4(8,16,1,8,1)")
    assert str(caught.value).splitlines() == [
        "unknown block SuperResK3K4 at column 27",
        "    SuperConvK3BNRELU(3,8,1,1)SuperResK3K4(8,16,1,8,1)",
        "                              ^^^^^^^^^^^^",
        "    did you mean SuperResK3K3?",
    ]


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        ("SuperResK3K4", ["did you mean SuperResK3K3?"]),
        ("SuperGhostK3K3", ["did you mean SuperResK3K3?", "--blocks FILE"]),
        ("Ghost", ["`plainnet blocks` lists", "--blocks FILE"]),
    ],
)
def test_an_unknown_block_that_is_no_slip_may_be_the_users(name: str, hints: list[str]) -> None:
    with pytest.raises(StructureError) as caught:
        parse(f"{name}(8,16,1,8,1)")
    (problem,) = caught.value.problems
    assert len(problem.hints) == len(hints)
    assert all(hint in said for hint, said in zip(hints, problem.hints, strict=True))


def test_several_problems_are_reported_together() -> None:
    with pytest.raises(StructureError) as caught:
        parse("SuperKonvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8)ConvKX(3,0,3,1)")
    assert [problem.message.split(" at ")[0] for problem in caught.value.problems] == [
        "unknown block SuperKonvK3BNRELU",
        "SuperResK3K3 takes 5 numbers and gets 4",
        "ConvKX: out_channels is 0",
    ]
    with pytest.raises(StructureError) as caught:
        parse("ConvKX(3,8,3,1)BN(9)ConvKX(10,8,3,1)")
    assert len(caught.value.problems) == 2


def test_in_a_text_of_several_lines_the_line_is_named() -> None:
    with pytest.raises(StructureError, match="at line 3, column 3"):
        parse("ConvKX(3,8,3,1)\n# a comment\n  BM(8)")


@pytest.mark.parametrize(
    "text",
    [
        "Sequential(" * 100_000,
        "(" * 100_000,
        ")" * 100_000,
        "A(" * 50 + ")" * 50,
        "," * 100_000,
        "9" * 100_000,
        "ConvKX(" + "9," * 100_000,
    ],
    ids=["nested", "open", "closed", "deep", "commas", "digits", "numbers"],
)
def test_hostile_texts_are_refused_quickly(text: str) -> None:
    with pytest.raises(StructureError):
        parse(text)


def test_nesting_is_limited() -> None:
    parse("Sequential(" * 32 + "BN(8)" + ")" * 32)
    with pytest.raises(StructureError, match="nested more than 32 deep"):
        parse("Sequential(" * 33 + "BN(8)" + ")" * 33)


@pytest.mark.parametrize(
    "text",
    [
        "ConvKX(3,8,3,1)Sequential(BN(8)?RELU(8))",
        "ConvKX(3,8,3,1)Sequential(BN(8)Sequential(RELU(8),))BN(8",
        "ConvKX(3,8,3,1)MultiSumBlock(BN(8);Sequential(RELU(8)BN(9)))",
        "ConvKX(3,8,3,1)Sequential(From(a)BN(8))",
        "ConvKX(3,8,3,1)Sequential(BN(8)#)\n)Sequential(BN(8)RELU(8)))",
        f"{'Sequential(' * 20}{'Sequential(' * 20}BN(8){')' * 40}",
    ],
)
def test_what_is_known_of_the_blocks_inside_hides_nothing(text: str) -> None:
    """Blocks that hold blocks are remembered by their text: what is wrong is said the second time, too."""
    parse("Sequential(BN(8)RELU(8))MultiSumBlock(BN(8);RELU(8))")
    parse(f"{'Sequential(' * 20}BN(8){')' * 20}")
    messages = []
    for _ in range(2):
        with pytest.raises(StructureError) as caught:
            parse(text)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_what_no_machine_could_build_is_refused_before_anything_is_allocated() -> None:
    with pytest.raises(StructureError, match=r"1,046,529,000,000,000,000 parameters are more than the limit"):
        parse("ConvKX(1000000,1000000,1023,1)")
    with pytest.raises(StructureError, match="10,001 layers are more than the limit of 10,000"):
        parse("SuperConvK3BNRELU(3,8,1,10000)SuperConvK3BNRELU(8,8,1,1)")
    parse("SuperConvK3BNRELU(3,8,1,10000)SuperConvK3BNRELU(8,8,1,1)", limits=Limits(max_layers=20_000))


@pytest.mark.parametrize("network", PUBLISHED, ids=lambda network: network.name)
def test_published_strings_round_trip(network) -> None:  # type: ignore[no-untyped-def]
    assert str(parse(network.text)) == network.text


def test_labels_are_printed_but_are_no_part_of_what_a_structure_is() -> None:
    named, bare = parse("ConvKX(stem|3,8,3,1)BN(8)"), parse("ConvKX(3,8,3,1)BN(8)")
    assert named == bare
    assert named.hash == bare.hash
    assert named.blocks[0].label == "stem"
    assert str(named) == "ConvKX(stem|3,8,3,1)BN(8)"


def test_the_hash_is_the_same_everywhere() -> None:
    assert parse(SMALL).hash == "862a8a901201"
    assert parse(SMALL).hash == parse(SMALL.replace("(", " ( ")).hash
    assert parse(SMALL).hash != parse(SMALL.replace("16", "24")).hash


def test_blocks_are_values_that_can_be_made_without_a_string() -> None:
    block = SuperResBasic(8, 16, 1, 8, 2, kernel_size=3, second_kernel_size=3)
    assert str(block) == "SuperResK3K3(8,16,1,8,2)"
    assert block.replace(out_channels=32).out_channels == 32
    assert block == parse("SuperResK3K3(8,16,1,8,2)").blocks[0]
    with pytest.raises(StructureError, match="stride is 0"):
        block.replace(stride=0)
    with pytest.raises(StructureError, match="holds no block"):
        ResBlock(8, 1, ())


def test_the_contract_that_users_of_the_field_know() -> None:
    block, rest = PlainNetBasicBlockClass.create_from_str("SuperResK3K3(8,16,2,8,1)BN(16)")
    assert (str(block), rest) == ("SuperResK3K3(8,16,2,8,1)", "BN(16)")
    assert SuperResBasic.is_instance_from_str("SuperResK5K5(8,16,2,8,1)BN(16)")
    assert not SuperResBasic.is_instance_from_str("BN(16)")
    assert block.get_output_resolution(33) == 17
    assert block.get_FLOPs(8) == 4 * 4 * (8 * 8 * 9 + 8 * 16 * 9 + 8 * 16)
    assert block.get_model_size() == 8 * 8 * 9 + 16 + 8 * 16 * 9 + 32 + (8 * 16 + 16) + 32
    assert block.set_input_channels(24).in_channels == 24
    with pytest.raises(StructureError, match="BN is no SuperResBasic"):
        SuperResBasic.create_from_str("BN(8)")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_text_gives_a_structure_or_a_structure_error(text: str) -> None:
    try:
        structure = parse(text)
    except StructureError as error:
        assert str(error)
    else:
        assert parse(str(structure)) == structure


@pytest.mark.parametrize("seed", range(4))
def test_one_wrong_character_gives_a_structure_or_a_structure_error(seed: int) -> None:
    rng = random.Random(seed)
    texts = [network.text for network in PUBLISHED] + list(VALID)
    alphabet = "SuperConvK3BNRELU(),;|0123456789 \n#-.é\x00"
    for _ in range(400):
        text = rng.choice(texts)
        place = rng.randrange(len(text))
        edit = rng.choice(["", rng.choice(alphabet), text[place] + rng.choice(alphabet)])
        corrupt = text[:place] + edit + text[place + 1 :]
        try:
            structure = parse(corrupt)
        except StructureError as error:
            assert str(error)
            assert all(0 <= problem.start <= problem.end <= len(corrupt) for problem in error.problems)
        else:
            assert parse(str(structure)) == structure


def test_only_strings_are_texts() -> None:
    with pytest.raises(TypeError, match="not int"):
        parse(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["Dropout(3,0.00001)", "Dropout(3,0.123456789)"])
def test_small_numbers_round_trip(text: str) -> None:
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize("stride", range(1, 9))
def test_a_residual_block_knows_the_stride_of_its_blocks(stride: int) -> None:
    assert parse(f"ResBlock(ConvKX(3,8,3,{stride})MaxPool(8,3,3))").blocks[0].stride == 3 * stride  # type: ignore[attr-defined]


def test_a_long_word_is_no_hang() -> None:
    with pytest.raises(StructureError, match="AAA"):
        parse("A" * 900_000)
    with pytest.raises(StructureError, match="5,000,000 characters; accepted: at most 1,000,000"):
        parse("A" * 5_000_000)


def test_many_problems_are_cut_short() -> None:
    with pytest.raises(StructureError) as caught:
        parse("Nothing(1)" * 4000)
    assert len(caught.value.problems) == 20
    with pytest.raises(StructureError) as caught:
        parse("ConvKX(3,8,1,1)" * 4000)
    assert len(caught.value.problems) == 20


def test_branches_that_cannot_be_added_are_found_without_a_size() -> None:
    with pytest.raises(StructureError, match="the branches of MultiSumBlock put out 8 and 9 channels"):
        parse("MultiSumBlock(ConvKX(3,8,3,1);ConvKX(3,9,3,1))")


def test_what_depends_on_the_size_is_limited_when_the_size_is_known() -> None:
    from plainnet import PlainNet, analyze_model

    text = "Sequential(Flatten(3)Linear(150528,100000000,0))"
    with pytest.raises(StructureError, match="15,052,800,000,000 parameters are more than the limit"):
        analyze_model(text, latency=False, zen=False)
    with pytest.raises(StructureError, match="parameters are more than the limit"):
        PlainNet(text)


def test_raised_limits_are_copied() -> None:
    import copy
    import pickle

    big = parse("SuperConvK3BNRELU(3,8,1,10000)SuperConvK3BNRELU(8,8,1,1)", limits=Limits(max_layers=20_000))
    assert copy.deepcopy(big) == pickle.loads(pickle.dumps(big)) == big


def test_input_channels_can_be_set_everywhere() -> None:
    changed = {
        "SE(8)": "SE(4)",
        "Linear(8,3,1)": "Linear(4,3,1)",
        "BN(8)": "BN(4)",
        "Sequential(BN(8)RELU(8)ConvKX(8,16,3,1)BN(16))": "Sequential(BN(4)RELU(8)ConvKX(4,16,3,1)BN(16))",
        "ResBlock(8,1,BN(8))": "ResBlock(4,1,BN(4))",
        "MultiSumBlock(ConvKX(8,8,1,1);ConvKX(8,8,3,1))": "MultiSumBlock(ConvKX(4,8,1,1);ConvKX(4,8,3,1))",
    }
    for before, after in changed.items():
        assert str(parse(before).blocks[0].set_input_channels(4)) == after


def test_numbers_of_numpy_are_numbers() -> None:
    import numpy as np

    assert (
        str(SuperResBasic(np.int64(8), 16, 1, 8, 2, kernel_size=3, second_kernel_size=3)) == "SuperResK3K3(8,16,1,8,2)"
    )


def test_a_residual_block_of_unknown_channels_says_what_to_write() -> None:
    with pytest.raises(StructureError, match=r"nothing says how many channels come in; write ResBlock\(in_channels"):
        parse("ResBlock(RELU(3))")


def test_reading_the_front_of_a_text_never_fails_otherwise() -> None:
    with pytest.raises(StructureError):
        PlainNetBasicBlockClass.create_from_str("Sequential(" * 60)


@pytest.mark.parametrize("filler", ["\n" * 4000, "#" * 4000, " \n#" * 2000, "#\n" * 2000, "a-" * 2000, "8" * 4000])
@pytest.mark.parametrize("head", ["From(a", "SuperResKXKX(8", "Outputs(p,q", "A(b"])
def test_no_text_is_tried_twice(head: str, filler: str) -> None:
    """Blanks, comments and words that end in nothing are read once, whatever follows them; once they took for ever."""
    for tail in "(;x|,":
        with pytest.raises(StructureError):
            parse(head + filler + tail)
