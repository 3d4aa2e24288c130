"""A block of the user's own: about ten lines in a file, and everything else follows."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from plainnet import PlainNetBasicBlockClass, RegistrationError, StructureError, parse
from plainnet.blocks import Depth, Shape, registry
from plainnet.blocks.network_counts import count_network
from plainnet.blocks.reference import block_rows
from plainnet.blocks.user import load_blocks
from plainnet.errors import UsageError

GHOST = '''
from plainnet.blocks import Channels, Depth, PlainNetBasicBlockClass, Stride
from plainnet.blocks.rows.layers import Act, Concat, Conv, Norm, Repeat, depthwise


class {name}(PlainNetBasicBlockClass):
    """A ghost module (Han et al. 2020): half of the maps are cheap copies of the other half."""

    in_channels: Channels
    out_channels: Channels
    stride: Stride
    sub_layers: Depth

    def layers(self):
        def unit(stride):
            half = self.out_channels // 2
            return (Conv(half, 3, stride), Norm(), Act(), Concat(((), (depthwise(half, 3), Norm(), Act()))))

        return (*unit(self.stride), Repeat(self.sub_layers - 1, unit(1)))
'''


pytestmark = pytest.mark.usefixtures("own_registry")


@pytest.fixture
def ghost(tmp_path: Path) -> Path:
    file = tmp_path / "ghost_blocks.py"
    file.write_text(GHOST.format(name="TestGhost"))
    return file


def test_a_block_in_a_file_is_read_printed_counted_and_documented(ghost: Path) -> None:
    load_blocks(ghost)
    structure = parse("SuperConvK3BNRELU(3,8,2,1)TestGhost(8,16,2,3)")
    assert str(structure) == "SuperConvK3BNRELU(3,8,2,1)TestGhost(8,16,2,3)"
    counts = count_network(structure, Shape(3, 33, 31), num_classes=None)
    assert counts.feature_shape == Shape(16, 9, 8)
    assert counts.layers == 4
    assert counts.params == 27 * 8 + 16 + (8 * 8 * 9 + 16 + 72 + 16) + 2 * (16 * 8 * 9 + 16 + 72 + 16)
    assert ("TestGhost", "in_channels, out_channels, stride, sub_layers") in [row[:2] for row in block_rows()]
    with pytest.raises(StructureError, match="did you mean TestGhost"):
        parse("TestGost(8,16,2,3)")


def test_a_block_is_built(ghost: Path) -> None:
    import torch

    from plainnet import PlainNet

    load_blocks(ghost)
    net = PlainNet("SuperConvK3BNRELU(3,8,2,1)TestGhost(8,16,2,2)", num_classes=None).eval()
    assert net.forward_features(torch.zeros(1, 3, 33, 31)).shape == (1, 16, 9, 8)
    block = parse("TestGhost(8,16,2,2)").blocks[0].build()
    assert block(torch.zeros(2, 8, 8, 8)).shape == (2, 16, 4, 4)


def test_a_file_that_is_loaded_again_takes_the_place_of_the_first(ghost: Path) -> None:
    load_blocks(ghost)
    before = count_network(parse("TestGhost(8,16,2,1)"), Shape(8, 8, 8), num_classes=None).params
    ghost.write_text(GHOST.format(name="TestGhost").replace("Conv(half, 3, stride)", "Conv(half, 1, stride)"))
    load_blocks(ghost)
    after = count_network(parse("TestGhost(8,16,2,1)"), Shape(8, 8, 8), num_classes=None).params
    assert before - after == 8 * 8 * 8


def test_a_name_that_is_taken_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "clash.py"
    file.write_text(GHOST.format(name="ConvKX"))
    with pytest.raises(
        RegistrationError, match=r"the block name ConvKX is taken by plainnet\.blocks\.families\.basic\.ConvKX"
    ):
        load_blocks(file)


def test_an_annotation_that_is_no_field_is_an_error() -> None:
    with pytest.raises(RegistrationError, match=r"Wrong\.width: annotate it with one of plainnet.blocks.fields"):

        class Wrong(PlainNetBasicBlockClass):
            width: int


@pytest.mark.parametrize("name", ["children", "label", "layers", "name", "text", "fields", "build", "wiring"])
def test_a_field_named_as_what_every_block_has_is_an_error(name: str) -> None:
    with pytest.raises(RegistrationError, match=f"Wrong.{name}: every block has something of this name; .* {name}_"):
        type("Wrong", (PlainNetBasicBlockClass,), {"__annotations__": {name: Depth}, "__module__": __name__})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError"),
        ("def f(:", "cannot be imported: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_imported_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(content)
    with pytest.raises(UsageError, match=message):
        load_blocks(file)
    with pytest.raises(UsageError, match="no file"):
        load_blocks(tmp_path / "missing.py")


def test_blocks_of_an_installed_distribution_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plug_blocks.py").write_text(GHOST.format(name="PluggedGhost"))
    info = tmp_path / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        textwrap.dedent("""\
        [plainnet.blocks]
        ghost = plug_blocks
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_plugins_loaded", False)
    assert str(parse("PluggedGhost(3,8,1,1)")) == "PluggedGhost(3,8,1,1)"
    sys.modules.pop("plug_blocks")


