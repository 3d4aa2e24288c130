"""Every proxy keeps the contract: documented, seeded, and without a trace in the module or the process."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plainnet.errors import UsageError
from plainnet.proxies.catalogue import find_proxy
from plainnet.proxies.contract import Proxy
from plainnet.proxies.sampled.lent_module import untouched
from plainnet.proxies.shipped import SHIPPED
from plainnet.testing.proxies import ProxyContractError, check_proxy, disturbances, snapshot, witness_module


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_proxy_keeps_the_contract(name: str) -> None:
    check_proxy(name)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_proxy_names_its_source_or_formula(name: str) -> None:
    made = find_proxy(name)
    assert made.name == name
    assert made.cost
    assert made.needs
    if made.function.__module__ not in ("plainnet.proxies.closed_forms",) and name != "az_complexity":
        assert "ource: " in (made.function.__doc__ or "") or name == "zen_mc"


VALUES = itertools.count()


def careless(module: nn.Module) -> float:
    """Draws from a generator of its own making."""
    return float(next(VALUES)) + 0 * sum(p.numel() for p in module.parameters())


def wordless(module: nn.Module) -> float:
    return float(len(list(module.children())))


def several(images: Tensor) -> list[float]:
    """Gives a list."""
    return [float(len(images)), 1.0]


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (careless, ProxyContractError, "same seed"),
        (wordless, ProxyContractError, "docstring"),
        (several, UsageError, "returned .*; accepted: a number"),
    ],
)
def test_the_contract_test_can_fail(function: Callable[..., Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_proxy(Proxy(function.__name__, function))


def test_a_proxy_that_leaves_a_trace_is_found() -> None:
    module = witness_module()
    before = snapshot(module)
    module.head.register_forward_hook(print)
    module.stem.weight.data.mul_(2)
    module.norm.train()
    found = disturbances(before, snapshot(module))
    assert any("_forward_hooks" in name for name in found)
    assert "tensor stem.weight" in found
    assert any(name.startswith("norm.training") for name in found)


def wreck(module: nn.Module) -> None:
    """Change a module in every way, and fail."""
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    module.head = nn.Flatten()
    module.norm.running_mean.fill_(7)
    module.body[0].weight = nn.Parameter(torch.zeros(1))
    module.register_buffer("more", torch.zeros(1))
    module.forward = lambda x: x
    module.body.register_forward_pre_hook(print)
    module.seen.append(3)
    raise ZeroDivisionError


def test_the_guard_gives_back_what_was_changed_in_every_way() -> None:
    module = witness_module()
    before = snapshot(module)
    with pytest.raises(ZeroDivisionError), untouched(module):
        wreck(module)
    assert disturbances(before, snapshot(module)) == []
    assert module(torch.randn(2, 3, 8, 8)).shape == (2, 5)
