"""`analyze_model` for any torch module of the user's: counted by operator instead of by block."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.shapes import as_input_shape
from plainnet.errors import UsageError
from plainnet.network.counting.module_counts import ModuleCounts, OperatorCounts, count_module
from plainnet.network.counting.operator_rules import OperatorRuleError
from plainnet.network.counting.training_counts import count_training
from plainnet.profiler.analysis import Analysis, BlockAnalysis
from plainnet.profiler.latency import TORCH, measure_latency
from plainnet.profiler.machine import machine_record
from plainnet.profiler.memory import measure_memory
from plainnet.profiler.module_times import measure_module_times
from plainnet.profiler.out_of_memory import memory_errors_as_usage

if TYPE_CHECKING:
    from torch import nn

__all__ = ["analyze_module"]

_OPERATIONS = ("bias_ops", "norm_ops", "act_ops", "pool_ops", "add_ops", "mul_ops", "other_ops")

NO_ZEN = "no Zen-score: it is worked out from a structure, and a module of your own has none"


def analyze_module(
    module: nn.Module,
    *,
    resolution: int | tuple[int, int] | None = None,
    in_channels: int | None = None,
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = 1,
    timing: Mapping[str, Any] | None = None,
    latency: bool = True,
    memory: bool = False,
    training: bool = False,
    zen: bool = False,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Analysis:
    """What a module costs for one image (3 x 224 x 224 by default), or for `inputs` and `kwargs` of the caller's own; its
    `blocks` are the operators that it runs, those with the most MACs first.

    Layers as published work counts them, peak memory, receptive field and Zen-score are those of structures only: with `zen`
    a note says so. Raises `UsageError` if the module does not run on the input.
    """
    given = inputs is not None or kwargs is not None
    if given and (resolution is not None or in_channels is not None or batch != 1):
        raise UsageError("resolution, in_channels and batch are those of one image; inputs have their own")
    channels, size = 3 if in_channels is None else in_channels, 224 if resolution is None else resolution
    shape = None if given else as_input_shape(channels, size)
    batched = None if shape is None else (batch, *shape)
    asked: dict[str, Any] = {"inputs": inputs, "kwargs": kwargs} if given else {}
    try:
        counts = count_module(module, None if shape is None else (1, *shape), **asked)
    except OperatorRuleError:
        raise
    except UsageError as error:
        raise UsageError(f"{error}{_about_inputs(module)}") from error
    result = _counted(counts, given=given)
    if latency:
        where = {"device": device, "dtype": dtype, "threads": threads, **asked}
        with memory_errors_as_usage("the latency" if shape is None else f"the latency of a batch of {batch}"):
            result |= _timed(module, batched, counts, where, timing or {})
    if memory:
        result["memory"] = measure_memory(module, batched, dtype=dtype, **asked).as_dict()
    if training:
        result["training"] = count_training(module, None if shape is None else (1, *shape), **asked).as_dict()
    return Analysis(
        name=type(module).__name__,
        input=None if shape is None else shape.as_list(),
        blocks=[_operator(index, row) for index, row in enumerate(filter(_matters, counts.operators))],
        batch=None if given else batch,
        dtype=dtype,
        machine=dict(machine_record()),
        notes=[*counts.notes, *([NO_ZEN] if zen else [])],
        **result,
    )


def _timed(
    module: nn.Module,
    shape: Sequence[int] | None,
    counts: ModuleCounts,
    where: Mapping[str, Any],
    timing: Mapping[str, Any],
) -> dict[str, Any]:
    """The latency and, where torch itself runs the module, that of its submodules."""
    found: dict[str, Any] = {"latency": measure_latency(module, shape, **where, **timing).as_dict()}
    if timing.get("platform", TORCH) != TORCH or len(counts.modules) < 2:
        return found
    kept = {name: timing[name] for name in ("channels_last", "seconds") if name in timing}
    times = measure_module_times(module, shape, **where, **kept)
    if times is not None:
        found["modules"] = tuple(replace(part, ms=times.ms[part.path]) for part in counts.modules)
        found["module_times"] = times.together()
    return found


def _counted(counts: ModuleCounts, *, given: bool) -> dict[str, Any]:
    """The fields of an analysis that follow from counts; those of structures alone are None."""
    nothing = ("structure", "hash", "layers", "peak_activation_bytes", "feature_shape", "receptive_field", "stride")
    return {
        **dict.fromkeys(nothing),
        "inputs": counts.input_shape if given else None,
        "variant": {},
        "num_classes": 0,
        "params": counts.params,
        "macs": counts.macs,
        "convolutions": counts.convolutions,
        "activations": counts.activations,
        "operations": {name: getattr(counts, name) for name in _OPERATIONS},
        "weight_bytes": counts.size_bytes,
        "output_shape": counts.output_shape if given else _without_batch(counts.output_shape),
        "modules": counts.modules,
    }


def _about_inputs(module: nn.Module) -> str:
    """What the module takes, and how to give it."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):  # a forward in C, or one that hides what it takes
        return ""
    parts = [part.replace(annotation=part.empty) for part in signature.parameters.values()]
    if len(parts) < 2 and not any(part.kind is part.KEYWORD_ONLY for part in parts):
        return ""
    taken = signature.replace(parameters=parts, return_annotation=signature.empty)
    return (
        f"\nits forward takes {taken}; accepted: inputs=[...] and kwargs={{...}} in Python, or --input NAME=SHAPE:TYPE,... "
        "such as --input 'image=1x3x224x224,mask=1x224x224:bool'"
    )


def _matters(row: OperatorCounts) -> bool:
    """Whether an operator costs anything, or was not counted; views and copies do not."""
    return not row.counted or bool(row.macs or any(getattr(row, name) for name in _OPERATIONS))


def _operator(index: int, row: OperatorCounts) -> BlockAnalysis:
    name = f"{row.operator} x{row.calls}" + ("" if row.counted else " (not counted)")
    return BlockAnalysis(
        index=index,
        name=name,
        in_shape=None,
        out_shape=None,
        params=None,
        macs=row.macs,
        activations=row.activations,
        layers=None,
        convolutions=row.convolutions,
        operations={name: getattr(row, name) for name in _OPERATIONS},
        peak_activation_bytes=None,
    )


def _without_batch(shape: Any) -> Any:
    """The output's shape for one image; several outputs stay as they are, batch included."""
    if isinstance(shape, (tuple, list)) and all(isinstance(size, int) for size in shape):
        return list(shape[1:])
    return shape
