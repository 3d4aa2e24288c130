"""Weights that a training begins with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from plainnet.errors import UsageError
from plainnet.files.tensor_files import read_tensors

__all__ = ["load_start"]

HEADS = ("head", "fc", "classifier")
"""What classifiers are called."""
SHOWN = 4


def load_start(model: nn.Module, path: Path, *, new_head: bool) -> str:
    """Load a safetensors file into the network, all of it or all but the classifier; the result says what was loaded."""
    tensors, _ = read_tensors(path)
    expected = model.state_dict()
    left = _head(model) if new_head else set[str]()
    misfits = [
        f"{name} {list(tensors[name].shape)} where {list(tensor.shape)} is meant"
        for name, tensor in expected.items()
        if name in tensors and name not in left and tensors[name].shape != tensor.shape
    ]
    problems = [
        *_listed("missing", [name for name in expected if name not in tensors and name not in left]),
        *_listed("unknown", [name for name in tensors if name not in expected and not _under(name, HEADS * new_head)]),
        *_listed("of another shape", misfits),
    ]
    if problems:
        names = {problem.split(" ")[0] for problem in misfits}
        only_head = len(problems) == 1 and names and all(_under(name, HEADS) for name in names)
        hint = "; model.new_head=true leaves the classifier out, for other classes" if only_head else ""
        raise UsageError(f"the weights {path} do not fit the network: {'; '.join(problems)}{hint}")
    taken = {name: tensor for name, tensor in tensors.items() if name in expected and name not in left}
    model.load_state_dict(taken, strict=False)
    new = f"; new, not loaded: {', '.join(sorted(left))}" if left else ""
    return f"loaded {len(taken)} of {len(expected)} tensors from {path}{new}"


def _head(model: nn.Module) -> set[str]:
    found = {name for name in model.state_dict() if _under(name, HEADS)}
    if not found:
        modules = ", ".join(name for name, _ in model.named_children())
        raise UsageError(
            f"model.new_head is true, and the network has none of {', '.join(HEADS)}; it has {modules or 'no modules'}"
        )
    return found


def _under(name: str, modules: Iterable[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}"]
