"""Parameters found by patterns: groups of the optimizer, and what is frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from plainnet.errors import UsageError, nearest
from plainnet.files.expressions import Expression, whole_matches
from plainnet.network.channel_modules import ChannelScale, LayerNorm

__all__ = [
    "MULTIPLES",
    "Matched",
    "check_optimizer_kind",
    "matched_groups",
    "matching",
    "modes_kept",
    "modules_matching",
    "named_parameters",
    "parameter_groups",
    "with_multiples",
]

EXPRESSION = "re:"
"""How a pattern begins that is a regular expression."""
MULTIPLES = {"lr_mult": "lr", "decay_mult": "weight_decay"}
"""Options of a group that are multiples of the optimizer's own."""
NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, LayerNorm)


def named_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by name; a task's `model.` in front is left out, so that names are the network's own."""
    return {name.removeprefix("model."): parameter for name, parameter in model.named_parameters()}


def modules_matching(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    """The modules whose names match one of the patterns (*, ?), by name; a pattern that matches none is an error."""
    modules = {name.removeprefix("model."): module for name, module in model.named_modules() if name}
    found: dict[str, nn.Module] = {}
    for pattern in patterns:
        matched = {name: module for name, module in modules.items() if fnmatchcase(name, pattern)}
        if not matched:
            near = nearest(pattern, modules)
            raise UsageError(f"no module matches {pattern}{f'; did you mean {near}?' if near else ''}")
        found |= matched
    return found


def matching(model: nn.Module, patterns: str | Sequence[str]) -> set[str]:
    """The names of the parameters that one of the patterns matches.

    A pattern is a name with * and ?, a regular expression for a whole name after `re:`, or `@norm` (of normalisation layers),
    `@bias`, `@no_decay` (both, and the scales of channels). One that matches nothing is an error.
    """
    names = list(named_parameters(model))
    norms, scales = _parameters_of(model, NORMS), _parameters_of(model, (ChannelScale,))
    biases = {name for name in names if name.rpartition(".")[2] == "bias"}
    special = {"@norm": norms, "@bias": biases, "@no_decay": norms | scales | biases}
    found: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matched = special.get(pattern) or _matched(pattern, names)
        if not matched and pattern not in special:
            near = nearest(pattern, [*special, *names])
            hint = f"; did you mean {near}?" if near else f"; parameters are called {names[0]}, ..., {names[-1]}"
            raise UsageError(f"no parameter matches {pattern}{hint}")
        found |= matched
    return found


def _parameters_of(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> set[str]:
    return {
        f"{prefix}.{name}".removeprefix("model.")
        for prefix, module in model.named_modules()
        if isinstance(module, kinds)
        for name, _ in module.named_parameters(recurse=False)
    }


def _matched(pattern: str, names: Sequence[str]) -> set[str]:
    if not pattern.startswith(EXPRESSION):
        return {name for name in names if fnmatchcase(name, pattern)}
    expression = Expression(pattern.removeprefix(EXPRESSION), "", f"the pattern {pattern}")
    return set(whole_matches([expression], names))


@dataclass(frozen=True)
class Matched:
    """The parameters of a group of the optimizer: by which patterns, with which options, and their names. Patterns are empty for
    the parameters that no group matches.
    """

    patterns: tuple[str, ...]
    options: Mapping[str, Any]
    names: tuple[str, ...]


def matched_groups(model: nn.Module, groups: Sequence[tuple[str | Sequence[str], Mapping[str, Any]]]) -> list[Matched]:
    """The rest first, then what each of `groups` matches of what those before it have left: maybe nothing."""
    names, taken, result = list(named_parameters(model)), set[str](), list[Matched]()
    for patterns, options in groups:
        found = matching(model, patterns) - taken
        taken |= found
        listed = (patterns,) if isinstance(patterns, str) else tuple(patterns)
        result.append(Matched(listed, options, tuple(name for name in names if name in found)))
    return [Matched((), {}, tuple(name for name in names if name not in taken)), *result]


def parameter_groups(
    model: nn.Module, groups: Sequence[tuple[str | Sequence[str], Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Groups for a torch optimizer: each parameter has the options of the first of `groups` that matches it."""
    parameters = named_parameters(model)
    found = [group for group in matched_groups(model, groups) if group.names]
    return [{"params": [parameters[name] for name in group.names], **group.options} for group in found]


def with_multiples(options: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """A group's options, its `lr_mult` and `decay_mult` turned into `lr` and `weight_decay`: multiples of the optimizer's."""
    found = {name: value for name, value in options.items() if name not in MULTIPLES}
    for name, of in MULTIPLES.items():
        if name not in options:
            continue
        multiple, base = options[name], common.get(of)
        if of in options:
            raise UsageError(f"a group has {of} and {name}; accepted: one of them")
        for what, value in ((name, multiple), (f"optim.{of}", base)):
            if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
                raise UsageError(f"{what} is {value!r}, and {name} multiplies {of}; accepted: numbers of 0 or more")
        found[of] = base * multiple
    return found


def check_optimizer_kind(kind: Any) -> None:
    """Raise `UsageError` for an optimizer that the loop cannot step."""
    if isinstance(kind, type) and issubclass(kind, torch.optim.LBFGS):
        raise UsageError("LBFGS computes the loss several times in a step, which this engine does not do")


@contextmanager
def modes_kept(*models: nn.Module) -> Iterator[None]:
    """Every module in training or not, after the block as before it."""
    before = [(module, module.training) for model in models for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
