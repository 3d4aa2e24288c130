"""`analyze_model` and `score` as the front door: names, texts in any form, variants, and no work for what is known."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: F401 (part of the records of machines: imported before the first of them)

import plainnet
from plainnet import StructureError, UsageError, Variant
from plainnet.blocks import network_table, registry, structure
from plainnet.blocks.rows import walk
from plainnet.blocks.rows.limits import Limits
from plainnet.blocks.rows.shapes import Shape
from plainnet.blocks.user import load_blocks
from plainnet.naming import entries
from plainnet.network.published import published_networks
from plainnet.proxies import contract

SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)"
TINYNAS = "[{'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3, 'nbitsA': 8, 'nbitsW': 8}]"


def analyzed(network: str, **options: object) -> plainnet.profiler.analysis.Analysis:  # type: ignore[name-defined]
    return plainnet.analyze_model(network, latency=False, zen=False, **options)


@pytest.mark.parametrize("name", ["resnet18", "zennet_cifar_model_size1M_res32", "maedet_s"])
def test_names_are_scored_as_they_were_published(name: str) -> None:
    network = published_networks()[name]
    score = plainnet.score(name, "params")
    assert score.mean == plainnet.score(network.text, "params", num_classes=network.num_classes).mean
    assert score.settings["resolution"] == network.resolution
    assert score.structure == network.structure.text
    assert plainnet.score(name, "macs").mean == analyzed(name, num_classes=0).macs
    assert plainnet.score(name, "zen", resolution=32).mean == plainnet.score(network.text, "zen", resolution=32).mean


def test_names_of_different_settings_need_one_for_all() -> None:
    with pytest.raises(UsageError, match=r"different (sizes|resolutions)"):
        plainnet.score_all(["resnet18", "zennet_cifar_model_size1M_res32"], "params")
    with pytest.raises((StructureError, UsageError), match="did you mean resnet18"):
        plainnet.score("resnet81", "params")
    with pytest.raises((TypeError, UsageError), match="a structure string, "):
        plainnet.score(3, "params")


def test_texts_in_other_forms_are_analysed_and_scored() -> None:
    assert analyzed(TINYNAS).structure == "ConvKXBNRELU(3,32,3,2)"
    assert "in full precision" in analyzed(TINYNAS).notes[0]
    score = plainnet.score(TINYNAS, "zen", resolution=32)
    assert score.structure == "ConvKXBNRELU(3,32,3,2)"
    assert "in full precision" in score.notes[0]
    assert analyzed(f"'{SMALL}',").hash == plainnet.parse(SMALL).hash


OPTIONS = [
    {"use_se": True},
    {"no_reslink": True},
    {"no_bn": True},
    {"activation": "silu"},
    {"use_se": True, "no_bn": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_variant_has_one_form_everywhere(options: dict[str, object]) -> None:
    variant = Variant(**options)  # type: ignore[arg-type]
    by_name, by_value = (analyzed(SMALL, num_classes=0, **extra) for extra in (options, {"variant": variant}))
    assert by_name == by_value
    assert by_name.variant == options
    scores = [plainnet.score(SMALL, "params", resolution=32, **extra) for extra in (options, {"variant": variant})]  # type: ignore[arg-type]
    assert [score.mean for score in scores] == [by_name.params] * 2
    assert scores[0].settings["network"] == options


def test_a_variant_given_twice_or_wrongly_is_refused() -> None:
    with pytest.raises(UsageError, match="accepted: one of the two"):
        analyzed(SMALL, variant=Variant(no_bn=True), use_se=True)
    with pytest.raises(UsageError, match="accepted: a plainnet"):
        analyzed(SMALL, variant="use_se")
    with pytest.raises(UsageError, match="params has no option 'variant'"):
        plainnet.score(SMALL, "params", variant="use_se")
    assert plainnet.score(SMALL, "zen", variant="zennas", resolution=32).settings["variant"] == "zennas"


@pytest.mark.parametrize("size", [32, (33, 47)], ids=str)
def test_what_is_known_is_not_worked_out_again(size: int | tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    first = analyzed(SMALL, resolution=size), plainnet.score(SMALL, "zen", resolution=size).mean

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a known string is walked again: {arguments}")

    for name in ("sequence", "leaf", "block"):
        monkeypatch.setattr(walk._Walker, name, refuse)
    assert (analyzed(SMALL, resolution=size), plainnet.score(SMALL, "zen", resolution=size).mean) == first
    with pytest.raises(AssertionError, match="walked again"):
        analyzed(SMALL.replace("16", "24"), resolution=size)


def test_results_share_nothing_that_a_user_can_change() -> None:
    first, second = analyzed(SMALL), analyzed(SMALL)
    first.blocks[0].operations["norm_ops"] = -1
    first.operations.clear()
    first.blocks[0].in_shape.append(7)
    first.machine.clear()
    assert second == analyzed(SMALL)
    assert second.machine
    assert second.blocks[0].operations["norm_ops"] > 0


def test_scores_share_nothing_that_a_user_can_change() -> None:
    first, second = (plainnet.score(SMALL, "zen", resolution=32, use_se=True) for _ in range(2))
    first.settings["network"].clear()
    first.settings.clear()
    assert second.settings["network"] == {"use_se": True}
    assert plainnet.score(SMALL, "zen", resolution=32, use_se=True).settings == second.settings


OWN = """
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels
from plainnet.blocks.rows.layers import Act, Conv, Norm

