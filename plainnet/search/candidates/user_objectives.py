"""Objectives of the user's own: loaded, looked at before a search begins, and asked for numbers."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

from plainnet.blocks.structure import Structure
from plainnet.blocks.user import load_python_file
from plainnet.errors import PlainnetError, UsageError, nearest
from plainnet.search.candidates.budgets import Costs
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.faults import FAULTS, NoNumberError
from plainnet.search.candidates.genes import Genes
from plainnet.search.candidates.structures import as_structure

__all__ = ["UserFunction", "UserScorer", "load_objective", "user_scorer"]


class UserFunction:
    """A function of a structure and the setting as an objective."""

    def __init__(self, function: Callable[[Structure, Setting], float], setting: Setting, name: str) -> None:
        self._function, self._setting, self._name = function, setting, name

    def score(self, genes: Genes, costs: Costs) -> float:  # noqa: ARG002
        """What the function gives; `NoNumberError` for what is no number."""
        return _number_of(self._function(as_structure(genes), self._setting), self._name)


class UserScorer:
    """What the user's `prepare(setting)` gave, as an objective."""

    def __init__(self, scorer: Any, name: str) -> None:
        self._score, self._name = scorer.score, name

    def score(self, genes: Genes, costs: Costs) -> float:
        """What the scorer gives; `NoNumberError` for what is no number."""
        return _number_of(self._score(genes, costs), self._name)


def user_scorer(name: str, setting: Setting) -> UserFunction | UserScorer:
    """The objective that `file.py:name` or `module:name` means; `UsageError` where it cannot be called as it will be."""
    found = load_objective(name)
    short = name.rpartition(":")[2]
    if not hasattr(found, "prepare"):
        _check_call(found, name, f"{short}(structure, setting)", 2)
        return UserFunction(found, setting, name)
    _check_call(found.prepare, name, f"{short}.prepare(setting)", 1)
    try:
        scorer = found.prepare(setting)
    except PlainnetError:
        raise
    except FAULTS as error:
        raise UsageError(f"the objective {name}: prepare fails with {type(error).__name__}: {error}") from error
    if not callable(getattr(scorer, "score", None)):
        raise UsageError(f"the objective {name}: prepare gives {scorer!r}; accepted: what has score(genes, costs)")
    _check_call(scorer.score, name, "score(genes, costs)", 2)
    return UserScorer(scorer, name)


def load_objective(name: str) -> Any:
    """The object that `file.py:name` or `module:name` means."""
    source, _, attribute = name.rpartition(":")
    try:
        if source.endswith(".py"):
            module = load_python_file(source, "plainnet_user_objectives")
        else:
            module = sys.modules.get(source) or importlib.import_module(source)
    except PlainnetError:
        raise
    except FAULTS as error:
        what = f"{error}" if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise UsageError(f"the objective {name} cannot be imported: {what}") from error
    found = getattr(module, attribute, None)
    if not callable(found) and not hasattr(found, "prepare"):
        near = nearest(attribute, [each for each in vars(module) if callable(getattr(module, each))])
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"{source} has no function {attribute!r}{hint}")
    return found


def _check_call(function: Any, name: str, call: str, arguments: int) -> None:
    """See that a function takes what it will be given, and gives its answer at once."""
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise UsageError(
            f"the objective {name} is a coroutine or a generator; accepted: a function that gives a number"
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a function of C may not say what it takes
    try:
        signature.bind(*range(arguments))
    except TypeError as error:
        hint = "; name an object of the class, not the class" if "self" in signature.parameters else ""
        raise UsageError(f"the objective {name} takes {signature}, and it is called as {call}{hint}") from error


def _number_of(value: Any, name: str) -> float:
    """What an objective gave as a float. A text that reads like a number is none."""
    if isinstance(value, (str, bytes, complex)) or not hasattr(value, "__float__"):
        raise NoNumberError(f"the objective {name} gave {_short(value)}; accepted: a number")
    return float(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
