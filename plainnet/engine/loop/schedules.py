"""Learning rates over time, as multiples of the optimizer's own."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, SequentialLR

from plainnet.errors import UsageError

__all__ = ["check_schedule_kind", "constant", "cosine", "with_warmup"]


def cosine(optimizer: Optimizer, *, steps: int, warmup: float = 0, final: float = 0.0) -> LambdaLR:
    """final + (1 - final) (1 + cos(pi t)) / 2 with t from 0 to 1 over the steps after the warm-up.

    Step k (from 0) of a linear warm-up has the factor (k + 1) / (warmup + 1); a warm-up need not be a whole number. Source
    of the cosine: Loshchilov and Hutter, SGDR (2017), equation 5.
    """
    _check(steps, warmup)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        t = min(1.0, (step - warmup) / max(1, steps - warmup))
        return final + (1 - final) * (1 + math.cos(math.pi * t)) / 2

    return LambdaLR(optimizer, factor)


def constant(optimizer: Optimizer, *, steps: int, warmup: float = 0) -> LambdaLR:
    """The same rate throughout, after a linear warm-up."""
    _check(steps, warmup)
    return LambdaLR(optimizer, lambda step: (step + 1) / (warmup + 1) if step < warmup else 1.0)


def check_schedule_kind(kind: Any) -> None:
    """Raise `UsageError` for a scheduler whose step must be given something, as that of ReduceLROnPlateau is a metric."""
    step: Callable[..., Any] | None = getattr(kind, "step", None)
    if step is None:
        return
    parameters = list(inspect.signature(step).parameters.values())[1:]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if needed:
        raise UsageError(
            f"{kind.__name__} needs {', '.join(needed)} at each step, which a schedule is not given; take cosine, or step it "
            "in a hook"
        )


def with_warmup(optimizer: Optimizer, scheduler: LRScheduler, *, warmup: float) -> LRScheduler:
    """Any scheduler of torch after a linear warm-up."""
    if warmup == 0:
        return scheduler
    first = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / (warmup + 1)))
    return SequentialLR(optimizer, [first, scheduler], milestones=[math.ceil(warmup)])


def _check(steps: int, warmup: float) -> None:
    if warmup and warmup >= steps:
        raise UsageError(f"a warm-up of {warmup:g} steps leaves nothing of {steps}")
