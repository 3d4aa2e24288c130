"""What can be asked of a record by name: its typed fields, where they stand, and what they are called in short."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel

from plainnet.store.record import Metric, Record

__all__ = ["ALIASES", "LISTS", "columns", "metric_values", "short_names", "value_at"]

TEXT, NUMBER, TRUTH = "text", "number", "truth"
LISTS = {"tags": "identity.tags", "parents": "identity.parents", "parts": "structure.parts", "classes": ""}
"""Short name -> the list of texts that it stands for; classes are those of every head."""
ALIASES = {"acc": "accuracy", "architecture": "structure.string"}
"""What fields and metrics are called, too."""
FREE = ("extra", "training.config", "structure.arguments", "structure.variant", "training.schedule", "input.reader")
"""Sections whose fields have no fixed names; what stands in them is asked for by its whole place (extra.anchors)."""
MEMBERS = ("input.trained_at", "input.mean", "input.std", "input.range", "code.passed")
"""Lists that are asked for what is in them: `224 in input.trained_at`."""


@cache
def columns() -> dict[str, str]:
    """Every field that holds one value, by its place (`cost.params`), with its kind."""
    return dict(_leaves(Record, ""))


def _leaves(model: type[BaseModel], place: str) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        where = f"{place}.{name}".lstrip(".")
        for kind in _alternatives(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _leaves(kind, where)
            elif (found := _scalar(kind)) is not None and where != "version":
                yield where, found


def _alternatives(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for each in typing.get_args(annotation) for kind in _alternatives(each) if kind is not type(None)]
    return [annotation]


def _scalar(kind: Any) -> str | None:
    if kind is bool:
        return TRUTH
    if kind in (int, float):
        return NUMBER
    if kind is str or typing.get_origin(kind) is typing.Literal:
        return TEXT
    return None


@cache
def short_names() -> dict[str, str]:
    """Short name -> place: the last word where it is one field's alone, not counting those further in; where several sections
    have it, that of the identity or of the cost.
    """
    found: dict[str, list[str]] = {}
    for place in columns():
        found.setdefault(place.rpartition(".")[2], []).append(place)
    short = {}
    for name, places in found.items():
        nearest = min(place.count(".") for place in places)
        outer = [place for place in places if place.count(".") == nearest]
        first = [place for place in outer if place.split(".")[0] in ("identity", "cost")]
        if len(outer) == 1 or len(first) == 1:
            short[name] = (first or outer)[0]
    return short


def value_at(data: Any, place: str) -> Any:
    """The value at a dotted place of plain data; None where there is none."""
    for word in place.split("."):
        data = data.get(word) if isinstance(data, dict) else None
    return data


def metric_values(metrics: list[Metric]) -> dict[str, float | None]:
    """Metrics by what they may be called: NAME, SPLIT.NAME, DATASET.NAME and DATASET.SPLIT.NAME, each the first of its kind.

    Records have the metrics of the validation in front.
    """
    found: dict[str, float | None] = {}
    for metric in metrics:
        keys = [metric.name, f"{metric.split}.{metric.name}"]
        if metric.dataset is not None:
            keys += [f"{metric.dataset}.{metric.name}", f"{metric.dataset}.{metric.split}.{metric.name}"]
        for key in keys:
            found.setdefault(key, metric.value)
    return found
