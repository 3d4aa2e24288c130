"""The trace of `plainnet analyze --trace`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.blocks.structure import Structure
from plainnet.cli.screen import tell
from plainnet.errors import UsageError
from plainnet.results.numbers import byte_text

if TYPE_CHECKING:
    from torch import nn

    from plainnet.naming import Subject
    from plainnet.profiler.analysis import Analysis
    from plainnet.profiler.forward_trace import ForwardTrace

__all__ = ["check_trace", "write_trace"]


def check_trace(place: Path | None, platform: str) -> None:
    """Refuse what cannot be traced or written before anything is measured."""
    if place is None:
        return
    from plainnet.profiler.forward_trace import refuse_trace_place

    if platform != "torch":
        raise UsageError(f"--trace is what torch's profiler sees, and not {platform}; accepted: --platform torch")
    refuse_trace_place(place)


def write_trace(place: Path, subject: Subject, result: Analysis, options: dict[str, Any]) -> ForwardTrace:
    """Write it, for the input of an analysis, and say where it is.

    options: of the command.
    """
    from plainnet.profiler.forward_trace import trace_forward
    from plainnet.profiler.out_of_memory import memory_errors_as_usage

    names = ("device", "dtype", "threads", "channels_last")
    with memory_errors_as_usage("the trace"):
        module, given = _module(subject, result, options)
        found = trace_forward(module, place, **given, **{name: options[name] for name in names})
    _say(place, found)
    return found


def _module(subject: Subject, result: Analysis, options: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """What runs, and what it runs on, as `trace_forward` takes it."""
    from plainnet.blocks.rows.shapes import Shape
    from plainnet.naming.entries import with_known_inputs
    from plainnet.network.counting.module_inputs import arguments_of
    from plainnet.profiler.analyze import built_network

    network = subject.network
    if isinstance(network, Structure):
        assert result.input is not None
        assert result.batch is not None
        table = network.at(Shape(*result.input), variant=subject.variant.value)
        return built_network(table, result), {"input_shape": (result.batch, *result.input)}
    if result.input is not None:
        return network, {"input_shape": (result.batch, *result.input)}
    said = arguments_of(network, options["inputs"]) if options["inputs"] else {}
    known = with_known_inputs(subject, network, said)
    return network, {"inputs": known["inputs"], "kwargs": known["kwargs"]}


def _say(place: Path, found: ForwardTrace) -> None:
    shown = f"tensorboard --logdir {place}, with torch-tb-profiler," if place.is_dir() else "https://ui.perfetto.dev"
    calls = f"{found.operators:,} calls of operators, {found.modules:,} of modules"
    tell(f"trace in {found.file}: {byte_text(found.bytes)}, {calls}; {shown} shows it", err=True)
