"""The written source against the network that it was written for, before anybody gets it."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError
from plainnet.export.network import Network

if TYPE_CHECKING:
    from torch import nn

__all__ = ["check_model_source", "constants_of", "read_source"]

_IMPORTS = {"math", "collections.abc", "torch"}


def check_model_source(source: str, network: Network) -> None:
    """Raise `UsageError` unless `model.py` reads back as what was meant and builds the network of `PlainNet`.

    It is parsed, and holds nothing but imports of torch, the constants that were meant, classes and functions. It is
    built on the meta device: the same keys and shapes in the same order, the same layers of torch with the same
    arguments, the same params, MACs and output.
    """
    tree = read_source(source, "model.py")
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            _require(set(modules) <= _IMPORTS, network, f"it imports {', '.join(modules)}")
        else:
            kinds = (ast.Assign, ast.ClassDef, ast.FunctionDef)
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            _require(isinstance(node, kinds) or is_text, network, f"line {node.lineno} is neither class nor constant")
    _compare(network, constants_of(tree), network.constants())
    expected, found = _built(network, source)
    _compare(network, _tensors(found), _tensors(expected))
    _compare(network, _layers(found), _layers(expected))
    params = sum(parameter.numel() for parameter in found.parameters())
    _compare(network, {"params": params}, {"params": network.counts.params})
    _compare(
        network, _run(found, network), {"output": network.counts.output_shape.as_list(), "macs": network.counts.macs}
    )


def read_source(source: str, name: str) -> ast.Module:
    """The syntax tree of a file that was written; `UsageError` if it is no Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{name} cannot be written: it would be no Python ({error})") from None


def constants_of(tree: ast.Module) -> dict[str, Any]:
    """The names that a file gives to literals."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def _built(network: Network, source: str) -> tuple[nn.Module, nn.Module]:
    import torch

    module = types.ModuleType("exported_model")
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        expected = network.build("default").eval()
        try:
            exec(compile(source, "model.py", "exec"), vars(module))
            found: nn.Module = module.Net().eval()
        except Exception as error:
            raise UsageError(_refusal(network, f"{type(error).__name__}: {error}")) from error
    return expected, found


def _tensors(module: nn.Module) -> dict[str, object]:
    return {key: list(value.shape) for key, value in module.state_dict().items()}


def _layers(module: nn.Module) -> dict[str, object]:
    """Every layer of torch's by its name, with its arguments; the identity does nothing and may be left out."""
    parts = ((name, part) for name, part in module.named_modules() if type(part).__module__.startswith("torch.nn"))
    leaves = ((name, part) for name, part in parts if not list(part.children()))
    return {name: repr(part) for name, part in leaves if type(part).__name__ != "Identity"}


def _run(module: nn.Module, network: Network) -> dict[str, object]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        try:
            out = module(torch.empty(1, *network.shape, device="meta"))
        except Exception as error:
            raise UsageError(_refusal(network, f"{type(error).__name__}: {error}")) from error
    return {"output": list(out.shape[1:]), "macs": counter.get_total_flops() // 2}


def _compare(network: Network, found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """The first difference of two mappings, the order of their keys included, as an error."""
    wrong: Iterable[str] = (key for key in expected if key not in found or found[key] != expected[key])
    for key in wrong:
        _require(False, network, f"{key} is {found.get(key, 'missing')} where {expected[key]} is meant")
    more = [key for key in found if key not in expected and not key.isupper()]
    _require(not more, network, f"it has {', '.join(more[:3])}, and the network has not")
    order = [key for key in found if key in expected]
    _require(order == list(expected), network, "its layers come in another order")


def _require(condition: bool, network: Network, what: str) -> None:
    if not condition:
        raise UsageError(_refusal(network, what))


def _refusal(network: Network, what: str) -> str:
    return f"{network.title} cannot be written as source that is the same network: {what}"
