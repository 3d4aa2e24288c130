"""What a `type` asks for, called with its arguments; an argument that is such a mapping itself is built first.

model:
  type: mine.py:TwoStages
  first: {type: PlainNet, structure: ..., num_classes: null}
  act: {type: SiLU}                 # parts of networks: PlainNet, the classes of torch.nn, or an import path

Elsewhere an argument is of the kind that it is an argument of (a loss of losses). A parameter that is annotated as a mapping
gets it as it is written.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plainnet.engine.data.source import Shape
from plainnet.engine.run.arguments import annotations_of
from plainnet.engine.run.network_arguments import named_structure, network_arguments
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import Spec
from plainnet.errors import PlainnetError, UsageError

__all__ = ["Maker", "inner_kind", "inner_specs", "make"]

PLAIN_KINDS = ("optimizer", "schedule")
"""Kinds whose arguments are never built."""
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Maker:
    """Builds by name. shape and num_classes: of the data, for what a PlainNet leaves open. from_data: the names stand in a
    file that is no configuration, so that they can name no code.
    """

    registry: Registry
    shape: Shape | None = None
    num_classes: int | None = None
    from_data: bool = False

    def find(self, kind: str, name: str) -> Callable[..., Any]:
        """What answers to the name."""
        find = self.registry.find_from_data if self.from_data else self.registry.find
        function: Callable[..., Any] = find(kind, name)
        return function

    def make(self, kind: str, name: str, arguments: Mapping[str, Any], /, *positional: Any, **given: Any) -> Any:
        """The object of the name, called with the arguments and what the engine gives."""
        function = self.find(kind, name)
        arguments = self._complete(kind, name, arguments)
        built = {key: self._built(kind, function, key, value) for key, value in arguments.items()}
        try:
            return function(*positional, **built, **given)
        except PlainnetError:
            raise
        except ValueError as error:  # what a constructor says about a value
            raise UsageError(f"the {kind} {name} does not take that: {error}") from error

    def _complete(self, kind: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if kind not in ("model", "part") or self.shape is None or self.num_classes is None:
            is_ours = kind in ("model", "part") and name == "PlainNet"
            return {**arguments, **named_structure(arguments)} if is_ours else dict(arguments)
        return network_arguments(name, arguments, shape=self.shape, num_classes=self.num_classes)

    def _built(self, kind: str, function: Callable[..., Any], key: str, value: Any) -> Any:
        for path, spec in inner_specs(kind, function, {key: value}):
            inner = inner_kind(kind)
            made = self.make(inner, spec["type"], {name: item for name, item in spec.items() if name != "type"})
            value = _replaced(value, path[1:], made)
        return value


def make(registry: Registry, kind: str, spec: Spec, /, *positional: Any, **given: Any) -> Any:
    """What a spec asks for, called with its arguments and the engine's own."""
    return Maker(registry).make(kind, spec.type, spec.arguments, *positional, **given)


def inner_kind(kind: str) -> str:
    """What an argument of this kind of thing is looked up as."""
    return "part" if kind == "model" else kind


def inner_specs(
    kind: str, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The outermost mappings with a `type` among the arguments, with their places; those below them are their own."""
    if kind in PLAIN_KINDS:
        return
    kinds = annotations_of(function)
    for key, value in arguments.items():
        if not _is_mapping(kinds.get(key)):
            yield from _specs_in(value, (key,))


def _specs_in(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _specs_in(item, (*path, key))


def _is_mapping(kind: Any) -> bool:
    """Whether an annotation takes a mapping."""
    origin = typing.get_origin(kind) or kind
    if origin in (typing.Union, types.UnionType):
        return any(_is_mapping(one) for one in typing.get_args(kind))
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _replaced(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    first, *rest = path
    if isinstance(value, dict):
        return {key: _replaced(item, tuple(rest), new) if key == first else item for key, item in value.items()}
    return [_replaced(item, tuple(rest), new) if number == first else item for number, item in enumerate(value)]
