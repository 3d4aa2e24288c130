"""What a public function gives back shows itself, or is a plain value for a reason."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import plainnet
from plainnet.results.result import Result

ROOT = Path(plainnet.__file__).parent.parent
IMPORT = re.compile(r"from (plainnet[\w.]*) import (\([^)]*\)|[\w, ]+)")
PLAIN = {
    "Subject": "the network itself as it was named, which every other function takes",
    "Setting": "an option that is handed on",
    "SearchConfig": "what a search is asked, and no answer",
    "Rung": "a part of what a search is asked",
    "Proxy": "a function with its name, to be called",
    "Target": "a function with its name, to be called",
    "LatencyModel": "a model that is asked for predictions",
    "DataSource": "samples that a training reads",
    "Ratio": "a sum and a count, which become a metric",
    "Said": "what a task tells the predictor, which makes an `Answer` of it",
    "Weights": "tensors, and where they came from",
    "PublishedNetwork": "a network with the figures of its paper",
    "TrainConfig": "what a training is asked, and no answer",
    "Space": "what a search may make, and no answer",
    "Measured": "a row of a `Conversion`, which shows all of them",
    "TrainedNetworks": "networks with accuracies, which a calibration is fitted to",
    "Point": "a line of the table of `plainnet analyze --batch 1,8`, which hands in how it is measured",
    "View": "how a result shows itself",
}
"""Values that are no answers: they are asked, called or handed on."""

MEASURED = re.compile(r"^def ((?:measure|compare|count|trace|verify)_\w+)\(", re.M)
"""Functions that answer something."""
LANGUAGE = "plainnet.blocks."
"""Networks, blocks, layers, rows and their sums: the values that all answers are made of."""


def documented() -> set[tuple[str, str]]:
    """(module, name) of what documents and examples import."""
    files = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.*")]
    texts = [file.read_text(encoding="utf-8") for file in files if file.suffix in (".md", ".py", ".ipynb")]
    return {
        (module, name.strip())
        for text in texts
        for module, names in IMPORT.findall(text.replace("\\n", "\n"))
        for name in re.sub(r"[()]|#.*|\bas \w+", "", names).split(",")
        if name.strip().isidentifier()
    }


def measurements() -> set[tuple[str, str]]:
    """(module, name) of the functions that measure, count and compare, named in documents or not."""
    return {
        (".".join(file.relative_to(ROOT).with_suffix("").parts), name)
        for room in ("network", "profiler", "platforms")
        for file in (ROOT / "plainnet" / room).rglob("*.py")
        for name in MEASURED.findall(file.read_text(encoding="utf-8"))
    }


def public() -> Iterator[tuple[str, Any]]:
    """What rooms say is public, what documents import, and what measures: the name with its module, and the value."""
    rooms = [importlib.import_module("plainnet"), *(importlib.import_module(f"plainnet.{r}") for r in plainnet._ROOMS)]
    names = (
        {(room.__name__, name) for room in rooms for name in getattr(room, "__all__", ())}
        | documented()
        | measurements()
    )
    for module, name in sorted(names):
        value = getattr(importlib.import_module(module), name, None)
        if inspect.isfunction(value):
            yield f"{module}.{name}", value
        elif inspect.isclass(value):
            for key, member in vars(value).items():
                inner = getattr(member, "__func__", member.fget if isinstance(member, property) else member)
                if not key.startswith("_") and inspect.isfunction(inner):
                    yield f"{module}.{name}.{key}", inner


@cache
def imported_names(module: ModuleType) -> dict[str, tuple[str, str | None]]:
    """What a file imports anywhere, for types alone among it: the name there -> its module, and what of that."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: (alias.name, None) for alias in node.names}
    return found


def meant(annotation: str, module: ModuleType) -> Any:
    """The type that an annotation means in a file."""
    known = dict(vars(module))
    for node in ast.walk(ast.parse(annotation, mode="eval")):
        if isinstance(node, ast.Name) and node.id not in known and node.id in imported_names(module):
            source, name = imported_names(module)[node.id]
            loaded = importlib.import_module(source)
            known[node.id] = loaded if name is None else getattr(loaded, name)
    return eval(annotation, known)


def returned(function: Callable[..., Any]) -> Iterator[type]:
    """The classes in the annotation of what a function gives back."""
    inner: Any = inspect.unwrap(function)
    said = inner.__annotations__.get("return")
    module = sys.modules[inner.__globals__["__name__"]]
    pending = [meant(said, module) if isinstance(said, str) else said]
    while pending:
        each = pending.pop()
        pending += typing.get_args(each)
        if inspect.isclass(each):
            yield each


def is_plain_record(kind: type) -> bool:
    """Whether it is a dataclass or a checked section, and has none of the ways in which a result shows itself. Tuples with names
    are values.
    """
    has_fields = dataclasses.is_dataclass(kind) or hasattr(kind, "model_fields")
    return has_fields and not kind.__module__.startswith(LANGUAGE) and not issubclass(kind, Result)


FUNCTIONS = dict(public())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_public_function_gives_back_shows_itself(name: str) -> None:
    plain = [kind.__name__ for kind in returned(FUNCTIONS[name]) if is_plain_record(kind)]
    assert [kind for kind in plain if kind not in PLAIN] == []


def test_all_public_functions_are_looked_at() -> None:
    assert {"plainnet.evaluate", "plainnet.load_weights", "plainnet.profiler.memory.measure_memory"} <= FUNCTIONS.keys()
    kinds = {kind for function in FUNCTIONS.values() for kind in returned(function)}
    assert len([kind for kind in kinds if issubclass(kind, Result)]) > 10
    unused = PLAIN.keys() - {kind.__name__ for kind in kinds if is_plain_record(kind)}
    assert unused == set()


def test_a_plain_record_is_found() -> None:
    @dataclasses.dataclass
    class Answer:
        value: int

    def asked() -> list[Answer]:
        return [Answer(1)]

    asked.__annotations__["return"] = list[Answer]  # a name inside of a function is not one of its file
    assert [kind for kind in returned(asked) if is_plain_record(kind)] == [Answer]
