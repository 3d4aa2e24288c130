"""A module that is lent: whatever is done to it, it is given back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["untouched"]

_CONTAINERS = (dict, list, set)


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Work on copies of a module's weights and buffers, with gradients on; afterwards, also after an exception, the very
    tensors, gradients, flags, hooks and attributes are back.

    Restored are: weights (their memory is never written to), buffers, dtype, device, gradients, `requires_grad`, the
    training flags, hooks, patched methods, replaced submodules, and every attribute of every part, dictionaries, lists and
    sets one level deep.
    """
    parts = list(module.modules())
    attributes = [(part, dict(vars(part)), _contents(part)) for part in parts]
    parameters = [(p, p.data, p.grad, p.requires_grad) for p in module.parameters()]
    try:
        for parameter, data, _, _ in parameters:
            parameter.data = data.clone()
            parameter.grad = None
            if data.is_floating_point() or data.is_complex():
                parameter.requires_grad_(True)
        _lend_buffers(parts)
        yield
    finally:
        for part, before, contents in attributes:
            vars(part).clear()
            vars(part).update(before)
            for container, content in contents:
                _refill(container, content)
        for parameter, data, gradient, requires_grad in parameters:
            parameter.grad = None
            parameter.requires_grad_(requires_grad)
            parameter.data = data
            parameter.grad = gradient


def _contents(part: nn.Module) -> list[tuple[Any, Any]]:
    """The containers among a part's attributes, each with a copy of what it holds."""
    return [(value, value.copy()) for value in vars(part).values() if isinstance(value, _CONTAINERS)]


def _refill(container: Any, content: Any) -> None:
    container.clear()
    if isinstance(container, list):
        container.extend(content)
    else:
        container.update(content)


def _lend_buffers(parts: list[nn.Module]) -> None:
    """A copy in the place of every buffer, one for those that are shared."""
    copies: dict[int, Tensor] = {}
    with torch.no_grad():
        for part in parts:
            for name, buffer in part._buffers.items():
                if buffer is not None:
                    part._buffers[name] = copies.setdefault(id(buffer), buffer.clone())
