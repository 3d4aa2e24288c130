"""`analyze_model` for any torch module of the user's: counted by operator instead of by block."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from plainnet.blocks.shapes import as_input_shape
from plainnet.errors import UsageError
from plainnet.profiler.analysis import Analysis, BlockAnalysis
from plainnet.profiler.latency import measure_latency
from plainnet.profiler.machine import machine_record
from plainnet.profiler.module_counts import OperatorCounts, count_module
from plainnet.profiler.out_of_memory import memory_errors_as_usage

if TYPE_CHECKING:
    from torch import nn

__all__ = ["analyze_module"]

_OPERATIONS = ("bias_ops", "norm_ops", "act_ops", "pool_ops", "add_ops", "mul_ops", "other_ops")

_LAYERS = {"convolution", "convolution_overrideable", "_convolution", "addmm", "addmv", "mm", "mv"}
"""The operators that convolutions and linear layers become."""
NO_ZEN = "no Zen-score: it is worked out from a structure, and a module of your own has none"


def analyze_module(
    module: nn.Module,
    *,
    resolution: int | tuple[int, int] = 224,
    in_channels: int = 3,
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    threads: int | None = 1,
    latency: bool = True,
    zen: bool = False,
) -> Analysis:
    """What a module costs for one image; its `blocks` are the operators that it runs, those with the most MACs first.

    Layers are its convolutions and linear layers in the sense of torch's operators (products of two activations, as in
    attention, are none); peak memory, receptive field and Zen-score are those of structures only: with `zen` a note says so.
    Raises `UsageError` if the module does not run on the input.
    """
    shape = as_input_shape(in_channels, resolution)
    try:
        counts = count_module(module, (1, *shape))
    except UsageError as error:
        raise UsageError(f"{error}{_about_inputs(module)}") from error
    result: dict[str, Any] = {}
    if latency:
        with memory_errors_as_usage(f"the latency of a batch of {batch}"):
            measured = measure_latency(module, (batch, *shape), device=device, dtype=dtype, threads=threads)
        result["latency"] = measured.as_dict()
    return Analysis(
        structure=None,
        hash=None,
        name=type(module).__name__,
        input=shape.as_list(),
        variant={},
        num_classes=0,
        params=counts.params,
        macs=counts.macs,
        layers=sum(map(_layers, counts.operators)),
        convolutions=counts.convolutions,
        activations=counts.activations,
        operations={name: getattr(counts, name) for name in _OPERATIONS},
        weight_bytes=counts.size_bytes,
        peak_activation_bytes=None,
        feature_shape=None,
        output_shape=_without_batch(counts.output_shape),
        receptive_field=None,
        stride=None,
        blocks=[_operator(index, row) for index, row in enumerate(filter(_matters, counts.operators))],
        batch=batch,
        dtype=dtype,
        machine=dict(machine_record()),
        notes=[*counts.notes, *([NO_ZEN] if zen else [])],
        **result,
    )


def _about_inputs(module: nn.Module) -> str:
    """What to do about a module that needs other inputs than one image."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # a forward in C, or one that hides what it takes
        return ""
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [part.name for part in parameters if part.default is part.empty and part.kind not in optional]
    if len(needed) < 2:
        return ""
    return (
        f"\nits forward takes {len(needed)} inputs ({', '.join(needed)}), and here it is given one image; accepted: a module "
        "around it whose forward takes one image and makes the rest, or in Python "
        "plainnet.profiler.module_counts.count_module(module, shape, inputs=[...])"
    )


def _layers(row: OperatorCounts) -> int:
    return row.calls if row.operator.removeprefix("aten.") in _LAYERS else 0


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
        layers=_layers(row),
        convolutions=row.convolutions,
        operations={name: getattr(row, name) for name in _OPERATIONS},
        peak_activation_bytes=None,
    )


def _without_batch(shape: Any) -> Any:
    """The output's shape for one image; several outputs stay as they are, batch included."""
    if isinstance(shape, (tuple, list)) and all(isinstance(size, int) for size in shape):
        return list(shape[1:])
    return shape
