"""Counts of any `nn.Module`, by operator: the module runs once without data, and every operator that torch executes is
counted from its shapes.

Nothing is hidden: an operator without a rule is named with its number of calls. The module itself is not touched: what
runs is a copy whose tensors have shapes and no contents (torch's meta device), or, where that is not possible, a copy
on the CPU. A module that cannot be copied runs itself, and gets back what it held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from plainnet.network.counting.counted_run import OperatorCounter, counted_run, every_operator_visible
from plainnet.network.counting.module_inputs import ModuleInputs, module_inputs, shapes_of
from plainnet.network.counting.module_tree import HeldTensors, ModuleCost, RunningModules, module_costs
from plainnet.network.counting.operator_products import elements
from plainnet.network.counting.operator_rules import OPERATION_COLUMNS
from plainnet.network.counting.packed_weights import size_bytes
from plainnet.network.counting.recurrent import RecurrentLayers
from plainnet.network.undisturbed import evaluation_mode, restored_state
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["ModuleCounts", "OperatorCounts", "count_module"]

LOOKS_AT_VALUES = frozenset({
    "aten._local_scalar_dense", "aten.equal", "aten.nonzero", "aten.masked_select", "aten._unique2", "aten.unique_dim",
    "aten.unique_consecutive", "aten.repeat_interleave", "aten.bincount",
})  # fmt: skip
"""Operators from which a forward learns what its tensors hold: what runs next may depend on it."""


@dataclass(frozen=True)
class OperatorCounts:
    """What all calls of one operator cost together."""

    operator: str
    calls: int
    counted: bool
    """False if there is no rule for this operator: then all its counts are 0 and mean nothing"""
    macs: int = 0
    activations: int = 0
    convolutions: int = 0
    bias_ops: int = 0
    norm_ops: int = 0
    act_ops: int = 0
    pool_ops: int = 0
    add_ops: int = 0
    mul_ops: int = 0
    other_ops: int = 0


@dataclass(frozen=True)
class ModuleCounts(Result):
    """What a module costs in one forward pass on its whole input (give a batch of 1 for counts per image).

    The columns mean what they mean for structures (`plainnet.blocks.rows.counts`); `activations` are the elements that
    every operator with multiply-accumulates puts out.
    """

    params: int
    """learnable scalars, those packed in quantised modules among them; shared ones once, of sparse ones those stored"""
    trainable_params: int
    """those that require gradients"""
    buffers: int
    """scalars that are saved or kept but not learned, such as running means"""
    size_bytes: int
    """bytes of parameters and buffers in their own types: 1 for an int8 weight"""
    macs: int
    activations: int
    convolutions: int
    bias_ops: int
    norm_ops: int
    act_ops: int
    pool_ops: int
    add_ops: int
    mul_ops: int
    other_ops: int
    """operations of other kinds: 1 per element of an elementwise operator's output or of a reduction's input"""
    input_shape: Any
    """the shape; for arguments of the caller's own `inputs` and `kwargs` with their shapes"""
    output_shape: Any
    """the shape; for several outputs their shapes in the same tuples, lists or dicts"""
    operators: tuple[OperatorCounts, ...]
    """by operator, those with the most macs first"""
    modules: tuple[ModuleCost, ...]
    """by submodule, each with all that is inside of it, the module itself first"""
    notes: tuple[str, ...]

    @property
    def flops(self) -> int:
        """2 * macs."""
        return 2 * self.macs

    @property
    def uncounted(self) -> dict[str, int]:
        """The operators that could not be counted, and how often each was called."""
        return {row.operator: row.calls for row in self.operators if not row.counted}

    def as_dict(self) -> dict[str, Any]:
        """All fields and `flops` and `uncounted`, ready for JSON."""
        record = asdict(self) | {"flops": self.flops, "uncounted": self.uncounted}
        if isinstance(self.input_shape, tuple):
            record["input_shape"] = list(self.input_shape)
        modules = [part.as_dict() for part in self.modules]
        return record | {name: list(record[name]) for name in ("operators", "notes")} | {"modules": modules}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each operator."""
        return [asdict(row) for row in self.operators]

    def view(self) -> View:
        """A row for each operator, and the sums; what could not be counted has no numbers."""
        columns = ["operator", "calls", "macs", "activations", "other operations"]
        rows = [
            [row.operator, f"{row.calls:,}", f"{row.macs:,}", f"{row.activations:,}", f"{_operations(row):,}"]
            if row.counted
            else [row.operator, f"{row.calls:,}", "not counted", "", ""]
            for row in self.operators
        ]
        calls = sum(row.calls for row in self.operators)
        total = ["all", f"{calls:,}", f"{self.macs:,}", f"{self.activations:,}", f"{_operations(self):,}"]
        held = f"{self.params:,}, {self.trainable_params:,} of them trainable, and {self.buffers:,} in buffers"
        lines = [("params", held), ("flops", f"{self.flops:,}  (2 * macs)")]
        table = Table(columns, [*rows, total], rule=True, drop=("other operations", "activations"), cut=("operator",))
        return View(lines, [table], [("note:", note) for note in self.notes])


def _operations(counts: OperatorCounts | ModuleCounts) -> int:
    """The operations that are no multiply-accumulates of a convolution or a linear layer."""
    return sum(getattr(counts, name) for name in OPERATION_COLUMNS if name.endswith("_ops"))


def count_module(
    module: nn.Module,
    input_shape: Sequence[int] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> ModuleCounts:
    """Count a module on an input of `input_shape`, the batch first: (N, C, H, W).

    inputs, kwargs: instead, the arguments of the forward pass by position and by name; lists, tuples and dicts may hold
        tensors.
    Raises `UsageError` if the module does not run on this input.
    """
    given = module_inputs(module, input_shape, inputs, kwargs)

    def count(working: nn.Module, on: ModuleInputs, device: torch.device, notes: list[str]) -> ModuleCounts:
        return _count(working, on, device, given.shapes, notes)

    return counted_run(module, given, count)


def _count(
    module: nn.Module, given: ModuleInputs, device: torch.device, input_shape: Any, notes: list[str]
) -> ModuleCounts:
    """Run a module that may be used up, and gather the counts."""
    running = RunningModules(module)
    counter = OperatorCounter(running)
    recurrent = RecurrentLayers(device, counter.add, counter.unseen)
    with (
        restored_state(device=device),
        evaluation_mode(module),
        every_operator_visible(),
        running.watched(),
        counter,
        recurrent,
    ):
        output = module(*given.args, **given.kwargs)
    rows = _rows(counter)
    parts = dict(module.named_modules())  # of now: a forward may have added some
    held = HeldTensors.of(parts)
    params, packed = (
        [tensor for each in by_path.values() for tensor in each] for by_path in (held.params, held.packed)
    )
    looks = LOOKS_AT_VALUES | ({"aten.index"} if counter.has_masks else set())
    values = sorted(looks & set(counter.calls)) if device.type != "meta" else []
    if values:
        notes = [*notes, f"it looks at values ({', '.join(values)}): with other values it may cost something else"]
    uncounted = [row.operator for row in rows if not row.counted]
    if uncounted:
        notes = [*notes, f"not counted, there is no rule for: {', '.join(uncounted)}"]
    return ModuleCounts(
        params=sum(map(elements, params)) + sum(tensor.numel() for tensor in packed),
        trainable_params=sum(elements(p) for p in params if p.requires_grad),
        buffers=sum(map(elements, held.buffers)),
        size_bytes=size_bytes([*params, *packed, *held.buffers]),
        input_shape=input_shape,
        output_shape=shapes_of(output),
        operators=rows,
        modules=module_costs(parts, held, running, counter.by_module, counter.uncounted_by_module),
        notes=tuple(notes),
        **{column: sum(getattr(row, column) for row in rows) for column in OPERATION_COLUMNS},
    )


def _rows(counter: OperatorCounter) -> tuple[OperatorCounts, ...]:
    rows = [
        OperatorCounts(name, calls, name not in counter.uncounted, **counter.costs.get(name, {}))
        for name, calls in counter.calls.items()
    ]
    return tuple(
        sorted(rows, key=lambda row: (-row.macs, -sum(counter.costs.get(row.operator, {}).values()), row.operator))
    )
