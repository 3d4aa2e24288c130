"""A search space out of a configuration of TinyNAS: a Python file that is read, never run.

    image_size -> resolution      model.structure_info -> start      space.type -> the rules of the shipped space
    budgets    -> limits          score                -> objective

Source: alibaba/lightweight-neural-architecture-search, configs/.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plainnet.blocks.formats.tinynas_format import from_tinynas
from plainnet.blocks.text.literals import Opaque, read_statements
from plainnet.errors import StructureError, UsageError, nearest
from plainnet.files.text_files import read_text

__all__ = ["read_tinynas_config"]

SPACES = {f"space_{name}": f"tinynas-{name}" for name in ("k1kxk1", "k1kx", "kxkx", "k1dwk1", "k1dwsek1")}
"""TinyNAS's name of a space -> ours."""
LIMITS = {"flops": "macs", "layers": "convolutions", "model_size": "params", "efficient_score": "rho"}
"""TinyNAS's name of a budget -> ours. Its flops are MACs and a little more: 2 for each element that a batch norm puts out, 1
for each of a ReLU.
"""
SCORES = {
    "madnas": {"multi_block_ratio": "ratios"},
    "deepmad": {
        "multi_block_ratio": "ratios",
        "alpha1": "alpha1",
        "alpha2": "alpha2",
        "depth_penalty_ratio": "depth_penalty",
    },
}
"""Score -> its settings that we have, and what they are called here."""


def read_tinynas_config(path: Path) -> dict[str, Any]:
    """The space that a configuration means, as plain data, with `base`, the shipped space of its rules. What of it has no
    place in a space is told in `about`.

    No classifier is counted, as TinyNAS counts none. `UsageError` with what is missing, or not to be had here.
    """
    try:
        values = {each.name: each.value for each in read_statements(read_text(path, what="configuration"))}
    except StructureError as error:
        raise UsageError(f"{path} cannot be read as a configuration of TinyNAS: {error}") from None
    left_out: list[str] = []
    entries = _get(values, "model", path).get("structure_info")
    try:
        structure = from_tinynas(entries if isinstance(entries, Sequence) else [])
    except StructureError as error:
        raise UsageError(f"{path}: model.structure_info: {error}") from None
    kind = _get(values, "space", path).get("type")
    if kind not in SPACES:
        near = nearest(str(kind), SPACES)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"{path}: space.type is {kind!r}; accepted: {', '.join(SPACES)}{hint}")
    found = {
        "base": SPACES[kind],
        "start": str(structure),
        "resolution": _number(values.get("image_size"), "image_size", path),
        "limits": _limits(values.get("budgets"), path, left_out),
        "objectives": [_objective(_get(values, "score", path), path, left_out)],
    }
    left_out += [f"space.{key}" for key in _get(values, "space", path) if key not in ("type", "image_size")]
    left_out += [name for name in ("latency", "search") if name in values]
    said = f"; not in a space, and left out: {', '.join(left_out)}" if left_out else ""
    found["about"] = f"From the configuration {path.name} of TinyNAS, no classifier counted, flops taken for macs{said}"
    return found


def _get(values: Mapping[str | None, Any], name: str, path: Path) -> Mapping[str, Any]:
    found = values.get(name)
    if not isinstance(found, Mapping):
        raise UsageError(f"{path}: {name} is missing; accepted: a configuration of TinyNAS whose {name} is a dict")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _number(value: Any, name: str, path: Path) -> Any:
    if not _is_number(value) or value <= 0:
        raise UsageError(f"{path}: {name} is {value!r}; accepted: a positive number that is written down")
    return value


def _limits(budgets: Any, path: Path, left_out: list[str]) -> dict[str, float]:
    if not isinstance(budgets, Sequence) or not all(isinstance(each, Mapping) for each in budgets):
        raise UsageError(f"{path}: budgets are {budgets!r}; accepted: a list of dicts with type and budget")
    found = {}
    for each in budgets:
        kind = str(each.get("type"))
        if kind in LIMITS:
            found[LIMITS[kind]] = float(_number(each.get("budget"), f"the budget {kind}", path))
        else:
            left_out.append(f"the budget {kind} {each.get('budget')!r}")
    return found


def _objective(score: Mapping[str, Any], path: Path, left_out: list[str]) -> str:
    kind = score.get("type")
    if kind not in SCORES:
        raise UsageError(f"{path}: score.type is {kind!r}; accepted: {', '.join(SCORES)}")
    words = []
    for key, value in score.items():
        name = SCORES[kind].get(key)
        if isinstance(value, Opaque):
            raise UsageError(f"{path}: score.{key} is {value!r}; accepted: what is written down")
        if name is not None:
            if not _is_number(value) and not (isinstance(value, (list, tuple)) and all(map(_is_number, value))):
                raise UsageError(f"{path}: score.{key} is {value!r}; accepted: numbers that are written down")
            words.append(f"{name}={value!r}")
        elif key != "type":
            left_out.append(f"score.{key}")
    return f"{kind}({', '.join(words)})"
