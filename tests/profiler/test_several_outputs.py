"""A network that puts out several maps by name, asked everything that other networks are asked."""

from __future__ import annotations

import json

import pytest
import torch

import plainnet
from plainnet.blocks.rows.shapes import Shape
from plainnet.cli.main import main
from plainnet.profiler.network_drawing import draw_network
from plainnet.profiler.verify import verify_counts
from plainnet.store.describing import describe_network

NET = "ConvKXBNRELU(c1|3,16,3,2)ConvKX(c2|16,8,3,2)MultiSumBlock(ConvKX(8,16,1,1)Upsample(16,2,0);From(c1))"
NAMED = NET.replace("MultiSumBlock(", "MultiSumBlock(p1|") + "Outputs(p1,c2,in)"
SHAPES = {"p1": [16, 16, 16], "c2": [8, 8, 8], "in": [3, 32, 32]}


def test_shapes_are_said_by_name() -> None:
    found = plainnet.analyze_model(NAMED, resolution=32, latency=False, zen=False)
    assert found.output_shape == SHAPES
    assert json.loads(json.dumps(found.to_dict()))["output_shape"] == SHAPES
    assert "{p1=16x16x16, c2=8x8x8, in=3x32x32}" in str(found)
    built = plainnet.PlainNet(NAMED, resolution=32)(torch.rand(1, 3, 32, 32))
    assert {name: list(value.shape[1:]) for name, value in built.items()} == SHAPES
    one = plainnet.analyze_model(NET, resolution=32, latency=False, zen=False, num_classes=5)
    assert one.output_shape == [5]
    assert one.params == found.params + 5 * 17


def test_counts_are_held_against_the_module() -> None:
    checked = verify_counts(NAMED, resolution=32)
    assert checked.ok
    assert checked.output_shape == checked.built_output_shape == SHAPES


def test_rows_are_timed_without_what_only_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["analyze", NAMED, "--resolution", "32", "--no-zen", "--roofline"])
    assert not end.value.code
    out = capsys.readouterr().out
    assert "whole call" in out
    assert "Collect" not in out


def test_it_is_compared_by_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["compare", NAMED, NET, "--resolution", "32"])
    assert not end.value.code
    said = capsys.readouterr()
    assert "note: no composite: the score is of one feature map" in " ".join(said.err.split())
    assert "params" in said.out


def test_it_is_drawn_and_described_without_an_output_of_nothing() -> None:
    shape = Shape(3, 32, 32)
    drawn = draw_network(plainnet.parse(NAMED), shape, title="net")
    assert "Outputs" not in drawn
    assert "vector" not in drawn
    described = describe_network(plainnet.parse(NAMED), (32, 32), classes=None, num_classes=0)
    said = [(each.head, each.channels, each.resolution) for each in described.outputs]
    assert said == [("p1", 16, "H/2,W/2"), ("c2", 8, "H/4,W/4"), ("in", 3, "H,W")]
    assert described.structure.num_features is None


def test_what_nothing_depends_on_is_said() -> None:
    """`From` in the middle of a chain begins it anew: what stood before is in no count, and a person is told."""
    vain = "ConvKX(a|3,8,3,1)MultiSumBlock(ConvKX(8,8,1,1)From(a);BN(8))"
    result = plainnet.analyze_model(vain, resolution=8, latency=False, zen=False)
    assert any(
        "nothing depends on" in str(note) and "it is neither counted nor built" in str(note) for note in result.notes
    )
    meant = vain.replace("ConvKX(8,8,1,1)From(a)", "From(a)ConvKX(8,8,1,1)")
    assert list(plainnet.analyze_model(meant, resolution=8, latency=False, zen=False).notes) == []
