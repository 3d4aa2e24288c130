"""What stands between the two looks at the clock of a call."""

import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plainnet.network.counting.module_inputs import ModuleInputs
from plainnet.profiler.latency_setup import timed_call


class Written(nn.Module):
    """Writes down that it ran, and takes 2 ms."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log

    def forward(self, value: Tensor) -> Tensor:
        self.log.append("forward")
        time.sleep(0.002)
        return value


def test_on_cuda_the_clock_is_two_events_in_the_stream_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    class Event:
        def __init__(self, *, enable_timing: bool) -> None:
            assert enable_timing
            self.name = "end" if any("begin" in each for each in made) else "begin"
            made.append(self.name)

        def record(self, stream: str) -> None:
            log.append(f"{self.name} into {stream}")

        def synchronize(self) -> None:
            log.append(f"wait for {self.name}")

        def elapsed_time(self, other: "Event") -> float:
            return {("begin", "end"): 7.5}[self.name, other.name]

    made: list[str] = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: log.append(f"wait for {device}"))
    run = timed_call(Written(log), ModuleInputs((torch.ones(1),)), torch.device("cuda:1"))
    assert run() == 0.0075
    into = "into the stream of cuda:1"
    assert log == ["wait for cuda:1", f"begin {into}", "forward", f"end {into}", "wait for end"]


def test_elsewhere_an_accelerator_is_waited_for_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[Any] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", log.append)
    device = torch.device("xpu")
    assert 0.002 <= timed_call(Written(log), ModuleInputs((torch.ones(1),)), device)() < 1
    assert log == [device, "forward", device]
    log.clear()
    assert 0.002 <= timed_call(Written(log), ModuleInputs((torch.ones(1),)), torch.device("cpu"))() < 1
    assert log == ["forward"]
