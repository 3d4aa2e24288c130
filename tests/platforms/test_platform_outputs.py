"""Networks of several outputs, and platforms that this machine does not run: what is compared, and what is said otherwise."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import plainnet
from plainnet.cli.main import cli
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.platforms import platform as platforms
from plainnet.platforms.adapters import core_ml, tensor_rt
from plainnet.platforms.comparing import outputs_of
from plainnet.platforms.conversion import convert, read_conversion, verify
from plainnet.platforms.graphs import quiet
from plainnet.platforms.platform import NotHereError, Platform, find_platform, known_platforms
from plainnet.platforms.samples import SAMPLES, sample_sizes

PYRAMID = (
    "ConvKXBNRELU(backbone.c1|3,4,3,2)ConvKXBNRELU(backbone.c2|4,4,3,2)"
    "MultiSumBlock(neck.p1|Upsample(4,2,0);From(backbone.c1))"
    "ConvKXBias(heads.a|4,2,1,1)From(backbone.c2)ConvKXBias(heads.b|4,2,1,1)Outputs(heads.b,heads.a)"
)
"""Two maps of two sizes, whose order is not that of the blocks; it takes multiples of 4 alone."""
SLOW = {"torch.export", "onnxruntime", "openvino", "executorch"}


def pyramid() -> plainnet.PlainNet:
    torch.manual_seed(3)
    return plainnet.PlainNet(PYRAMID, num_classes=0, resolution=16).eval()


def marked(name: str) -> Any:
    platform = find_platform(name)
    marks = [pytest.mark.slow] if name in SLOW else []
    if platform.missing() or platform.not_here():
        marks.append(pytest.mark.skip(reason="not installed, or not here"))
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize(
    "name", [marked(name) for name in known_platforms() if name not in ("torch.compile", "litert")]
)
def test_every_output_is_the_networks_by_its_name(name: str, tmp_path: Path) -> None:
    net = pyramid()
    about = net.to_platform(name, tmp_path / "c")
    assert about.outputs == ["heads.b", "heads.a"]
    assert about.any_size
    assert [one.shape[2:] for one in about.measured] == [[16, 16], [16, 16], [24, 20], [20, 24]]
    if about.not_compared is not None:
        return
    assert all((one.error or 0.0) < 1e-5 for one in verify(tmp_path / "c"))
    images = torch.randn(2, 3, 28, 12)
    with torch.no_grad():
        expected = net(images)
    for given in (images, images.numpy()):
        found = plainnet.from_platform(tmp_path / "c")(given)
        assert list(found) == ["heads.b", "heads.a"]
        for key, output in found.items():
            assert type(output) is type(given)
            assert np.allclose(np.asarray(output), expected[key].numpy(), atol=1e-5)


def adapter(change: Any, **options: Any) -> Platform:
    """A platform that runs the module itself, and changes the outputs."""
    kept: list[nn.Module] = []

    def write(module: nn.Module, sample: Any, axes: Any, folder: Path) -> None:  # noqa: ARG001
        kept.append(module)
        (folder / "b").write_text("x")

    def load(folder: Path) -> Any:  # noqa: ARG001
        def run(images: Any) -> Any:
            with torch.no_grad():
                return change([each.numpy() for each in kept[-1](torch.from_numpy(images)).values()])

        return run

    return Platform("odd", "", "b", write, load, **options)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda found: [found[0], found[1] * 1.01], "outputs differ by"),
        (
            lambda found: [found[0], found[1][:, :1]],
            r"it puts out \[1, 1, 8, 8\] at 1x3x16x16, the network .* for heads.a",
        ),
        (lambda found: found[:1], "it puts out 1 tensors, the network 2"),
        (lambda found: found[0], "it puts out 1 tensors, the network 2"),
        (lambda found: found[::-1], "for heads.b"),
    ],
)
def test_one_wrong_output_is_enough(change: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms, "known_platforms", lambda: {"odd": adapter(change)})
    with pytest.raises(UsageError, match=why):
        pyramid().to_platform("odd", tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_a_sample_that_lacks_an_output_is_damage(tmp_path: Path) -> None:
    pyramid().to_platform("torch", tmp_path / "c")
    about = tmp_path / "c" / "conversion.json"
    about.write_text(about.read_text().replace('"heads.a"', '"heads.z"'))
    with pytest.raises(RunError, match=r"heads\.z"):
        verify(tmp_path / "c")
    assert outputs_of([np.zeros(1), np.ones(1)], ["a", "b"])["b"] == 1


def test_sizes_are_three_one_odd_and_one_not_square_where_the_network_takes_them() -> None:
    for said in ((), ((16, 16),), ((32, 32), (16, 16), (24, 24)), ((17, 17), (16, 16), (15, 15))):
        sizes = sample_sizes((16, 16), said)
        assert sizes[: len(said)] == list(said)
        assert len(set(sizes)) == len(sizes) >= 3
        assert any(height % 2 and width % 2 for height, width in sizes)
        assert any(height != width for height, width in sizes)
    even = sample_sizes((16, 16), stride=4, takes=lambda size: size[0] % 4 == size[1] % 4 == 0)
    assert even == [(16, 16), (24, 20), (20, 24)]
    assert sample_sizes((16, 16), takes=lambda size: size == (16, 16)) == [(16, 16)]
    with pytest.raises(UsageError, match=r"does not take 18x18; accepted: 16x16, 24x20, "):
        pyramid().to_platform("torch", Path("never"), sizes=[(18, 18)])


def idle(change: Any = lambda found: found) -> Platform:
    return adapter(change, convert_only=lambda: "it runs on another system alone")


def test_what_does_not_run_here_is_converted_and_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms, "known_platforms", lambda: {"odd": idle()})
    about = pyramid().to_platform("odd", tmp_path / "c")
    assert about == read_conversion(tmp_path / "c")
    assert about.not_compared == "not compared: it runs on another system alone"
    assert {(one.error, one.ms) for one in about.measured} == {(None, None)}
    assert (tmp_path / "c" / SAMPLES).is_file(), "it can be compared where it runs"
    for use in (plainnet.from_platform, verify):
        with pytest.raises(NotHereError, match="odd is not run here: it runs on another system alone"):
            use(tmp_path / "c")
    monkeypatch.chdir(tmp_path)
    options = ("--platforms", "odd")

    def support(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["support", *arguments, *options])

    assert support("scan", PYRAMID).exit_code == 0
    assert support("update", "--check").exit_code == 0
    assert support("update").exit_code == 0
    cell = json.loads(Path("support.json").read_text())["networks"].popitem()[1]["cells"]["odd"]
    assert (cell["status"], cell["error"], cell["ms"]) == ("converted", None, None)
    assert "converted, not compared: it runs on another system alone" in support("table", "--csv").stdout
    assert "converted" in support("table", "--html").stdout
    assert "0 made again" in support("update").stdout, "nothing changed"
    assert "0 made again" in support("update", "--only-exceptions").stdout
    assert "everything that was tried passes" in support("priority").stdout
    monkeypatch.setattr(platforms, "known_platforms", lambda: {"odd": adapter(lambda found: found)})
    assert "1 to be made again" in support("scan").stdout, "another system runs it"


def test_a_machine_without_its_device_is_told_and_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = adapter(lambda found: found, not_here=lambda: "there is no such device")
    monkeypatch.setattr(platforms, "known_platforms", lambda: {"odd": lacking})
    with pytest.raises(NotHereError, match="odd is not converted here: there is no such device"):
        pyramid().to_platform("odd", tmp_path / "c")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["support", "scan", PYRAMID, "--platforms", "odd"]).exit_code == 0
    table = CliRunner().invoke(cli, ["support", "table", "--platforms", "odd", "--csv"]).stdout
    assert "not here: there is no such device" in table


def test_core_ml_is_run_on_macos_alone() -> None:
    assert (core_ml.PLATFORM.convert_only() is None) == (sys.platform == "darwin")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_tensorrt_needs_a_gpu() -> None:
    assert tensor_rt.PLATFORM.not_here() == "torch finds no NVIDIA GPU"
    with pytest.raises(PlainnetError, match=r"plainnet\[tensorrt\]|no NVIDIA GPU"):
        tensor_rt.PLATFORM.check()


@pytest.mark.slow
def test_tensorrt_is_given_a_graph_that_is_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its parser reads and what its profile says; no engine is built here, where no GPU is."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    said: dict[str, Any] = {}
    stub = ModuleType("tensorrt")
    stub.__spec__ = ModuleSpec("tensorrt", None)  # torch looks whether it is there
    config = SimpleNamespace(clear_flag=said.setdefault, add_optimization_profile=lambda _: 0)
    profile = SimpleNamespace(set_shape=lambda *shapes: said.update(shapes=shapes))
    builder = SimpleNamespace(
        create_network=lambda flags: flags,
        create_builder_config=lambda: config,
        create_optimization_profile=lambda: profile,
        build_serialized_network=lambda *_: said["graph"],
    )
    parser = SimpleNamespace(parse=lambda content: said.update(graph=content) is None, num_errors=0)
    stub.Logger = lambda level: level  # type: ignore[attr-defined]
    stub.Logger.ERROR = 0  # type: ignore[attr-defined]
    stub.BuilderFlag = SimpleNamespace(TF32="TF32")  # type: ignore[attr-defined]
    stub.Builder, stub.OnnxParser = lambda _: builder, lambda *_: parser  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorrt", stub)
    net, images = pyramid(), torch.randn(2, 3, 16, 24)
    with quiet():
        tensor_rt.PLATFORM.convert(net, images, {0: "batch", 2: "height", 3: "width"}, tmp_path)
    assert said["shapes"] == ("images", (1, 3, 1, 1), (2, 3, 16, 24), (8, 3, 64, 96))
    assert "TF32" in said
    session = onnxruntime.InferenceSession((tmp_path / "model.engine").read_bytes())
    assert [each.name for each in session.get_outputs()] == ["output_0", "output_1"]
    with torch.no_grad():
        expected = net(images).values()
    for found, output in zip(session.run(None, {"images": images.numpy()}), expected, strict=True):
        assert np.allclose(found, output.numpy(), atol=1e-5)


def test_a_module_that_puts_out_something_else_is_refused(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, images: torch.Tensor) -> Any:
            return [images]

    with pytest.raises(UsageError, match="puts out a list; accepted: a tensor, or a dict of them"):
        convert(Odd(), "torchscript", tmp_path / "c", channels=3, sizes=[(4, 4)])
