"""Gradients that are not finite, by parameter: for debug mode."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plainnet.engine.parameters import named_parameters
from plainnet.errors import DivergedError

__all__ = ["check_gradients", "checked_backward", "not_finite_gradients"]

SHOWN = 5
"""Parameters that a message names."""


def checked_backward(loss: Tensor, model: nn.Module) -> None:
    """The backward pass, and `DivergedError` with the parameters whose gradients are not finite.

    Where anomaly detection stops it at an operation, its error says which parameters would have got such gradients: the pass is
    made once more without it.
    """
    try:
        loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        with torch.autograd.set_detect_anomaly(False):
            loss.backward()  # type: ignore[no-untyped-call]
        found = not_finite_gradients(model)
        if found:
            error.add_note(f"gradients that are not finite: {found}")
        raise
    found = not_finite_gradients(model)
    if found:
        raise DivergedError(f"gradients that are not finite, at a loss of {float(loss.detach()):.4g}: {found}")


def check_gradients(model: nn.Module) -> None:
    """`DivergedError` with the parameters whose gradients are not finite when an update is made of them: whoever changed them
    after the backward pass did that.
    """
    if found := not_finite_gradients(model):
        raise DivergedError(f"gradients that are not finite, and were when they were computed: {found}")


def not_finite_gradients(model: nn.Module) -> str:
    """The parameters with such gradients, with how many numbers of how many; "" where there is none."""
    bad = []
    for name, parameter in named_parameters(model).items():
        if parameter.grad is not None:
            finite = torch.isfinite(parameter.grad)
            if not bool(finite.all()):
                bad.append(f"{name} ({int((~finite).sum()):,} of {finite.numel():,})")
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return ", ".join(bad[:SHOWN]) + more
