"""Which tensors are alive while torch runs: every storage from the operator that makes it to the moment when nothing holds it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from plainnet.network.counting.blank_types import refuse_types
from plainnet.profiler.fused_memory import FUSED, bytes_inside

__all__ = ["LiveMemory", "saved_for_backward", "storages_of"]


def storages_of(values: Iterable[Any]) -> dict[int, torch.UntypedStorage]:
    """The storages of tensors, those that share one once."""
    found = {}
    for value in values:
        if isinstance(value, Tensor) and value.layout == torch.strided:
            storage = value.untyped_storage()
            found[storage._cdata] = storage
    return found


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the storages that are alive. What an operator allocates and gives back itself is not seen, but for
    attention that is one operator (`plainnet.profiler.fused_memory`).

    outside: tensors whose storages do not count, such as weights.
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: nothing is compiled here, and torch would import its compiler to leave this class out."""
        return False

    def __init__(self, *, outside: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.unseen: set[str] = set()
        """fused operators of which it is not known what they hold"""
        self._alive: dict[int, weakref.ref[Any]] = {}
        self._outside = storages_of(outside)

    def hold(self, tensors: Iterable[Any], *, at_once: bool = True) -> None:
        """Count tensors that are there already, such as inputs. at_once: beside all that is alive now; otherwise beside what is
        left of that when the next operator begins."""
        for key, storage in storages_of(tensors).items():
            if key in self._alive or key in self._outside:
                continue
            size = storage.nbytes()
            self._alive[key] = weakref.ref(storage, self._farewell(key, size))
            self.now += size
        if at_once:
            self._look()

    def _look(self) -> None:
        self.peak = max(self.peak, self.now)

    def __exit__(self, *error: object) -> None:
        self._look()
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def _farewell(self, key: int, size: int) -> Any:
        def gone(_: Any) -> None:
            self.now -= size
            del self._alive[key]

        return gone

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._look()
        if func in FUSED:
            inside = bytes_inside(func, args, kwargs or {})
            self.peak = max(self.peak, self.now + (inside or 0))
            if inside is None:
                self.unseen.add(str(func))
        refuse_types(func, args)
        out = func(*args, **(kwargs or {}))
        if func is _LSTM and args[-1] and not out[-1].numel():
            raise RuntimeError("what an LSTM keeps for its backward pass is known when it runs")
        self.hold(tree_leaves(out), at_once=not _is_in_place(func, args))
        return out


def _is_in_place(func: Any, args: Any) -> bool:
    """Whether autograd, which sums the gradients of a value that is used several times, would add to the first of them in place
    if nobody watched: where it is dense and no view. (What something else has, too, is alive when the next operator begins.)
    """
    if func is not torch.ops.aten.add.Tensor or torch._C._current_graph_task_id() < 0:
        return False
    first = args[0]
    return first.layout == torch.strided and not first._is_view() and _is_dense(first)


def _is_dense(tensor: Tensor) -> bool:
    """Whether the elements fill their stretch of memory once, in whatever order of the axes."""
    if not tensor.numel():
        return True
    filled = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride != filled:
                return False
            filled *= size
    return True


_LSTM = torch.ops.aten.mkldnn_rnn_layer.default
"""Its last argument is whether there will be a backward pass, its last output what it keeps for that: without contents nothing,
which is not so."""


@contextmanager
def saved_for_backward(outside: Iterable[Tensor]) -> Iterator[dict[int, int]]:
    """Within it the bytes of the storages that autograd keeps for the backward pass are noted, by storage; those of tensors
    `outside` (weights) are left out.
    """
    known = storages_of(outside)
    sizes: dict[int, int] = {}
    kept: list[Tensor] = []  # so that no other storage can have the place of one that was freed

    def pack(tensor: Tensor) -> Tensor:
        for key, storage in storages_of([tensor]).items():
            if key not in known:
                sizes[key] = storage.nbytes()
        kept.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes
    kept.clear()
