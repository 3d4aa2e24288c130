"""Latency on platforms: what ran, what is said of it, and what is refused."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.network.plain_net import PlainNet
from plainnet.platforms import platform as platforms
from plainnet.platforms.graphs import quiet
from plainnet.platforms.platform import THREADS, Platform
from plainnet.profiler.latency import measure_latency

SMALL = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)"
SHAPE = (2, 3, 16, 16)


class Recorder:
    """A platform that sleeps, and knows what it was asked for."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.axes: Any = None
        self.threads: str | None = None
        self.quantized_for: tuple[int, ...] | None = None

    def convert(self, module: nn.Module, sample: Tensor, axes: Any, folder: Path) -> None:
        assert isinstance(module, PlainNet)
        assert tuple(sample.shape) == SHAPE
        self.axes, self.threads = axes, os.environ.get(THREADS)
        (folder / "model.bin").write_bytes(b"model")
        time.sleep(0.2)

    def quantize(self, folder: Path, sample: Tensor) -> None:
        self.quantized_for = tuple(sample.shape)
        assert (folder / "model.bin").exists()

    def load(self, folder: Path) -> Callable[[Any], Any]:
        assert (folder / "model.bin").read_bytes() == b"model"

        def run(images: Any) -> Any:
            assert isinstance(images, np.ndarray)
            assert (folder / "model.bin").exists(), "a platform may read its file when it runs"
            self.shapes.append(images.shape)
            time.sleep(0.003)
            return images

        return run


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    sleeper = Platform("sleeper", "", "model.bin", made.convert, made.load, quantize=made.quantize)
    known = {**platforms.known_platforms(), "sleeper": sleeper}
    monkeypatch.setattr(platforms, "known_platforms", lambda: known)
    return made


def test_every_platform_that_is_measured_stands_in_the_help() -> None:
    shown = " ".join(CliRunner().invoke(cli, ["analyze", "--help"]).output.split())
    named = set(shown.partition("measured on: ")[2].partition(". [default: torch]")[0].split(", "))
    assert named == {name for name, each in platforms.known_platforms().items() if each.environment is None}


def test_a_platform_of_another_process_is_not_measured() -> None:
    with pytest.raises(UsageError, match=r"litert runs in a process of its own.*; accepted: .*onnxruntime"):
        measure_latency(nn.Conv2d(3, 4, 3), SHAPE, platform="litert", seconds=0.1)


def test_the_network_is_made_ready_and_only_its_runs_are_timed(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(THREADS, raising=False)
    found = measure_latency(PlainNet(SMALL, num_classes=10), SHAPE, platform="sleeper", threads=1, seconds=0.3)
    assert found.platform == "sleeper"
    assert found.prepare_seconds is not None
    assert found.prepare_seconds >= 0.2
    assert 3.0 <= found.min_ms < 200
    assert set(recorder.shapes) == {SHAPE}
    assert len(recorder.shapes) == 1 + found.warmup_n + found.n
    assert (recorder.axes, recorder.threads) == ({}, "1")
    assert THREADS not in os.environ
    assert set(found.packages) == {"torch"}


def test_torch_is_prepared_by_nobody() -> None:
    found = measure_latency(PlainNet(SMALL, num_classes=10), SHAPE, seconds=0.05)
    assert (found.platform, found.prepare_seconds, dict(found.packages)) == ("torch", None, {})


@pytest.mark.parametrize("name", ["torchscript", pytest.param("torch.export", marks=pytest.mark.slow)])
def test_any_module_that_can_be_traced_is_measured(name: str) -> None:
    found = measure_latency(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), SHAPE, platform=name, seconds=0.05)
    assert (found.platform, found.dtype, found.batch) == (name, "float32", 2)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"platform": "torchscrip"}, "did you mean torchscript?"),
        ({"platform": "torchscript", "dtype": "bfloat16"}, "float32 on the CPU"),
        ({"platform": "torchscript", "channels_last": True}, "float32 on the CPU"),
        ({"dtype": "int8"}, "torch computes a network of floats in no int8 .*; accepted: platform onnxruntime"),
        ({"platform": "torchscript", "dtype": "int8"}, "torchscript computes .* accepted: platform onnxruntime"),
    ],
)
def test_what_a_platform_is_not_measured_with(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        measure_latency(PlainNet(SMALL, num_classes=10), SHAPE, seconds=0.05, **asked)


def test_what_a_platform_does_not_take_is_said() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Any:
            raise ValueError(f"not today: {x.ndim} axes")

    with pytest.raises(UsageError, match="torchscript does not take this network: ValueError: not today: 4 axes"):
        measure_latency(Odd(), SHAPE, platform="torchscript", seconds=0.05)
    two = {"inputs": [torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)]}
    with pytest.raises(UsageError, match="takes images"):
        measure_latency(nn.Bilinear(8, 8, 2), platform="torchscript", seconds=0.05, **two)


def test_the_command_says_what_it_measured_on(recorder: Recorder) -> None:
    words = ["analyze", SMALL, "--resolution", "16", "--batch", "2", "--seconds", "0.1", "--no-zen", "--platform"]
    printed = CliRunner().invoke(cli, [*words, "sleeper"])
    assert printed.exit_code == 0, printed.output
    assert "(sleeper, 1 thread)" in printed.output
    assert "first run included" in printed.output
    assert recorder.shapes


def test_a_platform_that_quantises_is_measured_in_int8(recorder: Recorder) -> None:
    net = PlainNet(SMALL, num_classes=10)
    found = measure_latency(net, SHAPE, platform="sleeper", dtype="int8", seconds=0.05)
    assert (found.dtype, recorder.quantized_for) == ("int8", SHAPE)
    found = measure_latency(net, SHAPE, platform="sleeper", dtype=torch.int8, seconds=0.05)
    assert found.dtype == "int8"
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


def test_bytes_in_int8_say_what_they_are(recorder: Recorder) -> None:
    words = ["analyze", SMALL, "--resolution", "16", "--batch", "2", "--no-zen", "--dtype", "int8", "--seconds", "0.05"]
    printed = CliRunner().invoke(cli, [*words, "--platform", "sleeper"])
    assert printed.exit_code == 0, printed.output
    assert recorder.quantized_for == SHAPE
    assert "int8: bytes are those of 1 for each element" in printed.output
    refused = CliRunner().invoke(cli, words)
    assert "accepted: platform onnxruntime" in str(refused.exception)


@pytest.mark.tail
def test_onnxruntime_computes_in_int8(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    adapter, net = platforms.find_platform("onnxruntime"), PlainNet(SMALL, num_classes=10).eval()
    image = torch.randn(SHAPE)
    assert adapter.quantize is not None
    with torch.no_grad(), quiet():
        adapter.convert(net, image, {}, tmp_path)
        adapter.quantize(tmp_path, image)
    names = [path.name for path in tmp_path.iterdir()]
    assert names == ["model.onnx"]
    nodes = {node.op_type for node in pytest.importorskip("onnx").load(str(tmp_path / "model.onnx")).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= nodes
    out, expected = adapter.load(tmp_path)(image.numpy()), net(image).detach().numpy()
    assert onnxruntime.__version__
    assert 0 < float(abs(out - expected).max()) < 0.1 * float(abs(expected).max())
