"""The contract test: every shipped block keeps it, and blocks that do not are caught."""

import random

import pytest

from plainnet.blocks import registry
from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.fields import Channels, Groups, KernelSize, Stride
from plainnet.blocks.rows.counts import Sums
from plainnet.blocks.rows.layers import Act, Conv, Layers, Norm
from plainnet.blocks.rows.shapes import Shape
from plainnet.testing import (
    BlockContractError,
    check_block,
    sample_block,
    sample_case,
    sample_structure,
    shipped_blocks,
)


@pytest.mark.parametrize("cls", shipped_blocks(), ids=lambda cls: cls.__name__)
def test_shipped_blocks_keep_the_contract(cls: type[PlainNetBasicBlockClass]) -> None:
    check_block(cls, samples=8)


def test_all_shipped_blocks_are_found() -> None:
    names = {cls.__name__ for cls in shipped_blocks()}
    assert {"ConvKX", "ConvKXG", "ResBlock", "MultiCatBlock", "SuperResIDW", "SuperResK1DWSEK1", "ResNetBasic"} <= names


@pytest.mark.usefixtures("own_registry")
def test_a_good_block_of_a_user_passes() -> None:
    class ShuffleUnit(PlainNetBasicBlockClass):
        """A grouped convolution and a pointwise one."""

        in_channels: Channels
        out_channels: Channels
        groups: Groups
        stride: Stride

        def check(self):
            if self.in_channels % self.groups:
                yield "groups do not divide in_channels"

        def layers(self) -> Layers:
            return (Conv(self.in_channels, 3, self.stride, self.groups), Norm(), Conv(self.out_channels), Act("silu"))

    check_block(ShuffleUnit)


def bad_blocks() -> dict[str, tuple[type, str]]:
    """Block classes that each break one promise, by the message that names it."""

    class Undocumented(PlainNetBasicBlockClass):
        in_channels: Channels
        out_channels: Channels

        def layers(self) -> Layers:
            return (Conv(self.out_channels),)

    class WrongWidth(PlainNetBasicBlockClass):
        """Puts out one channel more than it says."""

        in_channels: Channels
        out_channels: Channels

        def layers(self) -> Layers:
            return (Conv(self.out_channels + 1),)

    class WrongDepth(PlainNetBasicBlockClass):
        """Says half a layer."""

        in_channels: Channels
        out_channels: Channels

        def num_layers(self) -> int:
            return 0.5  # type: ignore[return-value]

        def layers(self) -> Layers:
            return (Conv(self.out_channels),)

    class Fragile(PlainNetBasicBlockClass):
        """Fails with an exception of its own for some kernels."""

        in_channels: Channels
        out_channels: Channels
        kernel_size: KernelSize

        def layers(self) -> Layers:
            if self.kernel_size == 2:
                raise ZeroDivisionError("kernel")
            return (Conv(self.out_channels, self.kernel_size),)

    class Mislabelled(PlainNetBasicBlockClass):
        """Prints something else than it reads."""

        in_channels: Channels
        out_channels: Channels

        def __str__(self) -> str:
            return f"{self.name}({self.in_channels},{self.out_channels + 1})"

        def layers(self) -> Layers:
            return (Conv(self.out_channels),)

    return {
        "Undocumented": (Undocumented, "has no docstring"),
        "WrongWidth": (WrongWidth, "is to put out .* channels, and its layers put out"),
        "WrongDepth": (WrongDepth, "num_layers is 0.5"),
        "Fragile": (Fragile, "cannot be counted|kernel"),
        "Mislabelled": (Mislabelled, "is not read back"),
    }


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("name", ["Undocumented", "WrongWidth", "WrongDepth", "Fragile", "Mislabelled"])
def test_broken_promises_are_caught(name: str) -> None:
    cls, message = bad_blocks()[name]
    with pytest.raises(BlockContractError, match=message):
        check_block(cls)


@pytest.mark.usefixtures("own_registry")
def test_a_block_whose_module_differs_from_its_counts_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from plainnet.blocks.rows import counts

    conv = counts._COUNTERS[Conv]
    monkeypatch.setitem(counts._COUNTERS, Conv, lambda *args: tuple(Sums(*conv(*args))._replace(macs=7)))
    monkeypatch.setattr(counts, "_memos", type(counts._memos)(100))
    with pytest.raises(BlockContractError, match="macs: counted"):
        check_block(registry.find_block("ConvKX")[0])


@pytest.mark.usefixtures("own_registry")
def test_a_block_that_accepts_nothing_keeps_no_contract() -> None:
    class Never(PlainNetBasicBlockClass):
        """Accepts no arguments at all."""

        in_channels: Channels

        def check(self):
            yield "no"

    with pytest.raises(BlockContractError, match="no valid Never"):
        check_block(Never)


def test_sampling_is_the_same_for_the_same_seed() -> None:
    texts = [str(sample_structure(random.Random(seed))) for seed in range(20)]
    assert texts == [str(sample_structure(random.Random(seed))) for seed in range(20)]
    assert len(set(texts)) >= 18


def test_samples_take_the_shape_that_they_are_drawn_for() -> None:
    rng = random.Random(0)
    shape = Shape(12, 18, 10)  # even sides, which a factorised reduction needs
    for cls in shipped_blocks():
        if cls.__name__ != "Linear":
            assert sample_block(cls, rng, shape=shape).channels_in() in (12, None)
    structure = sample_structure(rng, shape=shape, max_blocks=3)
    assert len(structure) <= 3
    assert structure.totals(shape)[-1].out_shape
    block, vector = sample_case(registry.find_block("Linear")[0], rng)
    assert vector.is_vector
    assert block.channels_in() == vector.channels