class FrontDoorBlock(PlainNetBasicBlockClass):
    in_channels: Channels
    out_channels: Channels

    def layers(self):
        return (Conv(self.out_channels, {kernel}, 1), Norm(), Act("relu"))
"""


@pytest.fixture(scope="module")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all: a second one that defines the same block is refused."""
    return tmp_path_factory.mktemp("own") / "own.py"


def forget() -> None:
    """As in a fresh process: whatever is remembered of blocks is thrown away."""
    for listener in registry._listeners:
        listener()


def answers(network: Any, **options: Any) -> list[Any]:
    size = {"resolution": options.pop("resolution", 16)}
    analysis = plainnet.analyze_model(network, latency=False, zen=False, **size, **options)
    scores = [
        plainnet.score(network, proxy, **size, **options)
        for proxy in ("zen", "composite", "depth", "params", "macs", "madnas", "residual_sensitivity")
    ]
    counted = dataclasses.replace(analysis, network=None)  # how it was named is another matter
    return [counted, *[(score.proxy, score.mean, score.settings, score.structure) for score in scores]]


@pytest.mark.parametrize(
    "text",
    ["FrontDoorBlock(3,8)", "ResBlockProj(3,1,FrontDoorBlock(3,8))", "SuperConvK3BNRELU(3,8,1,1)FrontDoorBlock(8,8)"],
)
def test_a_block_that_is_defined_again_is_what_it_is_now(text: str, own_file: Path) -> None:
    file = own_file
    file.write_text(OWN.format(kernel=3))
    load_blocks(file)
    held = plainnet.parse(text)
    before = answers(text)
    assert answers(held) == before
    file.write_text(OWN.format(kernel=5))
    load_blocks(file)
    of_held, of_text = answers(held), answers(text)
    assert of_held == of_text
    assert of_text[0].params - before[0].params == 16 * 8 * (8 if "(8,8)" in text else 3)
    assert of_text[1] != before[1]
    assert [row.layer.kernel_size for row in held.rows(Shape(3, 16, 16)) if getattr(row.layer, "kernel_size", 3) == 5]
    net = plainnet.PlainNet(held, num_classes=1000)
    assert sum(each.numel() for each in net.parameters()) == of_text[0].params
    forget()
    assert answers(text) == of_text


def test_a_block_that_is_held_alone_does_not_answer_for_the_one_of_now(tmp_path: Path) -> None:
    file = tmp_path / "alone.py"
    file.write_text(OWN.format(kernel=3).replace("FrontDoorBlock", "HeldAlone"))
    load_blocks(file)
    (held,) = plainnet.parse("HeldAlone(3,8)").blocks
    file.write_text(OWN.format(kernel=5).replace("FrontDoorBlock", "HeldAlone"))
    load_blocks(file)
    assert held.get_FLOPs(8) == 9 * 3 * 8 * 64
    assert analyzed("HeldAlone(3,8)", resolution=8, num_classes=0).macs == 25 * 3 * 8 * 64
    assert held.get_FLOPs(8) == 9 * 3 * 8 * 64


def test_a_string_that_was_wrong_is_read_once_its_block_is_known(tmp_path: Path) -> None:
    text = "KnownLater(3,8)"
    for _ in range(2):
        with pytest.raises(StructureError, match="unknown block KnownLater"):
            analyzed(text)
    file = tmp_path / "later.py"
    file.write_text(OWN.format(kernel=3).replace("FrontDoorBlock", "KnownLater"))
    load_blocks(file)
    assert analyzed(text, num_classes=0).params == 9 * 3 * 8 + 16


SETTINGS: list[dict[str, Any]] = [*OPTIONS, {}, {"resolution": 17}, {"resolution": (17, 40)}]


def test_settings_in_turn_answer_as_each_alone() -> None:
    text = SMALL + "SuperResK1K3K1(32,48,2,8,1)"
    alone = []
    for options in SETTINGS:
        forget()
        alone.append(answers(text, **options))
    forget()
    for _ in range(2):
        assert [answers(text, **options) for options in SETTINGS] == alone
    assert [answers(text, **options) for options in reversed(SETTINGS)] == alone[::-1]
    for other in ({"num_classes": 10}, {"batch": 4}, {"dtype": "float16"}):
        known = analyzed(text, **other)
        forget()
        assert analyzed(text, **other) == known


def test_a_file_of_the_name_of_a_string_is_seen_when_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "SuperConvK3BNRELU(3,8,1,1)"
    first = analyzed(text, num_classes=0)
    Path(text).write_text("SuperConvK3BNRELU(3,16,1,1)")
    assert analyzed(text, num_classes=0).params == 2 * first.params
    Path(text).unlink()
    assert analyzed(text, num_classes=0) == first
    assert plainnet.resolve(text, drop_bits=True).structure == plainnet.parse(text)


