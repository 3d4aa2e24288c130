"""Networks that put out several maps by name leave as graphs that do so, too."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from plainnet import PlainNet, parse
from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.export import Network, export_network
from plainnet.platforms.graphs import read_exported

PYRAMID = (
    "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(c2|8,16,2,8,1)SuperResK3K3(c3|16,24,2,8,1)ConvKX(class|24,12,1,1)"
    "MultiSumBlock(p2|From(c2)ConvKX(16,12,1,1);Upsample(12,2,0))Outputs(p2,class)"
)
"""A two-level pyramid, for multiples of 8; one of its names is a word of Python's."""


@pytest.mark.parametrize("target", [pytest.param("onnx", marks=pytest.mark.slow), "torch.export", "torchscript"])
def test_outputs_have_the_authors_names_at_every_size_that_fits(target: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Network(parse(PYRAMID), resolution=32)
    net = network.build(init="default").eval()
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    said: list[str] = []
    export_network(network, to=target, out=tmp_path / "out", weights=tmp_path / "weights.pt", tell=said.append)
    assert said == [], "height and width are free"
    for height, width in ((32, 32), (64, 40)):
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            expected = net(images)
            found = run(target, tmp_path / "out", images)
        assert list(found) == ["p2", "class"]
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)


def run(target: str, folder: Path, images: torch.Tensor) -> dict[str, torch.Tensor]:
    if target == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        return dict(zip(names, map(torch.from_numpy, session.run(None, {"images": images.numpy()})), strict=True))
    if target == "torch.export":
        return dict(read_exported(folder / "model.pt2")(images))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch says so of all of TorchScript
        return dict(torch.jit.load(str(folder / "model.ts"))(images))  # type: ignore[no-untyped-call]


def test_copies_and_pickles_put_out_the_same() -> None:
    net = PlainNet(PYRAMID, resolution=32).eval()
    images = torch.randn(1, 3, 32, 32)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        for name, value in net(images).items():
            assert torch.equal(other(images)[name], value)


def test_the_command_says_where_it_is(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["export", PYRAMID, "--to", "torchscript", "--resolution", "32", "--out", str(tmp_path / "o")]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "o" / "model.ts").exists()


def test_an_output_with_the_inputs_name_is_refused_for_onnx(tmp_path: Path) -> None:
    network = Network(parse(PYRAMID.replace("p2", "images")), resolution=32)
    with pytest.raises(
        UsageError, match="an output is called images, as the graph's input is; accepted: any other name"
    ):
        export_network(network, to="onnx", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export_network(network, to="torchscript", out=tmp_path / "other")
