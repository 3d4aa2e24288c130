"""Multiply-accumulates of a step of training, for any `nn.Module`: its forward and backward pass run once without data, and every
operator of both is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.network.counting.counted_run import OperatorCounter, counted_run, every_operator_visible
from plainnet.network.counting.module_inputs import ModuleInputs, module_inputs
from plainnet.network.counting.module_tree import RunningModules
from plainnet.network.undisturbed import evaluation_mode, restored_state
from plainnet.results.result import Result, View
from plainnet.results.tables import Table

__all__ = ["TrainingCounts", "count_training"]

WITH_PRODUCTS = (
    "conv",
    "linear",
    "matmul",
    "rnn",
    "lstm",
    "gru",
    "attention",
    "cdist",
    "pdist",
    "matrix_exp",
    "mm_",
    "affine_grid",
)
"""Parts of the names of backward operators that multiply matrices: one of them without a rule is not counted."""
WITHOUT_PRODUCTS = "upsample"
"""Part of the names of those that sound so: a bilinear resize."""


@dataclass(frozen=True)
class TrainingCounts(Result):
    """The multiply-accumulates of one step on the whole input (give a batch of 1 for counts per image)."""

    forward_macs: int
    backward_macs: int
    """for the gradients of all parameters that require one"""
    uncounted: tuple[str, ...]
    """operators without a rule: what they cost is missing in both counts"""

    @property
    def step_macs(self) -> int:
        return self.forward_macs + self.backward_macs

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "uncounted": list(self.uncounted), "step_macs": self.step_macs}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each pass, and for both."""
        named = {"forward": self.forward_macs, "backward": self.backward_macs, "step": self.step_macs}
        return [{"pass": name, "macs": macs} for name, macs in named.items()]

    def view(self) -> View:
        """A row for each pass, and for both; what could not be counted."""
        rows = [[str(each["pass"]), f"{each['macs']:,}"] for each in self.records()]
        missing = f"there is no rule for: {', '.join(self.uncounted)}"
        return View(
            (), [Table(["pass", "macs"], rows, rule=True)], [("not counted", missing)] if self.uncounted else []
        )


def count_training(
    module: nn.Module,
    input_shape: Sequence[int] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> TrainingCounts:
    """Count a step: forward, and backward from the sum of everything that the module puts out.

    The arguments are those of `count_module`, and what is not counted is named as there; recurrent layers are counted step by
    step. Raises `UsageError` if the module does not run on this input, and where nothing in it is learned.
    """
    return counted_run(module, module_inputs(module, input_shape, inputs, kwargs), _count)


class _StepCounter(OperatorCounter):  # type: ignore[no-untyped-call]
    """Knows that gradients of what has no products have none."""

    def add(self, name: str, cost: Mapping[str, int] | None) -> None:
        has_products = WITHOUT_PRODUCTS not in name and any(part in name for part in WITH_PRODUCTS)
        if cost is None and "backward" in name and not has_products:
            cost = {}
        super().add(name, cost)

    @property
    def macs(self) -> int:
        return sum(cost["macs"] for cost in self.costs.values())


def _count(module: nn.Module, given: ModuleInputs, device: torch.device, notes: list[str]) -> TrainingCounts:  # noqa: ARG001
    counter = _StepCounter(RunningModules(module))
    with (
        restored_state(device=device),
        evaluation_mode(module),
        every_operator_visible(),
        device,
        torch.enable_grad(),
        counter,
    ):
        outputs = [each for each in _tensors(module(*given.args, **given.kwargs)) if each.requires_grad]
        forward = counter.macs
        if not outputs:
            raise UsageError("no parameter takes part in what the module puts out: there is nothing to train")
        torch.autograd.backward(outputs, [torch.ones_like(each) for each in outputs])
    return TrainingCounts(forward, counter.macs - forward, tuple(sorted(counter.uncounted)))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)