def test_limits_and_labels_are_not_remembered_away() -> None:
    with pytest.raises(StructureError, match="more than the limit of 2"):
        analyzed(SMALL, limits=Limits(max_layers=2)) if analyzed(SMALL) else None
    labelled = SMALL.replace("(3,8", "(stem|3,8")
    assert (analyzed(SMALL).structure, analyzed(labelled).structure) == (SMALL, labelled)
    assert analyzed(SMALL).hash == analyzed(labelled).hash


def test_what_is_remembered_is_bounded() -> None:
    for width in range(1, 1200):
        plainnet.parse(f"ConvKX(3,{width},3,1)")
    assert len(structure._parsed) <= structure._parsed.limit
    held = plainnet.parse(SMALL)
    for size in range(8, 40):
        analyzed(held, resolution=size)
        analyzed(held, resolution=8, batch=size)
    assert held._tables is not None
    assert len(held._tables) <= structure.TABLES
    assert all(len(table._answers) <= network_table.ANSWERS for table in held._tables.values())


@pytest.mark.parametrize("num_classes", [None, 0, 10])
@pytest.mark.parametrize(
    "text",
    [
        "ConvKX(3,16,3,2)Flatten(16)Linear(1024,10,1)",
        "ConvKXBNRELU(3,16,3,2)AdaptiveAvgPool(16,1)Flatten(16)",
        "Flatten(3)Linear(768,4,0)BN(4)RELU(4)Dropout(4,0.5)Linear(4,3,1)",
        "ConvKX(3,8,3,2)MultiCatBlock(Flatten(8);Flatten(8)Linear(512,5,1))",
    ],
)
def test_a_network_that_ends_in_features_is_analysed(text: str, num_classes: int | None) -> None:
    result = plainnet.analyze_model(text, resolution=16, num_classes=num_classes, latency=False, zen=False)
    module = plainnet.PlainNet(text, resolution=16, num_classes=num_classes or 0)
    assert result.params == sum(each.numel() for each in module.parameters()) == sum(b.params for b in result.blocks)
    assert result.macs == sum(block.macs for block in result.blocks)
    assert [block.in_shape for block in result.blocks[1:]] == [block.out_shape for block in result.blocks[:-1]]
    assert result.output_shape == result.blocks[-1].out_shape


EXACT = [
    ("zen", {"resolution": 32}),
    ("zen", {"resolution": 32, "variant": "zennas"}),
    ("params", {"num_classes": 10, "use_se": True}),
    ("macs", {"resolution": 33, "no_reslink": True}),
    ("composite", {"resolution": 32}),
]


@pytest.mark.parametrize(("proxy", "settings"), EXACT, ids=str)
def test_a_score_that_is_remembered_is_that_which_is_worked_out(
    proxy: str, settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plainnet.score(SMALL, proxy, **settings)  # type: ignore[arg-type]
    (fresh,) = plainnet.score_all([SMALL], proxy, **settings)  # type: ignore[arg-type]
    with monkeypatch.context() as patched:
        patched.setattr(entries, "score_all", None)
        known = plainnet.score(SMALL, proxy, **settings)  # type: ignore[arg-type]
    assert replace(known, seconds=0.0) == replace(first, seconds=0.0) == replace(fresh, seconds=0.0)
    known.settings.clear()
    dict.update(first.settings["network"], use_se="?")
    known.parts["x"] = 1.0
    assert replace(plainnet.score(SMALL, proxy, **settings), seconds=0.0) == replace(fresh, seconds=0.0)  # type: ignore[arg-type]
    for other in ({**settings, "resolution": 47}, {**settings, "seed": 1}):
        again = plainnet.score(SMALL, proxy, **other)  # type: ignore[arg-type]
        assert replace(again, seconds=0.0) == replace(plainnet.score_all([SMALL], proxy, **other)[0], seconds=0.0)  # type: ignore[arg-type]


def test_a_score_is_remembered_of_one_reading_and_one_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text may come to name a file, and the name another function; a score that is drawn is drawn again."""
    monkeypatch.chdir(tmp_path)
    text = "SuperConvK3BNRELU(3,8,1,1)"
    assert plainnet.score(text, "params", num_classes=0).mean == 232
    Path(text).write_text("SuperConvK3BNRELU(3,16,1,1)")
    assert plainnet.score(text, "params", num_classes=0).mean == 464
    Path(text).unlink()
    assert plainnet.score(text, "params", num_classes=0).mean == 232
    monkeypatch.setitem(contract._registered, "params", contract.Proxy("params", lambda structure: 3.0))  # noqa: ARG005
    assert plainnet.score(text, "params", num_classes=0).mean == 3.0
    with pytest.raises(UsageError, match="has no option 'nothing'"):
        plainnet.score(text, "params", nothing=1)
