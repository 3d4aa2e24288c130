"""The arguments of what a configuration names, compared with what it takes."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from plainnet.errors import nearest

__all__ = ["ArgumentProblem", "annotations_of", "check_arguments"]

MAX_HINTS = 50
"""Unknown arguments that are compared with the known ones."""
MODULES = re.compile(r"\b(?:\w+\.)+(?=\w)")


@dataclass(frozen=True)
class ArgumentProblem:
    """An argument that a callable does not take (or misses, or takes otherwise), and the way out.

    on: what is wrong, the "key" or the "value".
    """

    name: str
    message: str
    hint: str = ""
    on: str = "key"


def check_arguments(
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    *,
    given: Iterable[str] = (),
    known: Iterable[str] = (),
    built: Iterable[str] = (),
) -> list[ArgumentProblem]:
    """What is wrong with calling `function(**arguments)` when the caller adds `given` itself.

    `known` are further keys that could have been meant. Values are compared with annotations, where there are any; those of
    `built` are descriptions of what the function will be given.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return []
    names = [
        name
        for name, p in parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and name not in given
    ]
    problems: list[ArgumentProblem] = []
    called = getattr(function, "__name__", str(function))
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for name in arguments:
            if name not in names:
                near = nearest(name, [*names, *known]) if len(problems) < MAX_HINTS else None
                hint = f"did you mean {near}?" if near else f"accepted: {', '.join(names) or 'nothing'}"
                problems.append(ArgumentProblem(name, f"{called} has no argument {name}", hint))
    for name in names:
        if parameters[name].default is inspect.Parameter.empty and name not in arguments:
            problems.append(ArgumentProblem(name, f"{called} needs {name}"))
    types = annotations_of(function)
    for name in names:
        if name not in arguments or name in built or name not in types or arguments[name] is parameters[name].default:
            continue
        if not _fits(arguments[name], types[name]):
            text = _text(types[name])
            problems.append(ArgumentProblem(name, f"{called} takes {text} here, got {arguments[name]!r}", on="value"))
    return problems


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a callable's parameters; none where one of them cannot be read. Names that are imported for type
    checkers alone are imported; of one that nothing is known of, every value is taken.
    """
    target: Any = function.__init__ if inspect.isclass(function) else function
    late: dict[str, Any] = {}
    while True:
        try:
            return typing.get_type_hints(target, localns=late)
        except NameError as error:
            if not error.name or error.name in late:
                return {}
            late[error.name] = _imported_for_checkers(target, error.name)
        except Exception:  # an annotation may be any expression
            return {}


class _Unknown:
    """A type that nothing is known of, with whatever parameters it has."""

    def __class_getitem__(cls, _: Any) -> type[_Unknown]:
        return cls

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> CoreSchema:
        return core_schema.any_schema()


def _imported_for_checkers(function: Any, name: str) -> Any:
    """What a module imports under `if TYPE_CHECKING:` by this name, or `_Unknown`."""
    try:
        module = sys.modules[function.__module__]
        tree = ast.parse(inspect.getsource(module))
        checked = [
            node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ]
        for node in (inner for branch in checked for inner in branch.body):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        source = importlib.import_module("." * node.level + (node.module or ""), module.__package__)
                        return getattr(source, alias.name)
    except Exception:  # a module without a source, or one that type checkers alone can import
        return _Unknown
    return _Unknown


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value from YAML may be given for this type: lists stand for tuples, but a word is no number."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(kind))
    try:
        read = _adapter(kind).validate_python(value)
    except ValidationError:
        return False
    except Exception:  # what pydantic cannot read is not checked, but no number and no text is an object of a class
        return not is_dataclass(kind)
    if isinstance(value, bool) or isinstance(read, bool):
        return isinstance(value, bool | int) and isinstance(read, bool)
    if isinstance(read, int):
        return isinstance(value, int)
    return not (isinstance(read, float) and isinstance(value, str))


def _adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a type that brings a configuration of its own
        return TypeAdapter(kind)


def _text(kind: Any) -> str:
    """A type as one reads it: `float | Tensor`."""
    text = kind.__name__ if inspect.isclass(kind) and not typing.get_args(kind) else str(kind)
    return MODULES.sub("", text).replace("NoneType", "none").replace("None", "none")
