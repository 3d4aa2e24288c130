"""How long the submodules of a module take in its forward pass: a clock at every beginning and end of one.

    own time of a module = time in which it is the innermost one that runs, the least of several passes
    time of a module     = its own, and that of all submodules by name

so that the times of a table add up. What the clocks themselves take is in no module's time but for what torch takes to call them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import nn

from plainnet.network.counting.module_inputs import ModuleInputs, module_inputs
from plainnet.network.counting.module_tree import RunningModules
from plainnet.profiler.latency_setup import ready_module
from plainnet.profiler.measured_view import clocks_text
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["ModuleTimes", "measure_module_times"]

PASSES = 10
"""At most, after one that is not counted."""
SHARE = 0.25
"""Of the seconds of a latency, after which no further pass begins."""


@dataclass(frozen=True)
class ModuleTimes(Result):
    """Milliseconds by the path of a submodule ("" for the module itself), each with all that is inside of it."""

    ms: Mapping[str, float]
    passes: int
    pass_ms: float
    """the least of whole passes, clocks included"""

    def together(self) -> dict[str, Any]:
        """What is said of all of them together, ready for JSON."""
        return {"passes": self.passes, "sum_ms": self.ms[""], "pass_ms": self.pass_ms}

    def as_dict(self) -> dict[str, Any]:
        """That, and the milliseconds of each."""
        return {**self.together(), "ms": dict(self.ms)}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each submodule: its path, and its milliseconds."""
        return [{"module": path, "ms": ms} for path, ms in self.ms.items()]

    def view(self) -> View:
        """A row for each submodule, in the order of the module's own, each below the one that it is in."""
        whole = max(self.ms[""], 1e-12)
        rows = [[_indented(path), f"{ms:.3f}", f"{100 * ms / whole:.1f}"] for path, ms in self.ms.items()]
        return View(
            (), [Table(["module", "ms", "%"], rows, cut=("module",))], [("", clocks_text(self.together(), None))]
        )


def _indented(path: str) -> str:
    """The last part of a path, as far to the right as it is deep; all of it is named by those above."""
    return f"{'  ' * (path.count('.') + 1)}{path.rpartition('.')[2]}" if path else "the whole"


def measure_module_times(
    module: nn.Module,
    input_shape: Sequence[int] | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    threads: int | None = None,
    channels_last: bool = False,
    seconds: float = 2.0,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> ModuleTimes | None:
    """Time every submodule of any module where it stands; the arguments are as in `measure_latency`.

    It takes two passes at least, and otherwise a quarter of `seconds`.
    None for a module that is compiled: its inside does not run as submodules.

    A copy is measured; on accelerators the device is waited for at every clock. Raises `UsageError` as `measure_latency` does.
    """
    if any(_is_compiled(part) for part in module.modules()):
        return None
    given = module_inputs(module, input_shape, inputs, kwargs)
    with ready_module(module, given, device=device, dtype=dtype, threads=threads, channels_last=channels_last) as ready:
        _timed(ready.module, ready.given, ready.device)
        begin, passes = perf_counter(), list[tuple[dict[str, float], float]]()
        while not passes or (len(passes) < PASSES and perf_counter() - begin < SHARE * seconds):
            passes.append(_timed(ready.module, ready.given, ready.device))
    ms = {path: 1e3 * min(own.get(path, 0.0) for own, _ in passes) for path, _ in module.named_modules()}
    for path in sorted(filter(None, ms), key=lambda path: -path.count(".")):
        ms[path.rpartition(".")[0]] += ms[path]
    return ModuleTimes(ms, len(passes), 1e3 * min(whole for _, whole in passes))


class _ClockedModules(RunningModules):
    """Charges the time between two events to the innermost module that ran."""

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        super().__init__(module)
        self.own: dict[str, float] = {}
        self._device = device

    def start(self) -> None:
        """From now on time is charged."""
        self._since = perf_counter()

    def charge(self) -> None:
        """Charge what has passed."""
        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)
        self.own[self.current] = self.own.get(self.current, 0.0) + perf_counter() - self._since

    def _enter(self, part: nn.Module, args: Any) -> None:
        self.charge()
        super()._enter(part, args)
        self.start()

    def _leave(self, part: nn.Module, args: Any, output: Any) -> None:
        self.charge()
        super()._leave(part, args, output)
        self.start()


def _timed(module: nn.Module, given: ModuleInputs, device: torch.device) -> tuple[dict[str, float], float]:
    """Own seconds by path in one pass, and those of the pass."""
    running = _ClockedModules(module, device)
    with running.watched():
        begin = perf_counter()
        running.start()
        module(*given.args, **given.kwargs)
        running.charge()
        whole = perf_counter() - begin
    return running.own, whole


def _is_compiled(part: nn.Module) -> bool:
    return hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) is not None
