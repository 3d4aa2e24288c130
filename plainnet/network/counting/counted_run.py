"""A module run once so that every operator is seen, without a trace on it: the ground of counts by operator."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from plainnet.errors import UsageError
from plainnet.network.counting.blank_outputs import BlankOperator
from plainnet.network.counting.module_inputs import ModuleInputs
from plainnet.network.counting.module_tree import RunningModules
from plainnet.network.counting.operator_rules import (
    OPERATION_COLUMNS,
    CallCost,
    OperatorRuleError,
    call_cost,
    operator_name,
)
from plainnet.network.undisturbed import blank_module, private_copy, restored_module

__all__ = ["OperatorCounter", "counted_run", "every_operator_visible"]

Counted = TypeVar("Counted")

_INDEX = torch.ops.aten.index.Tensor


def counted_run(
    module: nn.Module,
    given: ModuleInputs,
    count: Callable[[nn.Module, ModuleInputs, torch.device, list[str]], Counted],
) -> Counted:
    """What `count` finds when it runs a module, which it may use up, on inputs on a device; with notes on how that went.

    What runs is a copy whose tensors have shapes and no contents (torch's meta device), or, where that is not possible, a copy on
    the CPU. A module that cannot be copied runs itself, and gets back what it held. Raises `UsageError` if it does not run.
    """
    blank = blank_module(module)
    reason = "its tensors cannot be copied there"
    if blank is not None:
        try:
            return count(blank, given.blank(), torch.device("meta"), [])
        except OperatorRuleError:
            raise
        except Exception as error:  # whatever the forward raises on tensors without contents
            reason = _first_line(error)
    if any(tensor.device.type == "meta" for tensor in [*module.parameters(), *module.buffers()]):
        raise UsageError(f"the module does not run on {given}: {reason}")
    working = private_copy(module)
    notes = [f"ran on the CPU, because it does not run on the meta device: {reason}"]
    if working is None:
        working, device = module, next((p.device for p in module.parameters()), torch.device("cpu"))
        notes = ["ran in place, because it cannot be copied"]
    else:
        device = torch.device("cpu")
        with warnings.catch_warnings():  # of a move that nobody asked for
            warnings.simplefilter("ignore")
            working = working.to(device)
    try:
        with restored_module(module) if working is module else nullcontext():
            return count(working, given.on(device), device, notes)
    except OperatorRuleError:
        raise
    except Exception as error:  # whatever the user's forward raises
        raise UsageError(f"the module does not run on {given}: {_first_line(error)}") from error


class _Operator:
    """What a counter asks about an operator at each of its calls."""

    __slots__ = ("cost", "function", "name", "run")

    def __init__(self, function: Any) -> None:
        self.function = function  # held, so that no other has its identity
        self.name = operator_name(function)
        self.cost: CallCost = call_cost(function)
        blank = BlankOperator(function)
        self.run = blank.run if blank.may_be_known else None


class OperatorCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the costs of every operator that is executed."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: what runs here is never compiled, and torch would import its compiler, for seconds, to leave this class out."""
        return False

    def __init__(self, running: RunningModules) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.running = running
        self.by_module: dict[str, dict[str, int]] = {}
        self.uncounted_by_module: dict[str, set[str]] = {}
        self.calls: dict[str, int] = {}
        self.costs: dict[str, dict[str, int]] = {}
        self.uncounted: set[str] = set()
        self.has_masks = False
        """whether something was chosen by a mask, so that its size follows from what the mask holds"""
        self.looks_away = False
        self._operators: dict[int, _Operator] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        operator = self._operators.get(id(func))  # torch hashes operators in Python, which shows in what a count takes
        if operator is None:
            operator = self._operators[id(func)] = _Operator(func)
        kwargs = kwargs or {}
        out = func(*args, **kwargs) if operator.run is None else operator.run(args, kwargs)
        if not self.looks_away:
            if func is _INDEX and any(map(_is_mask, args[1])):
                self.has_masks = True
            self.add(operator.name, operator.cost(args, kwargs, out))
        return out

    def add(self, name: str, cost: Mapping[str, int] | None) -> None:
        """One call of an operator; None for a cost that nobody knows."""
        self.calls[name] = self.calls.get(name, 0) + 1
        if cost is None:
            self.uncounted.add(name)
            self.uncounted_by_module.setdefault(self.running.current, set()).add(name)
        elif cost:
            total, of_module = _of(self.costs, name), _of(self.by_module, self.running.current)
            for column, count in cost.items():
                total[column] += count
                of_module[column] += count

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What runs here is not counted."""
        before, self.looks_away = self.looks_away, True
        try:
            yield
        finally:
            self.looks_away = before


def _is_mask(index: Any) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)


def _of(totals: dict[str, dict[str, int]], name: str) -> dict[str, int]:
    """The columns of a name, all 0 at first."""
    found = totals.get(name)
    if found is None:
        found = totals[name] = dict.fromkeys(OPERATION_COLUMNS, 0)
    return found


@contextmanager
def every_operator_visible() -> Iterator[None]:
    """Without fused kernels that hide several operators in one, without compiled code, and without the warnings of a run that
    is nobody's own.
    """
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        if {"torch._dynamo", "torch.nn.attention.flex_attention"} & set(sys.modules):  # both compile
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
