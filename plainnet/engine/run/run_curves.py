"""What a training run wrote down as it went: metrics, rates and other numbers over its updates, from its files, without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from plainnet.errors import RunError, UsageError
from plainnet.files.text_files import json_value

__all__ = ["best_logged", "changes_of", "curves_of", "rounds_logged"]

POINTS = 1_000
"""Points of a curve at most, evenly drawn; the newest always."""
PLACES = ("event", "epoch", "iteration", "seconds", "not_finite")
KINDS: dict[str, Any] = {"iteration": int, "after_update": int, "seconds": int | float | None, "changed": dict}
LOG, CHANGES = "log.jsonl", "changes.jsonl"
Curve = list[tuple[float, float | None]]


def curves_of(folder: Path) -> dict[str, Any]:
    """The curves of a run's log.

    `rounds`: metric -> {"train": curve, "val": curve}, over updates; `steps`: what updates report (learning rate, times,
    gradients) -> curve; `tables`: the newest table of each name (a confusion matrix); `seconds`: of the last line; `updates`.
    A curve is a list of (update, value), None for what was not finite. Raises `RunError` for a line that is none.
    """
    rounds: dict[str, dict[str, Curve]] = {}
    steps: dict[str, Curve] = {}
    tables: dict[str, list[Any]] = {}
    seconds, updates = 0.0, 0
    for line in _lines(folder / LOG):
        at = line["iteration"]
        seconds, updates = float(line.get("seconds") or 0.0), at
        for name, value in line.items():
            if name in PLACES:
                continue
            if isinstance(value, list):
                tables[name] = value
            elif line["event"] == "epoch" and "/" in name and name.split("/", 1)[0] in ("train", "val"):
                part, metric = name.split("/", 1)
                rounds.setdefault(metric, {}).setdefault(part, []).append((at, _number(value)))
            elif name == "lr" or line["event"] == "train":
                steps.setdefault(name, []).append((at, _number(value)))
    return {
        "rounds": {
            metric: {part: _thinned(curve) for part, curve in parts.items()} for metric, parts in rounds.items()
        },
        "steps": {name: _thinned(curve) for name, curve in steps.items()},
        "tables": tables,
        "seconds": seconds,
        "updates": updates,
    }


def rounds_logged(folder: Path) -> int | None:
    """The rounds that a run has behind it by its log, also while it runs; None where the log does not say it."""
    found = None
    try:
        for line in _lines(folder / LOG):
            if line["event"] == "epoch" and isinstance(line.get("epoch"), int):
                found = line["epoch"]
    except (RunError, UsageError):
        return None
    return found


def best_logged(folder: Path, metric: str, *, is_small: bool) -> dict[str, Any]:
    """The best validation that a run has logged so far, also while it runs, with its round: the first of equals, as the run keeps
    it; nothing where there is none, or the log cannot be read.
    """
    best: dict[str, Any] = {}
    with suppress(RunError, UsageError):
        for line in _lines(folder / LOG):
            value = _number(line.get(f"val/{metric}")) if line["event"] == "epoch" else None
            if value is not None and (not best or (value < best["value"] if is_small else value > best["value"])):
                best = {"value": value, "round": line.get("epoch"), "iteration": line["iteration"]}
    return best


def changes_of(folder: Path) -> list[dict[str, Any]]:
    """What was changed when the run was taken up again: `after_update`, `changed` (key -> {"from", "to"}), `at`."""
    return list(_lines(folder / CHANGES, need=("after_update", "changed")))


def _lines(path: Path, need: tuple[str, ...] = ("event", "iteration")) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; none where it is not there. The last line may be half written."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                found = json_value(line.decode("utf-8", "replace"), f"{path}, line {number}")
                if not isinstance(found, dict) or any(name not in found for name in need):
                    raise RunError(f"{path} is damaged: line {number} is no record ({json.dumps(found)[:40]})")
                for name, kinds in KINDS.items():
                    if name in found and not isinstance(found[name], kinds):
                        raise RunError(f"{path} is damaged: line {number}: {name} is {json.dumps(found[name])[:40]}")
                yield found
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None


def _thinned(curve: Curve) -> Curve:
    every = -(-len(curve) // POINTS)
    return (
        curve if every <= 1 else [point for number, point in enumerate(curve) if (len(curve) - 1 - number) % every == 0]
    )
