"""A bag of named values with what is known about them: the base of every data element."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, get_type_hints

import numpy as np
import torch
from torch import Tensor

from plainnet.errors import UsageError, nearest

__all__ = ["Element"]

ELSEWHERE = {
    "metainfo": "meta",
    "set_metainfo": "set_meta",
    "metainfo_keys": "meta",
    "all_keys": "keys",
    "set_field": "setattr",
}
"""Names that MMEngine's elements have -> what that is here. As values they would be beside what was meant, without a word."""


class Element:
    """Values by name, read and set as attributes (`sample.boxes`), and `meta`, which says something about them (a path, a
    size) and is not touched by what changes the values (`to`, `numpy`, an index).

    A subclass declares the type of a value by an annotation; another one is refused. Names keep the order in which they came.

    class Answer(Element):
        score: Tensor

    Raises `UsageError` for a name that is a method's, or is both a value's and one of `meta`, and for a value of another type.
    """

    def __init__(self, meta: Mapping[str, Any] | None = None, **values: Any) -> None:
        object.__setattr__(self, "_values", {})
        object.__setattr__(self, "_meta", {})
        self.set_meta(meta or {})
        for name, value in values.items():
            setattr(self, name, value)

    # What is there. ---------------------------------------------------------------------------------------------------

    @property
    def meta(self) -> dict[str, Any]:
        """What is known about the values: a copy."""
        return copy.copy(self._meta)

    def set_meta(self, meta: Mapping[str, Any]) -> None:
        """Say more about the values; what is known already under a name is replaced."""
        for name in meta:
            self._check_name(name, among=self._values, kind="a value")
        self._meta.update(meta)

    def keys(self) -> list[str]:
        """The names of the values, in their order."""
        return list(self._values)

    def values(self) -> list[Any]:
        """The values, in their order."""
        return list(self._values.values())

    def items(self) -> list[tuple[str, Any]]:
        """Names and values, in their order."""
        return list(self._values.items())

    def get(self, name: str, default: Any = None) -> Any:
        """A value, or one of `meta`; `default` where there is none."""
        return self._values.get(name, self._meta.get(name, default))

    def pop(self, name: str, *default: Any) -> Any:
        """Take a value away."""
        if name not in self._values and not default:
            raise self._unknown(name)
        return self._values.pop(name, *default)

    def __contains__(self, name: object) -> bool:
        return name in self._values or name in self._meta

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_values" not in self.__dict__:
            raise AttributeError(name)
        if name in self._values:
            return self._values[name]
        if name in self._meta:
            return self._meta[name]
        raise self._unknown(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._check_name(name, among=self._meta, kind="one of meta")
        declared = _declared(type(self)).get(name)
        if declared is not None and not isinstance(value, declared):
            raise UsageError(
                f"{type(self).__name__}.{name} is a {type(value).__name__}; accepted: a {declared.__name__}"
            )
        self._check_value(name, value)
        self._values[name] = value

    def __delattr__(self, name: str) -> None:
        self.pop(name)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _same((self._meta, self._values), (other._meta, other._values))

    __hash__ = None  # type: ignore[assignment]

    # New ones. --------------------------------------------------------------------------------------------------------

    def new(self, meta: Mapping[str, Any] | None = None, **values: Any) -> Self:
        """Another of the same class with other values; `meta` is this one's where none is given. Without values it has this
        one's, shared.
        """
        return type(self)(self._meta if meta is None else meta, **(values or self._values))

    def clone(self) -> Self:
        """A copy that shares nothing with this one."""
        return self._rebuilt(_cloned, copy.deepcopy(self._meta))

    def map(self, change: Callable[[Any], Any]) -> Self:
        """`change` applied to every tensor and array, those inside of elements and lists too; `meta` stays."""
        return self._rebuilt(lambda value: _mapped(value, change), self._meta)

    def to(self, *args: Any, **options: Any) -> Self:
        """Every tensor moved or converted as by `Tensor.to`."""
        return self.map(lambda value: value.to(*args, **options) if isinstance(value, Tensor) else value)

    def cpu(self) -> Self:
        """Every tensor on the CPU."""
        return self.to("cpu")

    def detach(self) -> Self:
        """Every tensor without its history."""
        return self.map(lambda value: value.detach() if isinstance(value, Tensor) else value)

    def numpy(self) -> Self:
        """Every tensor as an array."""
        return self.map(lambda value: value.detach().cpu().numpy() if isinstance(value, Tensor) else value)

    def tensor(self) -> Self:
        """Every array as a tensor."""
        return self.map(_as_tensor)

    def to_dict(self) -> dict[str, Any]:
        """The values by name, those of elements inside as dicts too."""
        return {name: value.to_dict() if isinstance(value, Element) else value for name, value in self.items()}

    def _rebuilt(self, change: Callable[[Any], Any], meta: Mapping[str, Any]) -> Self:
        made = object.__new__(type(self))
        object.__setattr__(made, "_values", {name: change(value) for name, value in self._values.items()})
        object.__setattr__(made, "_meta", dict(meta))
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {"_values": self._values, "_meta": self._meta}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    # As text. ---------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield type(self).__name__
        for name, value in self._meta.items():
            yield f"  {name} = {value!r}"
        for name, value in self._values.items():
            if isinstance(value, Element):
                first, *rest = value._lines()
                yield f"  {name}: {first}"
                yield from (f"  {line}" for line in rest)
            else:
                yield f"  {name}: {_described(value)}"

    # Checks. ----------------------------------------------------------------------------------------------------------

    def _check_value(self, name: str, value: Any) -> None:
        """What a subclass demands of a value that is to be set; it raises `UsageError`."""

    def _check_name(self, name: str, *, among: Mapping[str, Any], kind: str) -> None:
        if name in ELSEWHERE:
            raise UsageError(f"{name} is no value of a {type(self).__name__}: it is {ELSEWHERE[name]} here")
        if not name.isidentifier() or name.startswith("_") or hasattr(type(self), name):
            raise UsageError(f"{name!r} cannot name a value of {type(self).__name__}")
        if name in among:
            raise UsageError(f"{name} is {kind} of this {type(self).__name__} already")

    def _unknown(self, name: str) -> AttributeError:
        known = [*self._values, *self._meta]
        near = ELSEWHERE.get(name) or nearest(name, known)
        hint = f"did you mean {near}?" if near else f"it has {', '.join(known) or 'nothing'}"
        return AttributeError(f"{type(self).__name__} has no {name}; {hint}")


def _declared(cls: type) -> dict[str, type]:
    found: dict[str, type] = cls.__dict__.get("_declared_types")  # type: ignore[assignment]
    if found is None:
        try:
            hints = get_type_hints(cls)
        except NameError as error:
            raise UsageError(
                f"{cls.__name__} declares the type {error.name}, which cannot be found: declare it at the top of its file"
            ) from error
        found = {name: hint for name, hint in hints.items() if isinstance(hint, type) and not hasattr(cls, name)}
        type.__setattr__(cls, "_declared_types", found)
    return found


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Element):
        return value.map(change)
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(_mapped(item, change) for item in value)
    if isinstance(value, dict):
        return {name: _mapped(item, change) for name, item in value.items()}
    return change(value) if isinstance(value, Tensor | np.ndarray) else value


def _cloned(value: Any) -> Any:
    if isinstance(value, Element):
        return value.clone()
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(_cloned(item) for item in value)
    if isinstance(value, dict):
        return {name: _cloned(item) for name, item in value.items()}
    return copy.deepcopy(value)


def _as_tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) and value.dtype.kind in "biufc" else value


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.shape == other.shape and one.dtype == other.dtype and bool((one == other).all())
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other)) and one.dtype == other.dtype
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _described(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        kind = str(value.dtype).removeprefix("torch.")
        few = f" {value.tolist()}" if value.ndim < 2 and (not value.ndim or len(value) <= 4) else ""
        return f"{kind} {tuple(value.shape)}{few}"
    if isinstance(value, list | tuple) and len(value) > 4:
        return f"{type(value).__name__} of {len(value)}"
    return repr(value)
