"""`analyze_model` and `score` as the front door: names, texts in any form, variants, and no work for what is known."""

from __future__ import annotations

import pytest

import plainnet
from plainnet import StructureError, UsageError, Variant
from plainnet.blocks.rows import walk
from plainnet.network.published import published_networks

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
    with pytest.raises(UsageError, match="different resolutions"):
        plainnet.score_all(["resnet18", "zennet_cifar_model_size1M_res32"], "params")
    with pytest.raises(StructureError, match="did you mean resnet18"):
        plainnet.score("resnet81", "params")
    with pytest.raises(UsageError, match="a structure string, a name, or an nn"):
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
