"""Drawings of networks: well-formed, a box for each block, an arc for each value that is taken up."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

import plainnet
from plainnet.blocks.rows.shapes import Shape
from plainnet.cli.main import cli
from plainnet.errors import PlainnetError, StructureError
from plainnet.network.published import published_networks
from plainnet.profiler.network_drawing import draw_network

SVG = "{http://www.w3.org/2000/svg}"
GRAPH = "ConvKX(stem|3,8,3,1)ConvKXBNRELU(8,8,3,1)MultiSumBlock(BN(8);From(stem))MultiSumBlock(BN(8);From(stem))"


def drawn(text: str, size: int) -> ElementTree.Element:
    structure = plainnet.parse(text)
    shape = Shape(structure.in_channels, size, size)
    return ElementTree.fromstring(draw_network(structure, shape, title="<a> & b"))


@pytest.mark.parametrize("name", ["resnet18", "zennet_imagenet1k_flops400M_SE_res192", "mobilenet_v3_large"])
def test_every_block_is_a_box(name: str) -> None:
    found = next(each for key, each in published_networks().items() if key.startswith(name[:20]))
    picture = drawn(found.text, found.resolution)
    assert len(picture.findall(f".//{SVG}rect")) == len(found.structure)
    assert picture.findtext(f"{SVG}title") == "<a> & b"
    left, top, width, height = (float(value) for value in picture.attrib["viewBox"].split())
    for box in picture.iter(f"{SVG}rect"):
        x, y, wide, high = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        assert left - 0.1 <= x
        assert x + wide <= width + 0.1
        assert top <= y
        assert y + high <= height


def test_a_value_that_is_taken_up_again_is_an_arc() -> None:
    picture = drawn(GRAPH, 16)
    assert [path.findtext(f"{SVG}title") for path in picture.iter(f"{SVG}path") if "C" in path.attrib["d"]] == [
        "stem"
    ] * 2


@pytest.mark.parametrize(
    "text",
    [
        "ConvKX(v1|3,8,3,1)Sequential(Identity(v1|8)MultiSumBlock(BN(8);From(v1)))",
        "ConvKX(a-b.c|3,8,3,1)MultiSumBlock(BN(8);Sequential(RELU(x|8)From(x)))",
    ],
)
def test_a_value_inside_of_a_block_is_no_arc(text: str) -> None:
    assert not [path for path in drawn(text, 16).iter(f"{SVG}path") if "C" in path.attrib["d"]]
    taken = text + "MultiSumBlock(BN(8);From(a-b.c))" if "a-b.c" in text else text + "MultiSumBlock(BN(8);From(v1))"
    picture = drawn(taken, 16)
    (arc,) = [path.attrib["d"] for path in picture.iter(f"{SVG}path") if "C" in path.attrib["d"]]
    top = float(picture.attrib["viewBox"].split()[1])
    assert all(float(number) >= top * 1.4 for number in arc[1:].replace("C", " ").split())


def test_a_network_of_any_name_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    assert run(cli, ["draw", "resnet18"]).stdout == "resnet18.svg\n"
    ElementTree.fromstring((tmp_path / "resnet18.svg").read_text())
    (tmp_path / "resnet18.svg").write_text("mine")
    assert "to write over it: -o resnet18.svg" in str(run(cli, ["draw", "resnet18"]).exception)
    assert (tmp_path / "resnet18.svg").read_text() == "mine", "a name that nobody said is never written over"
    assert run(cli, ["draw", "resnet18", "-o", "resnet18.svg"]).exit_code == 0
    ElementTree.fromstring(run(cli, ["draw", GRAPH, "--resolution", "16", "-o", "-"]).stdout)
    (tmp_path / "mine.py").write_text("from torch import nn\ndef made():\n    return nn.Conv2d(3, 4, 3)\n")
    for arguments, kind in ((["mine.py:made"], PlainnetError), ([GRAPH, "-o", "no/such/x.svg"], PlainnetError)):
        assert isinstance(run(cli, ["draw", *arguments]).exception, kind)
    with pytest.raises(StructureError):
        drawn("SuperConvK3BNRELU(3,8,1,1)Linear(10,3)", 8)
