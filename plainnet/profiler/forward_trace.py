"""One forward pass as torch's profiler sees it, as a file for Perfetto, Chrome or TensorBoard: every operator with its shapes,
and around them every submodule by its name.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time_ns
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from plainnet.errors import UsageError, not_written
from plainnet.files.text_files import printable
from plainnet.files.whole_files import refuse_unwritable
from plainnet.network.counting.module_inputs import ModuleInputs, module_inputs
from plainnet.network.counting.module_tree import RunningModules
from plainnet.profiler.latency_setup import first_line, ready_module
from plainnet.results.numbers import byte_text
from plainnet.results.result import Result, View

__all__ = ["ForwardTrace", "refuse_trace_place", "trace_forward"]

FILES = (".json", ".json.gz")
WARM_UP = 2
"""Passes before the one in the trace, with the profiler on: the first of them finds memory, kernels and the profiler itself."""
STEP = "ProfilerStep#1"
"""What TensorBoard's view takes as one step: the whole pass."""
_LOG_LEVEL = "KINETO_LOG_LEVEL"
"""The variable that says how much the profiler's library tells of itself on standard error; `_QUIET` is: nothing."""
_QUIET = "6"


@dataclass(frozen=True)
class ForwardTrace(Result):
    """A trace that was written."""

    file: str
    bytes: int
    operators: int
    """calls of operators in it"""
    modules: int
    """calls of submodules in it"""
    pass_ms: float
    """of the pass in it, which is longer than without a profiler"""

    def as_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self)

    def records(self) -> list[Mapping[str, Any]]:
        """One record, of all fields."""
        return [self.as_dict()]

    def view(self) -> View:
        """Where it is, and what is in it."""
        calls = f"{self.operators:,} calls of operators, {self.modules:,} of modules"
        return View(
            [
                ("trace in", printable(self.file)),
                ("of", f"{byte_text(self.bytes)}, {calls}, a pass of {self.pass_ms:.4g} ms"),
            ]
        )


def refuse_trace_place(place: str | Path) -> None:
    """Say before anything is measured that a trace cannot be written there: `UsageError` for a file that is there already, and
    for a name that is neither that of a file of traces nor that of a folder; see also `not_written`.
    """
    path = Path(place)
    if _is_file(path):
        if os.path.lexists(path):
            raise UsageError(f"{path} is there already; accepted: another file, or a folder")
        refuse_unwritable(path)
    elif path.is_dir():
        refuse_unwritable(path / f"x{FILES[0]}")
    elif path.suffix or os.path.lexists(path):
        what = "is a file" if os.path.lexists(path) else f"ends in {path.suffix}"
        raise UsageError(f"{path} {what}; accepted: FILE.json, FILE.json.gz, or the name of a folder for TensorBoard")
    else:
        refuse_unwritable(path)


def trace_forward(
    module: nn.Module,
    place: str | Path,
    input_shape: Sequence[int] | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    threads: int | None = None,
    channels_last: bool = False,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> ForwardTrace:
    """Write the trace of one forward pass of any module, in evaluation mode, after passes that warm up.

        found = trace_forward(nn.Conv2d(3, 8, 3), "conv.json.gz", (1, 3, 32, 32))

    place: FILE.json or FILE.json.gz (https://ui.perfetto.dev, chrome://tracing), or a folder, which then holds one more trace as
        TensorBoard's profiler view looks for them. What is there already is never written over.
    The rest is as in `measure_latency`. A copy of the module runs; the module and torch's state are left as found.

    Raises `UsageError` for a place that is taken, and for a module that does not run; see also `not_written`.
    """
    refuse_trace_place(place)
    given = module_inputs(module, input_shape, inputs, kwargs)
    with ready_module(module, given, device=device, dtype=dtype, threads=threads, channels_last=channels_last) as ready:
        try:
            text, modules = _profiled(ready.module, ready.given, ready.device)
        except Exception as error:  # whatever the user's forward raises
            raise UsageError(f"the module does not run on {given}: {first_line(error)}") from error
    path, record = _file_in(Path(place)), json.loads(text)
    record["traceName"] = path.name  # and not where it lay on its way
    content = json.dumps(record, separators=(",", ":")).encode()
    content = gzip.compress(content) if path.suffix == ".gz" else content
    _write_new(path, content, made=path.parent if path.parent == Path(place) else None)
    events = record["traceEvents"]
    kinds = [event.get("cat") for event in events]
    step = next(event for event in events if event["name"] == STEP)
    return ForwardTrace(str(path), len(content), kinds.count("cpu_op"), modules, step["dur"] / 1e3)


class _NamedSpans(RunningModules):
    """Every forward pass of a submodule as a span of the profiler, by the submodule's name."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self._spans: list[Any] = []

    def _enter(self, part: nn.Module, args: Any) -> None:
        super()._enter(part, args)
        if len(self._spans) < self.running:
            span = record_function(f"{self.current or 'the whole'} ({type(part).__name__})")
            span.__enter__()  # type: ignore[no-untyped-call]
            self._spans.append(span)

    def _leave(self, part: nn.Module, args: Any, output: Any) -> None:
        super()._leave(part, args, output)
        while len(self._spans) > self.running:
            self._spans.pop().__exit__(None, None, None)


def _profiled(module: nn.Module, given: ModuleInputs, device: torch.device) -> tuple[bytes, int]:
    """What torch's profiler writes of one pass, and the calls of submodules in it."""
    kinds = [ProfilerActivity.CPU]
    kinds += [ProfilerActivity[device.type.upper()]] if device.type in ("cuda", "xpu") else []
    for _ in range(1 + WARM_UP):  # the last one is kept
        spans = _NamedSpans(module)
        with _quiet_profiler(), profile(activities=kinds, record_shapes=True) as profiler, spans.watched():
            _pass(module, given, device)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(file))
        return file.read_bytes(), sum(spans.calls.values())


def _pass(module: nn.Module, given: ModuleInputs, device: torch.device) -> None:
    with record_function(STEP):
        module(*given.args, **given.kwargs)
        if device.type != "cpu":
            torch.accelerator.synchronize(device)


@contextmanager
def _quiet_profiler() -> Iterator[None]:
    """Without what the profiler's library says on standard error, unless it is asked to, or this process has profiled before:
    it asks how much it may say once.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = _QUIET
    try:
        yield
    finally:
        del os.environ[_LOG_LEVEL]


def _is_file(path: Path) -> bool:
    return path.name.endswith(FILES) and not path.is_dir()


def _file_in(place: Path) -> Path:
    """The file itself, or one in a folder, as TensorBoard's view names them: WORKER.TIME.pt.trace.json."""
    return place if _is_file(place) else place / f"plainnet_{os.getpid()}.{time_ns()}.pt.trace.json"


def _write_new(path: Path, content: bytes, *, made: Path | None) -> None:
    """Write a file that is not there yet, all of it or nothing. made: the folder that it lies in, made where it is missing."""
    is_new_folder = made is not None and not made.is_dir()
    written = False
    try:
        if made is not None and is_new_folder:
            made.mkdir()
        with path.open("xb") as file:
            written = True
            file.write(content)
    except BaseException as error:
        with suppress(OSError):
            if written:
                path.unlink()
            if made is not None and is_new_folder:
                made.rmdir()
        if isinstance(error, OSError):
            raise not_written(path, error) from None
        raise
