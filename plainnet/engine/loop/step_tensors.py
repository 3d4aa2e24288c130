"""Intermediate tensors of a training step: registered anywhere in the model, read back with their gradients, then forgotten.

from plainnet.engine import watch

def forward(self, x):
    x = watch("stem", self.stem(x))        # does nothing outside a training step
    ...

trainer.tensors["stem"].grad               # in `after_backward`; gone after the step
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from plainnet.engine.parameters import modules_matching
from plainnet.errors import UsageError, nearest

__all__ = ["StepTensors", "watch"]

_CURRENT: ContextVar[StepTensors | None] = ContextVar("plainnet_step_tensors", default=None)


def watch(name: str, tensor: Tensor) -> Tensor:
    """Register `tensor` for the rest of the training step and return what to go on with: a copy, so that nothing that follows
    can change in place what was registered. Outside a step it is returned as it is.
    """
    tensors = _CURRENT.get()
    return tensor if tensors is None else tensors.register(name, tensor)


class StepTensors(Mapping[str, Tensor]):
    """The tensors registered since the step began, with `.grad` after the backward pass."""

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._versions: dict[str, int] = {}

    def register(self, name: str, tensor: Tensor) -> Tensor:
        """Keep `tensor` under `name`, and its gradient; the copy that is returned is what the network goes on with."""
        if tensor.requires_grad and not tensor.is_leaf:
            tensor.retain_grad()
        self._tensors[name], self._versions[name] = tensor, tensor._version
        return tensor.clone()

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._tensors:
            near = nearest(name, self._tensors)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"no tensor {name} was registered in this step{hint}")
        tensor = self._tensors[name]
        if tensor._version != self._versions[name]:
            raise UsageError(
                f"the tensor {name} was changed in place after it was registered: go on with what watch() returns"
            )
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def begin(self) -> None:
        """Take registrations from `watch` from now on."""
        _CURRENT.set(self)

    def clear(self) -> None:
        """Forget every tensor and take no more registrations from `watch`."""
        self._tensors.clear()
        _CURRENT.set(None)

    def watch_modules(self, model: nn.Module, patterns: list[str]) -> list[RemovableHandle]:
        """Register the outputs of the modules whose names match, in every training step, until the handles are removed."""
        handles: list[RemovableHandle] = []
        for pattern in patterns:
            matched = modules_matching(model, [pattern])
            handles += [module.register_forward_hook(_registers(name)) for name, module in matched.items()]
        return handles


def _registers(name: str) -> Any:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        return watch(name, output) if isinstance(output, Tensor) else None

    return hook
