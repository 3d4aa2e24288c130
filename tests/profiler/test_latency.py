"""Latency: what the record holds, and that nothing of the user's is disturbed."""

import json
import random
import threading
import time

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.network.plain_net import PlainNet
from plainnet.profiler.latency import measure_latency
from plainnet.profiler.machine import cpu_model

SMALL = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)"


class Sleeper(nn.Module):
    """Takes a known time, longer while it is cold."""

    def __init__(self, milliseconds: float, *, cold_runs: int = 0) -> None:
        super().__init__()
        self.milliseconds, self.cold_runs = milliseconds, cold_runs

    def forward(self, x: Tensor) -> Tensor:
        cold = self.cold_runs > 0
        self.cold_runs -= 1
        time.sleep(self.milliseconds * (10 if cold else 1) / 1000)
        return x


class Noise(nn.Module):
    """Draws from every generator in its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.drop(x) + torch.rand(()) + random.random() + float(np.random.rand())


def test_a_known_time_is_measured() -> None:
    found = measure_latency(Sleeper(4.0), (2, 3, 8, 8), seconds=0.5)
    assert 4.0 <= found.min_ms <= found.median_ms
    assert found.ci95_ms[0] <= found.median_ms <= found.ci95_ms[1]
    assert found.median_ms <= found.p90_ms <= found.p99_ms
    assert found.min_ms < 8.0  # the median may be anything on a machine that does something else, too
    assert found.n >= 10
    assert found.batch == 2


def test_cold_runs_are_warm_up() -> None:
    found = measure_latency(Sleeper(5.0, cold_runs=5), (1, 3, 8, 8), seconds=1.0)
    assert found.warmup_n >= 6
    assert found.median_ms < 50.0  # what a cold run takes at least


def test_the_budget_is_kept() -> None:
    start = time.perf_counter()
    found = measure_latency(Sleeper(300.0), (1, 3, 8, 8), seconds=0.1)
    assert time.perf_counter() - start < 3.0
    assert found.n == 1
    assert any("only 1 runs" in warning for warning in found.warnings)


def test_the_record_says_what_was_measured() -> None:
    threads = torch.get_num_threads()
    net = PlainNet(SMALL, num_classes=10)
    found = measure_latency(net, (2, 3, 33, 31), dtype="bfloat16", threads=1, channels_last=True, seconds=0.2)
    record = found.as_dict()
    assert json.loads(json.dumps(record)) == record
    assert (found.device, found.dtype, found.threads, found.memory_layout) == ("cpu", "bfloat16", 1, "channels_last")
    assert (found.input_shape, found.batch, found.torch) == ((2, 3, 33, 31), 2, torch.__version__)
    assert found.cpu == found.device_name == cpu_model()
    assert torch.get_num_threads() == threads


class Layout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        channels_last = all(
            value.is_contiguous(memory_format=torch.channels_last) and not value.is_contiguous()
            for value in (x, self.conv.weight)
        )
        if channels_last != self.conv_is_last or torch.is_grad_enabled() or self.training:
            raise RuntimeError("not as asked")
        return self.conv(x)


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_module_runs_as_asked(channels_last: bool) -> None:
    module = Layout()
    module.conv_is_last = channels_last
    found = measure_latency(module, (1, 4, 8, 8), seconds=0.05, channels_last=channels_last)
    assert found.n >= 1


def test_everything_is_left_as_found() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Noise())
    module[1].eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    expected = torch.rand(2), random.random(), np.random.rand()
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    threads = torch.get_num_threads()
    measure_latency(module, (1, 3, 8, 8), seconds=0.1, dtype="float64", threads=threads + 1, channels_last=True)
    assert torch.equal(torch.rand(2), expected[0])
    assert (random.random(), np.random.rand()) == expected[1:]
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    assert [part.training for part in module.modules()] == [True, True, False, True, True]
    assert module[2].calls == 0
    for key, value in module.state_dict().items():
        assert value.dtype == before[key].dtype
        assert value.stride() == before[key].stride()
        assert torch.equal(value, before[key])


class NotCopied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.lock = threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def test_a_module_that_cannot_be_copied_is_measured_in_place() -> None:
    module = NotCopied().train()
    found = measure_latency(module, (1, 3, 8, 8), seconds=0.05)
    assert any("in place" in warning for warning in found.warnings)
    assert module.training
    assert module.conv.training
    with pytest.raises(UsageError, match="cannot be copied"):
        measure_latency(module, (1, 3, 8, 8), dtype="bfloat16", seconds=0.05)


def test_modules_with_other_inputs() -> None:
    found = measure_latency(nn.Embedding(10, 4), (2, 3), inputs=(torch.zeros(2, 3, dtype=torch.long),), seconds=0.05)
    assert found.batch == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu9"}, "device 'gpu9' cannot be used"),
        ({"device": "meta"}, "meta device"),
        ({"dtype": "bfloat"}, "did you mean bfloat16"),
        ({"dtype": torch.int16}, "dtype 'int16' is not known"),
        ({"threads": 0}, "threads is 0"),
        ({"seconds": 0}, "seconds is 0"),
    ],
)
def test_wrong_options_are_usage_errors(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        measure_latency(nn.Conv2d(3, 4, 3), (1, 3, 8, 8), **options)


def test_a_module_that_does_not_run_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"does not run on an input of 1x4x8x8"):
        measure_latency(nn.Conv2d(3, 4, 3), (1, 4, 8, 8), seconds=0.05)
    with pytest.raises(UsageError, match=r"input_shape is \(1, 3, 0, 8\)"):
        measure_latency(nn.Conv2d(3, 4, 3), (1, 3, 0, 8))
    with pytest.raises(UsageError, match="channels_last"):
        measure_latency(nn.Linear(3, 4), (1, 3), channels_last=True)


def test_a_measurement_that_has_no_core_to_itself_says_so() -> None:
    class Waiting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(0.01)  # as if another process had the core
            return x

    found = measure_latency(Waiting(), (1, 2), seconds=0.2)
    assert found.core_share is not None
    assert found.core_share < 0.5
    assert any(warning.startswith("busy machine") for warning in found.warnings)
    assert found.load is None or found.load >= 0
