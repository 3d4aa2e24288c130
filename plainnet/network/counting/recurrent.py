"""What LSTM, GRU and RNN layers cost, by one formula for all their steps.

Without data torch takes a recurrent layer apart step by step: thousands of operators, seconds of time, for a number that
follows from the shapes. So its call is caught as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.utils._device import DeviceContext

__all__ = ["RecurrentLayers", "layer_cost"]

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
"""How many times as wide as the state the products with the input are."""
_OTHERS = {"lstm": (5, 5, 3), "gru": (3, 5, 2), "rnn_tanh": (1, 1, 0), "rnn_relu": (1, 1, 0)}
"""Activations, additions and products of a step, for each unit of its state."""
_KINDS: dict[Any, str] = {getattr(torch, name): name for name in _GATES}


def layer_cost(
    kind: str, rows: int, input_weight: Tensor, state_weight: Tensor, *, biased: bool, projection: Tensor | None = None
) -> dict[str, int]:
    """One direction of one layer over `rows` steps, each of one sequence.

    lstm: i, f, g, o = W x + U h (4 H sums; 3 sigmoids and a tanh), c' = f c + i g, h' = o tanh(c'), and R h' with a
    projection. gru: r, z, n (3 H; n takes r * (U h)), h' = (h - n) z + n. rnn: tanh or relu of W x + U h. Biases count where
    they are added: with W x and with U h.
    """
    wide = input_weight.shape[0]
    units = wide // _GATES[kind]
    weights = [input_weight, state_weight, *([projection] if projection is not None else [])]
    acts, adds, muls = _OTHERS[kind]
    return {
        "macs": rows * sum(weight.numel() for weight in weights),
        "activations": rows * (2 * wide + (projection.shape[0] if projection is not None else 0)),
        "bias_ops": 2 * rows * wide if biased else 0,
        "act_ops": rows * units * acts,
        "add_ops": rows * units * adds,
        "mul_ops": rows * units * muls,
    }


class RecurrentLayers(DeviceContext):
    """Catches the calls of recurrent layers: their costs go to `add(operator, cost)`, and what they would run is not seen.

    On the meta device only the shapes of their outputs are made; elsewhere they run, within `unseen()`. As each mode of this kind
    looks at every call, this one is also that of the device on which tensors are made.
    """

    def __init__(
        self,
        device: torch.device,
        add: Callable[[str, dict[str, int]], None],
        unseen: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        super().__init__(device)
        self.add, self.unseen = add, unseen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kind = _KINDS.get(func) if getattr(func, "__name__", "") in _GATES else None
        call = _Call.read(kind, args) if kind is not None and not kwargs and _are_plain(args) else None
        if call is None:
            return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]
        with self.unseen():
            out = call.outputs() if call.data.device.type == "meta" else func(*args)
        self.add(f"aten.{kind}", call.cost())
        return out


def _are_plain(args: Sequence[Any]) -> bool:
    """Whether the first tensor has the shape that it shows: one inside of `torch.vmap` is a part of a larger one."""
    return bool(args) and type(args[0]) is Tensor and not torch._C._functorch.is_functorch_wrapped_tensor(args[0])


class _Call:
    """The arguments of torch.lstm, gru, rnn_tanh or rnn_relu, for a padded batch or a packed one."""

    def __init__(
        self, kind: str, data: Tensor, states: list[Tensor], params: Sequence[Tensor], rest: Sequence[Any]
    ) -> None:
        self.kind, self.data, self.states, self.params = kind, data, states, params
        self.biased, self.bidirectional = bool(rest[0]), bool(rest[4])
        self.batch_first = bool(rest[5]) if len(rest) > 5 else False
        self.packed = len(rest) == 5

    @classmethod
    def read(cls, kind: str, args: Sequence[Any]) -> _Call | None:
        """None for a call that is better left to torch: one with dropout, or one that torch will refuse."""
        places = [index for index, arg in enumerate(args) if isinstance(arg, (list, tuple)) and index >= 2]
        if not places or not isinstance(args[0], Tensor):
            return None
        at = places[-1]
        hidden = args[at - 1]
        states = list(hidden) if isinstance(hidden, (list, tuple)) else [hidden]
        rest = args[at + 1 :]
        if len(rest) not in (5, 6) or (rest[3] and rest[2]) or len(states) != (2 if kind == "lstm" else 1):
            return None
        call = cls(kind, args[0], states, args[at], rest)
        return call if call.data.dim() == (2 if call.packed else 3) and call._fits(int(rest[1])) else None

    def _fits(self, layers: int) -> bool:
        """Whether the weights are those of as many layers, input and states: without data torch would not notice."""
        groups, directions = self._layers(), 2 if self.bidirectional else 1
        width, state = self.data.shape[-1], self.states[0].shape[-1]
        if len(groups) != layers * directions or any(len(group) != len(groups[0]) for group in groups):
            return False
        units = self.states[-1].shape[-1]
        return all(
            group[0].shape == (_GATES[self.kind] * units, width if index < directions else state * directions)
            and group[1].shape == (_GATES[self.kind] * units, state)
            for index, group in enumerate(groups)
        ) and all(part.shape[0] == layers * directions for part in self.states)

    def _layers(self) -> list[Sequence[Tensor]]:
        """The weights of each layer and direction: W, U, two biases, R."""
        projected = self.kind == "lstm" and self.states[0].shape[-1] != self.states[1].shape[-1]
        size = 2 + 2 * self.biased + projected
        return [self.params[start : start + size] for start in range(0, len(self.params), size)]

    def cost(self) -> dict[str, int]:
        rows = self.data.shape[0] if self.packed else self.data.shape[0] * self.data.shape[1]
        total: dict[str, int] = {}
        for weights in self._layers():
            projection = weights[-1] if len(weights) % 2 else None
            cost = layer_cost(self.kind, rows, weights[0], weights[1], biased=self.biased, projection=projection)
            total = {column: total.get(column, 0) + count for column, count in cost.items()}
        return total

    def outputs(self) -> tuple[Tensor, ...]:
        """Tensors of the right shapes: the output of every step, and the last states."""
        width = self.states[0].shape[-1] * (2 if self.bidirectional else 1)
        out = self.data.new_empty((*self.data.shape[:-1], width))
        return (out, *(torch.empty_like(state) for state in self.states))