OWN = '''
from plainnet.blocks import Channels, PlainNetBasicBlockClass
from plainnet.blocks.rows.layers import Act, Concat, Conv, Pool, Repeat, Sum


class Mine(PlainNetBasicBlockClass):
    """A block with a mistake."""

    in_channels: Channels
    out_channels: Channels

    def layers(self):
        {body}
'''

MISTAKES = {
    "raise ValueError('my own')": "Mine: layers() fails with ValueError: my own",
    "return (Conv(self.out_chanels),)": "layers() fails with AttributeError",
    "return None": "layers() gives NoneType",
    "return Conv(self.out_channels)": "layers() gives Conv",
    "return ('conv',)": "'conv' is no layer",
    "return (Conv,)": "is no layer",
    "return (Conv(self.out_channels), None)": "None is no layer",
    "return (self,)": "more than 64 deep",
    "return self.layers()": "layers() fails with RecursionError",
    "return (Conv(self.out_channels, stride=0),)": "Conv: stride is 0",
    "return (Conv(self.out_channels / 2),)": "Conv: out_channels is 8.0",
    "return (Conv(0),)": "Conv: out_channels is 0",
    "return (Concat(()),)": "accepted: a tuple of branches",
    "return (Sum(()),)": "accepted: a tuple of branches",
    "return (Conv(self.out_channels), Act('swish'))": "Act: kind is 'swish'",
    "return (Pool('avrg', 2, 2),)": "did you mean avg?",
    "return (Repeat(-3, ()),)": "Repeat: times is -3",
    "return (Repeat(10**9, (Act(),)),)": "layers are repeated 1,000,000,000 times",
    "return (Conv(self.out_channels + 1),)": "is to put out 16 channels, and its layers put out 17",
}


@pytest.mark.parametrize("body", MISTAKES)
def test_a_mistake_in_a_block_is_told_with_its_place(tmp_path: Path, body: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN.format(body=body))
    load_blocks(file)
    with pytest.raises(StructureError) as caught:
        count_network(parse("ConvKX(3,8,1,1)Mine(8,16)"), Shape(3, 8, 8))
    assert MISTAKES[body] in str(caught.value)
    assert "ConvKX(3,8,1,1)Mine(8,16)" in str(caught.value)


def test_names_of_open_families_and_of_single_blocks_cannot_clash(tmp_path: Path) -> None:
    file = tmp_path / "clash.py"
    file.write_text(GHOST.format(name="ConvKXG2"))
    with pytest.raises(RegistrationError, match="the block name ConvKXG2 is taken"):
        load_blocks(file)


def test_files_of_the_same_name_are_different_files(tmp_path: Path) -> None:
    for folder, name in (("one", "FirstGhost"), ("two", "SecondGhost")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(GHOST.format(name=name))
        load_blocks(tmp_path / folder / "mine.py")
    parse("FirstGhost(3,8,1,1)SecondGhost(8,8,1,1)")
    (tmp_path / "two" / "mine.py").write_text(GHOST.format(name="FirstGhost"))
    with pytest.raises(RegistrationError, match="the block name FirstGhost is taken"):
        load_blocks(tmp_path / "two" / "mine.py")
