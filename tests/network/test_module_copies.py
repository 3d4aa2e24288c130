"""Copies of modules are those that `copy.deepcopy` makes, for parts of every kind."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plainnet.network.module_copies import copied_module


class Own(nn.Module):
    """A part that says itself how it is copied."""

    def __init__(self) -> None:
        super().__init__()
        self.copies = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Own:
        made = Own()
        made.copies = self.copies + 1
        return made


class Pickled(nn.Linear):
    """A part that leaves something out of what it gives away."""

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "made": [1, [2]]}


class Slotted(nn.Module):
    __slots__ = ("aside",)

    def __init__(self) -> None:
        super().__init__()
        self.aside = [1]


def looped() -> nn.Module:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    object.__setattr__(net[0], "owner", net)
    net[1].weight = net[0].weight  # type: ignore[assignment]
    net.table = {"a": [net[0].bias, (1, 2)], 3: {"deep": net[1]}}  # type: ignore[assignment]
    net.same = net.table  # type: ignore[assignment]
    net.ordered = OrderedDict(b=1, a=[2])  # type: ignore[assignment]
    return net


KINDS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.ReLU6())),
    "recurrent": lambda: nn.LSTM(3, 4, 2),
    "attention": lambda: nn.TransformerEncoderLayer(8, 2, 16),
    "loops": looped,
    "own": lambda: nn.Sequential(Own(), nn.Linear(2, 3)),
    "pickled": lambda: nn.Sequential(Pickled(2, 3)),
    "slots": lambda: nn.Sequential(Slotted()),
}


def shown(value: Any, seen: dict[int, int]) -> Any:
    """All that can be reached from a value, with who is who by number."""
    if isinstance(value, (nn.Module, Tensor, dict, list)):
        if id(value) in seen:
            return seen[id(value)]
        seen[id(value)] = len(seen)
    if isinstance(value, nn.Module):
        aside = getattr(value, "aside", None)
        return type(value), shown(vars(value), seen), shown(aside, seen)
    if isinstance(value, Tensor):
        return type(value), value.requires_grad, value.tolist()
    if isinstance(value, dict):
        return type(value), [(key, shown(part, seen)) for key, part in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [shown(part, seen) for part in value]
    return repr(value) if not callable(value) else type(value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_that_of_deepcopy(kind: str) -> None:
    torch.manual_seed(0)
    net = KINDS[kind]()
    made = copied_module(net, list(net.modules()), {})
    assert shown(made, {}) == shown(copy.deepcopy(net), {})
    mine = {id(part) for part in net.modules()} | {id(value) for value in net.parameters()}
    assert mine.isdisjoint({id(part) for part in made.modules()} | {id(value) for value in made.parameters()})


def test_tensors_become_what_is_said_of_them() -> None:
    net = nn.Linear(2, 2)
    blank = nn.Parameter(torch.empty(2, 2, device="meta"))
    made = copied_module(net, [net], {id(net.weight): blank})
    assert made.weight is blank
    assert made.bias is not net.bias


def test_what_is_done_to_a_copy_is_not_done_to_the_module() -> None:
    net = looped()
    made = copied_module(net, list(net.modules()), {})
    made.register_forward_hook(lambda *_: None)
    made[0].register_buffer("more", torch.ones(1))  # type: ignore[index]
    made.table["a"].append(1)  # type: ignore[index, union-attr]
    assert (len(net._forward_hooks), list(net[0].buffers()), len(net.table["a"])) == (0, [], 2)  # type: ignore[index, arg-type]
