"""The contract of a proxy, as one call: what plainnet relies on for every proxy, one of a user's own included.

from plainnet.testing.proxies import check_proxy

def test_my_proxy():
    check_proxy("my_proxy")
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from plainnet.blocks.structure import parse
from plainnet.errors import UsageError
from plainnet.proxies.catalogue import find_proxy
from plainnet.proxies.contract import Proxy
from plainnet.proxies.score import score, score_all
from plainnet.proxies.score_record import Score
from plainnet.testing.contract import BlockContractError

__all__ = ["ProxyContractError", "check_proxy", "disturbances", "witness_module"]

STRUCTURES = (
    "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,24,1,1)",
    "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,2,8,2)SuperConvK1BNRELU(16,32,1,1)",
)
SETTINGS: dict[str, Any] = {"resolution": 16, "batch": 8, "labels": "random"}
CLASSES = 5


class ProxyContractError(BlockContractError):
    """A proxy does not keep the contract; the message says which part."""


def _require(condition: bool, made: Proxy, what: str) -> None:
    if not condition:
        raise ProxyContractError(f"{made.name}: {what}")


def check_proxy(proxy: str | Proxy, **options: Any) -> None:
    """Check a proxy on small networks; `ProxyContractError` says what it does not keep.

    It is documented; it gives one number; the same seed gives the same number, whatever else is scored, and however many
    repeats there are; the random generators are left alone; and a module is left exactly as it was, also when its forward or
    its backward pass fails.
    """
    made = find_proxy(proxy) if isinstance(proxy, str) else proxy
    _require(bool(made.summary), made, "its function has no docstring")
    _check_structures(made, options)
    for failing in (None, "forward", "backward"):
        _check_module(made, failing, options)


def _check_structures(made: Proxy, options: dict[str, Any]) -> None:
    structures = [parse(text) for text in STRUCTURES]
    settings = {**SETTINGS, **options}
    before = _generators()
    found = score_all(structures, made, repeats=3, **settings)
    again = score_all(structures, made, repeats=3, **settings)
    _require(_same_state(before, _generators()), made, "leaves a random generator in another state")
    _require(
        all(map(_same_values, found, again)),
        made,
        "gives other values for the same seed: what is random does not follow from it",
    )
    for result in found:
        _require(all(isinstance(value, float) for value in result.values), made, "gives something else than a number")
        _require(result.repeats == (1 if made.is_exact else 3), made, f"has {result.repeats} values")
    if made.combine is None:
        alone = score(structures[1], made, repeats=2, **settings)
        _require(
            _equal(alone.values, found[1].values[: alone.repeats]),
            made,
            "depends on the repeats or networks scored before",
        )


def _same_values(first: Score, second: Score) -> bool:
    return _equal(first.values, second.values)


def _equal(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return len(first) == len(second) and bool(np.array_equal(first, second, equal_nan=True))


def _check_module(made: Proxy, failing: str | None, options: dict[str, Any]) -> None:
    """A module of a user's own, in an unusual state, is given back as it was."""
    module = witness_module(failing)
    before = snapshot(module)
    outcome: object = None
    try:
        outcome = score(module, made, repeats=2, **{**SETTINGS, **options})
    except UsageError as error:
        outcome = error
    found = disturbances(before, snapshot(module))
    when = f"after a failed {failing} pass" if failing else "after success"
    _require(not found, made, f"does not leave a module as it was ({when}): {'; '.join(found)}")
    needs_string = "string" in made.needs and made.of_module is None
    _require(bool(failing) or needs_string or isinstance(outcome, Score), made, f"cannot score a module: {outcome}")


class _FailingBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        raise RuntimeError("this backward pass fails")


class _Witness(nn.Module):
    """A small classifier with shared weights, a buffer, dropout, functional and in-place activations."""

    def __init__(self, failing: str | None) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.again = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.again.weight = self.body[0].weight  # type: ignore[assignment]
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, CLASSES)
        self.register_buffer("scale", torch.full((1,), 1.5))
        self.failing, self.calls, self.seen = failing, 0, list[int]()

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen.append(len(x))
        x = functional.relu(self.norm(self.stem(x)), inplace=True)
        x = self.body(x) + x
        x = self.again(x).relu_() * self.scale
        if self.failing == "forward":
            raise RuntimeError("this forward pass fails")
        if self.failing == "backward":
            x = _FailingBackward.apply(x)  # type: ignore[no-untyped-call]
        return self.head(self.drop(x.mean((2, 3))))  # type: ignore[no-any-return]


def _hook(part: nn.Module, inputs: object, out: object) -> None:
    """A hook of the user's."""


def witness_module(failing: str | None = None) -> nn.Module:
    """A classifier in an unusual state: frozen weights, gradients, hooks, mixed modes, a patched method; with `failing`
    its "forward" or "backward" pass raises.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = _Witness(failing)
    module.stem.weight.requires_grad_(False)
    module.head.weight.grad = torch.ones_like(module.head.weight)
    module.norm.eval()
    module.body.register_forward_hook(_hook)
    module.head.register_forward_hook(_hook)
    object.__setattr__(module.norm, "extra_repr", lambda: "patched")
    return module


def _generators() -> list[Any]:
    return [torch.get_rng_state(), random.getstate(), np.random.get_state()]


def snapshot(module: nn.Module) -> dict[str, Any]:
    """All of a module's state, and of the process's, by name."""
    found: dict[str, Any] = {}
    for index, (name, part) in enumerate(module.named_modules(remove_duplicate=False)):
        for key, value in vars(part).items():
            found[f"{name or 'module'}.{key} ({index})"] = (id(value), _copied(value))
    for name, tensor in [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]:
        facts = (id(tensor), tensor.data_ptr(), tensor.dtype, tensor.stride(), tensor.requires_grad, id(tensor.grad))
        found[f"tensor {name}"] = (facts, tensor.detach().clone())
    process = (
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_inference_mode_enabled(),
    )
    found["grad mode, threads, default dtype"] = process
    for name, state in zip(("torch", "python", "numpy"), _generators(), strict=True):
        found[f"the random generator of {name}"] = state
    return found


def _copied(value: Any) -> Any:
    """What a container holds, by identity; the value itself otherwise."""
    if isinstance(value, dict):
        return {key: id(held) for key, held in value.items()}
    return list(value) if isinstance(value, (list, set)) else value


def disturbances(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two snapshots, by name."""
    names = [name for name in dict.fromkeys([*before, *after]) if name not in before or name not in after]
    return names + [name for name in before if name in after and not _same_state(before[name], after[name])]


def _same_state(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        return isinstance(first, Tensor) and isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, np.ndarray):
        return bool(np.array_equal(first, second))
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(map(_same_state, first, second))
    return bool(first == second)
