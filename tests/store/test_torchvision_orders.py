"""State dicts of torchvision's names and orders find their places in the networks of the same name.

The names and shapes are written down here from the architectures, by their tables; the networks are written elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import plainnet
from plainnet.network.published import find_published
from plainnet.store.importing import Wanted, read_foreign
from plainnet.store.matching import match

Entry = tuple[str, tuple[int, ...]]


def conv(name: str, out: int, fan_in: int, kernel: int = 1, *, bias: bool = False) -> Iterator[Entry]:
    yield f"{name}.weight", (out, fan_in, kernel, kernel)
    if bias:
        yield f"{name}.bias", (out,)


def linear(name: str, out: int, features: int) -> Iterator[Entry]:
    yield f"{name}.weight", (out, features)
    yield f"{name}.bias", (out,)


def norm(name: str, channels: int) -> Iterator[Entry]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def conv_norm(name: str, out: int, fan_in: int, kernel: int = 1) -> Iterator[Entry]:
    yield from conv(f"{name}.0", out, fan_in, kernel)
    yield from norm(f"{name}.1", out)


def gate(name: str, channels: int, hidden: int) -> Iterator[Entry]:
    yield from conv(f"{name}.fc1", hidden, channels, bias=True)
    yield from conv(f"{name}.fc2", channels, hidden, bias=True)


def mobilenet_v2() -> Iterator[Entry]:
    yield from conv_norm("features.0", 32, 3, 3)
    channels, number = 32, 0
    for expansion, width, count in (
        (1, 16, 1),
        (6, 24, 2),
        (6, 32, 3),
        (6, 64, 4),
        (6, 96, 3),
        (6, 160, 3),
        (6, 320, 1),
    ):
        for _ in range(count):
            number += 1
            hidden, name = channels * expansion, f"features.{number}.conv"
            if expansion > 1:
                yield from conv_norm(f"{name}.0", hidden, channels)
            last = 2 if expansion > 1 else 1
            yield from conv_norm(f"{name}.{last - 1}", hidden, 1, 3)
            yield from conv(f"{name}.{last}", width, hidden)
            yield from norm(f"{name}.{last + 1}", width)
            channels = width
    yield from conv_norm("features.18", 1280, 320)
    yield from linear("classifier.1", 1000, 1280)


def mobilenet_v3_small() -> Iterator[Entry]:
    yield from conv_norm("features.0", 16, 3, 3)
    units = ((3, 16, 16, 8), (3, 72, 24, 0), (3, 88, 24, 0), (5, 96, 40, 24), (5, 240, 40, 64), (5, 240, 40, 64),
             (5, 120, 48, 32), (5, 144, 48, 40), (5, 288, 96, 72), (5, 576, 96, 144), (5, 576, 96, 144))  # fmt: skip
    channels = 16
    for number, (kernel, hidden, width, squeezed) in enumerate(units, 1):
        parts = [conv_norm("{}", hidden, channels)] if hidden != channels else []
        parts.append(conv_norm("{}", hidden, 1, kernel))
        parts += [gate("{}", hidden, squeezed)] if squeezed else []
        parts.append(conv_norm("{}", width, hidden))
        yield from numbered(f"features.{number}.block", parts)
        channels = width
    yield from conv_norm("features.12", 576, 96)
    yield from linear("classifier.0", 1024, 576)
    yield from linear("classifier.3", 1000, 1024)


def efficientnet_b0() -> Iterator[Entry]:
    yield from conv_norm("features.0", 32, 3, 3)
    stages = (
        (1, 3, 16, 1),
        (6, 3, 24, 2),
        (6, 5, 40, 2),
        (6, 3, 80, 3),
        (6, 5, 112, 3),
        (6, 5, 192, 4),
        (6, 3, 320, 1),
    )
    channels = 32
    for stage, (expansion, kernel, width, count) in enumerate(stages, 1):
        for unit in range(count):
            hidden = channels * expansion
            parts = [conv_norm("{}", hidden, channels)] if expansion > 1 else []
            parts += [conv_norm("{}", hidden, 1, kernel), gate("{}", hidden, channels // 4)]
            parts.append(conv_norm("{}", width, hidden))
            yield from numbered(f"features.{stage}.{unit}.block", parts)
            channels = width
    yield from conv_norm("features.8", 1280, 320)
    yield from linear("classifier.1", 1000, 1280)


def numbered(name: str, parts: Sequence[Iterator[Entry]]) -> Iterator[Entry]:
    for number, part in enumerate(parts):
        for inner, shape in part:
            yield inner.replace("{}", f"{name}.{number}"), shape


def densenet121() -> Iterator[Entry]:
    yield from conv("features.conv0", 64, 3, 7)
    yield from norm("features.norm0", 64)
    channels = 64
    for block, count in enumerate((6, 12, 24, 16), 1):
        for layer in range(1, count + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            yield from norm(f"{name}.norm1", channels)
            yield from conv(f"{name}.conv1", 128, channels)
            yield from norm(f"{name}.norm2", 128)
            yield from conv(f"{name}.conv2", 32, 128, 3)
            channels += 32
        if block < 4:
            yield from norm(f"features.transition{block}.norm", channels)
            yield from conv(f"features.transition{block}.conv", channels // 2, channels)
            channels //= 2
    yield from norm("features.norm5", channels)
    yield from linear("classifier", 1000, channels)


def vgg11_bn() -> Iterator[Entry]:
    channels, place = 3, 0
    for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        if width:
            yield from conv(f"features.{place}", width, channels, 3, bias=True)
            yield from norm(f"features.{place + 1}", width)
            channels = width
        place += 3 if width else 1
    for number, (out, features) in ((0, (4096, 512 * 49)), (3, (4096, 4096)), (6, (1000, 4096))):
        yield from linear(f"classifier.{number}", out, features)


def regnet_y_400mf() -> Iterator[Entry]:
    yield from conv_norm("stem", 32, 3, 3)
    channels = 32
    for stage, (width, count) in enumerate(((48, 1), (104, 3), (208, 6), (440, 6)), 1):
        for unit in range(count):
            name = f"trunk_output.block{stage}.block{stage}-{unit}"
            if unit == 0:
                yield from conv_norm(f"{name}.proj", width, channels)
            yield from conv_norm(f"{name}.f.a", width, channels)
            yield from conv_norm(f"{name}.f.b", width, 8, 3)
            yield from gate(f"{name}.f.se", width, round(channels / 4))
            yield from conv_norm(f"{name}.f.c", width, width)
            channels = width
    yield from linear("fc", 1000, channels)


LAYOUTS = (mobilenet_v2, mobilenet_v3_small, efficientnet_b0, densenet121, vgg11_bn, regnet_y_400mf)
PLACES = {
    "features.17.conv.3.weight": "blocks.19.7.bn1.weight",
    "classifier.0.weight": "blocks.18.conv1.weight",
    "trunk_output.block1.block1-0.proj.0.weight": "blocks.3.sum1.branch2.0.conv1.weight",
    "trunk_output.block1.block1-0.f.a.0.weight": "blocks.3.sum1.branch1.0.conv1.weight",
    "trunk_output.block4.block4-0.proj.1.running_var": "blocks.23.sum1.branch2.1.bn1.running_var",
}


def timm_efficientnet_b0() -> Iterator[Entry]:
    """The same tensors in the same order, under the names that timm gives them."""
    fixed = {"features.0.0": "conv_stem", "features.0.1": "bn1", "features.8.0": "conv_head", "features.8.1": "bn2"}
    fixed["classifier.1"] = "classifier"
    parts = [("conv_pw", "bn1"), ("conv_dw", "bn2"), ("se.conv_reduce", "se.conv_expand"), ("conv_pwl", "bn3")]
    first = [("conv_dw", "bn1"), parts[2], ("conv_pw", "bn2")]
    for name, shape in efficientnet_b0():
        module, _, kind = name.rpartition(".")
        if module not in fixed:
            stage, unit, part, at = re.fullmatch(r"features\.(\d)\.(\d)\.block\.(\d)\.(\w+)", module).groups()  # type: ignore[union-attr]
            own = (first if stage == "1" else parts)[int(part)][at in ("1", "fc2")]
            module = f"blocks.{int(stage) - 1}.{unit}.{own}"
        yield f"{fixed.get(module, module)}.{kind}", shape


def timm_vgg11_bn() -> Iterator[Entry]:
    """timm's hidden layers are convolutions over the whole map."""
    fixed = {"classifier.0": ("pre_logits.fc1", 7), "classifier.3": ("pre_logits.fc2", 1)}
    for name, shape in vgg11_bn():
        module, _, kind = name.rpartition(".")
        if module in fixed:
            own, size = fixed[module]
            yield f"{own}.{kind}", (shape[0], shape[1] // size**2, size, size) if len(shape) == 2 else shape
        else:
            yield name.replace("classifier.6", "head.fc"), shape


@pytest.mark.parametrize("layout", [*LAYOUTS, timm_efficientnet_b0, timm_vgg11_bn], ids=lambda layout: layout.__name__)
def test_a_file_that_keeps_no_order_has_it_from_its_names(layout) -> None:  # type: ignore[no-untyped-def]
    """safetensors stand in the order of their names: features.10 before features.2, biases before weights."""
    with torch.device("meta"):
        name = layout.__name__.removeprefix("timm_")
        net = plainnet.PlainNet(find_published(name).structure, num_classes=1000, init="default")
        source = {name: torch.empty(shape) for name, shape in layout()}
    matching = match(source, net.state_dict(), by_order=True)
    matching.check(layout.__name__)
    sorted_by_name = {name: source[name] for name in sorted(source)}
    again = match(sorted_by_name, net.state_dict(), by_order=True, is_ordered=False)
    again.check(layout.__name__)
    assert again.taken == matching.taken


def test_names_without_a_known_order_are_not_matched_by_order(tmp_path: Path) -> None:
    """Two layers of one shape would silently change places: narrow comes before wide in the file."""
    net = "ConvKX(3,4,1,1)ConvKX(4,4,1,1)ConvKX(4,4,1,1)"
    torch.manual_seed(0)
    theirs = {"stem.weight": torch.randn(4, 3, 1, 1)}
    theirs |= {f"{name}.weight": torch.randn(4, 4, 1, 1) for name in ("wide", "narrow")}
    wanted = Wanted(plainnet.parse(net), (8, 8), 1e-3, "n", "t", num_classes=0)
    torch.save(theirs, tmp_path / "n.pth")
    in_order = read_foreign(tmp_path / "n.pth", wanted)
    in_order.matching.check("n")
    assert torch.equal(in_order.tensors["blocks.1.conv1.weight"], theirs["wide.weight"])
    save_file(theirs, tmp_path / "n.safetensors")
    found = read_foreign(tmp_path / "n.safetensors", wanted)
    assert not found.matching.taken
    with pytest.raises(plainnet.UsageError, match="keeps no order of its tensors"):
        found.matching.check("n", found.notes)
    save_file({f"{name}.weight": torch.zeros(4, 4) for name in ("wide", "narrow")}, tmp_path / "m.safetensors")
    with pytest.raises(plainnet.UsageError, match="accepted: --num-classes N"):
        read_foreign(tmp_path / "m.safetensors", replace(wanted, num_classes=None))


def test_names_that_mean_other_tensors_do_not_count_where_others_differ() -> None:
    """A program that counts from one: its blocks.1 is blocks.0 here."""
    net = plainnet.PlainNet("ConvKX(4,4,1,1)" * 3, num_classes=0)
    theirs = {f"blocks.{number}.conv1.weight": torch.empty(4, 4, 1, 1) for number in (1, 2, 3)}
    matching = match(theirs, net.state_dict(), by_order=True)
    found = [matching.taken[f"blocks.{number}.conv1.weight"][0] for number in range(3)]
    assert found == list(theirs)
    own = {**net.state_dict(), "more.weight": torch.empty(2, 2)}
    assert match(own, net.state_dict(), by_order=True).taken.keys() == net.state_dict().keys()


def test_numbers_in_names_are_numbers(tmp_path: Path) -> None:
    """Twelve convolutions of one shape stay in their order."""
    theirs = {f"features.{number}.weight": torch.full((4, 4, 1, 1), float(number)) for number in range(12)}
    save_file(theirs, tmp_path / "n.safetensors")
    wanted = Wanted(plainnet.parse("ConvKX(4,4,1,1)" * 12), (8, 8), 1e-3, "n", "t", num_classes=0)
    found = read_foreign(tmp_path / "n.safetensors", wanted)
    found.matching.check("n")
    for number in range(12):
        assert torch.equal(found.tensors[f"blocks.{number}.conv1.weight"], theirs[f"features.{number}.weight"])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_all_tensors_find_their_place(layout) -> None:  # type: ignore[no-untyped-def]
    with torch.device("meta"):
        net = plainnet.PlainNet(find_published(layout.__name__).structure, num_classes=1000, init="default")
        source = {name: torch.empty(shape) for name, shape in layout()}
    matching = match(source, net.state_dict(), by_order=True)
    matching.check(layout.__name__)
    assert len(matching.taken) == sum(not name.endswith("num_batches_tracked") for name in source)
    found = {name: own for own, (name, _) in matching.taken.items()}
    for name in PLACES.keys() & source.keys():
        if layout is not vgg11_bn:
            assert found[name] == PLACES[name]
    less = dict(list(source.items())[:-2])
    with pytest.raises(plainnet.UsageError, match=r"missing in the file"):
        match(less, net.state_dict(), by_order=True).check(layout.__name__)


def test_a_linear_layer_becomes_a_convolution_of_the_same_weights(tmp_path: Path) -> None:
    """The last hidden layer of MobileNetV3 is a 1x1 convolution on the pooled map."""
    theirs = {name: torch.rand(shape) for name, shape in mobilenet_v3_small()}
    torch.save(theirs, tmp_path / "v3.pth")
    structure = find_published("mobilenet_v3_small").structure
    foreign = read_foreign(tmp_path / "v3.pth", Wanted(structure, (224, 224), 1e-3, "v3", "t"), rules="torchvision")
    foreign.matching.check("v3")
    assert torch.equal(foreign.tensors["blocks.18.conv1.weight"][..., 0, 0], theirs["classifier.0.weight"])
    assert torch.equal(foreign.tensors["head.weight"], theirs["classifier.3.weight"])
