"""A tree checked by a pydantic model, every problem at the place where it is written."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from plainnet.configs.bounds import MAX_SHOWN
from plainnet.configs.problems import ConfigProblem, shortened
from plainnet.configs.references import lookup
from plainnet.configs.tree import Node, Place, from_plain, to_plain
from plainnet.errors import nearest

__all__ = ["check", "default_at", "locate", "model_at", "model_keys"]

M = TypeVar("M", bound=BaseModel)


def check(tree: Node, model: type[M], *, problems: list[ConfigProblem]) -> M | None:
    """The tree as a `model`, or None with the reasons added to `problems`."""
    try:
        return model.model_validate(to_plain(tree))
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems.extend(
            _problem(tree, model, details, hints=i < MAX_SHOWN) for i, details in enumerate(_by_value(tree, found))
        )
        return None


KINDS = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "string": "a text", "list": "a list",
    "tuple": "a list", "dict": "a mapping of keys to values",
}  # fmt: skip
"""How the kinds of errors about types begin -> what is accepted, in words."""


def _kind_of(details: Any) -> str:
    """What was expected, in words, where an error says that a value is of another type; "" for other errors."""
    word, _, rest = details["type"].partition("_")
    return KINDS.get(word, "") if rest in ("type", "parsing", "from_float") else ""


def _by_value(tree: Node, found: Sequence[Any]) -> list[Any]:
    """The errors, one for a value that may be of several types: pydantic tells one for each of these."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for number, details in enumerate(found):
        own = () if _kind_of(details) or details["type"] in ("too_short", "too_long") else (number,)
        groups.setdefault((*locate(tree, details["loc"]), *own), []).append(details)
    merged = []
    for group in groups.values():
        others = [
            details for details in group if not _kind_of(details)
        ]  # it is of one of the types, and wrong otherwise
        kinds = list(dict.fromkeys(map(_kind_of, group)))
        several = {"msg": f"Input should be {' or '.join(kinds)}"} if len(kinds) > 1 and not others else {}
        merged += others or [{**group[-1], **several}]
    return merged


def _as_list(text: str) -> str:
    """How a list is written that a text may mean: [33, 17] for 33x17."""
    parts = [part for part in re.split(r"[x,;\s()\[\]]+", text) if part]
    return f"[{', '.join(parts)}]" if len(parts) > 1 else f"[{text}]"


def locate(tree: Node, path: tuple[str | int, ...], *, on: str = "value") -> tuple[Place, str]:
    """The place and dotted key of the deepest node on `path`; parts that are not keys of the tree are
    passed over.

    `on` is "value" or "key": which of the two the caret should stand under.
    """
    node, names = tree, []
    for part in path:
        if isinstance(node.value, dict) and part in node.value:
            node = node.value[str(part)]
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            continue
        names.append(str(part))
    return (node.key or node.place) if on == "key" else node.place, ".".join(names)


def _problem(tree: Node, model: type[BaseModel], details: Any, *, hints: bool) -> ConfigProblem:
    path, kind = details["loc"], details["type"]
    if kind == "extra_forbidden":
        place, key = locate(tree, path, on="key")
        owner = model_at(model, path[:-1])
        accepted = list(owner.model_fields) if owner else []
        near = nearest(str(path[-1]), accepted) if hints else None
        hint = f"did you mean {near}?" if near else f"accepted: {', '.join(accepted)}"
        return ConfigProblem(key, "unknown key", place, (hint,))
    if kind == "missing":
        place, key = locate(tree, path[:-1], on="key")
        return ConfigProblem(".".join([key, str(path[-1])]).lstrip("."), "is missing", place)
    place, key = locate(tree, path)
    if kind == "model_type":
        return ConfigProblem(key, *_no_mapping(model_at(model, path), key, details["input"], place))
    message = details["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    message = message.split(", unable to parse")[0].split(", got a number with")[0]
    message = message.replace("List should have", "must have").replace(" after validation", "")
    value = details["input"]
    shown = f", got {shortened(repr(value))}" if isinstance(value, str | int | float | bool | None) else ""
    way_out: tuple[str, ...] = ()
    if kind in ("literal_error", "enum") and isinstance(value, str) and hints:
        near = nearest(
            value, [word.strip("'") for word in details["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        )
        way_out = (f"did you mean {near}?",) if near else ()
    if kind in ("list_type", "tuple_type") and isinstance(value, str | int | float) and hints:
        way_out = (f"a list is written {shortened(_as_list(str(value)))}",)
    return ConfigProblem(key, f"{message}{shown}", place, way_out)


def _no_mapping(
    owner: type[BaseModel] | None, key: str, value: Any, place: Place
) -> tuple[str, Place, tuple[str, ...]]:
    """What to say of a value where a mapping is meant: of a name, that it is the mapping's type."""
    fields = list(owner.model_fields) if owner else []
    named = isinstance(value, str) and "type" in fields and key
    accepted = f"{key}.type={value}" if named else f"keys of {', '.join(fields)}"
    return f"is a mapping of keys to values, got {shortened(repr(value))}", place, (f"accepted: {accepted}",)


def model_at(model: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The pydantic model that reads the mapping at `path`, or None."""
    current: type[BaseModel] | None = model
    for part in path:
        if current is not None and part in current.model_fields:
            current = _model_in(current.model_fields[str(part)].annotation)
    return current


def default_at(tree: Node, model: type[BaseModel], key: str) -> Node | None:
    """What `model` puts at a dotted key that the tree says nothing about, or None."""
    parts = key.split(".")
    written = len(parts) - 1
    while written and lookup(tree, ".".join(parts[:written])) is None:
        written -= 1
    owner = model_at(model, tuple(parts[:written]))
    field = owner.model_fields.get(parts[written]) if owner else None
    if field is None or field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    found = from_plain(to_jsonable_python(value), "default")
    rest = parts[written + 1 :]
    return lookup(found, ".".join(rest)) if rest else found


def model_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The dotted keys that a model has fields for."""
    found = []
    for name, field in model.model_fields.items():
        found.append(f"{prefix}{name}")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += model_keys(field.annotation, f"{prefix}{name}.")
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, BaseModel)
    ):
        return annotation
    found = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((item for item in found if item is not None), None)
