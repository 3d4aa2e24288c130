"""Every name and argument of a configuration checked before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from plainnet.configs import Config, ConfigProblem
from plainnet.engine.parameters import MULTIPLES
from plainnet.engine.run.arguments import check_arguments
from plainnet.engine.run.refusals import refusals
from plainnet.engine.run.registry import Registry, UnknownNameError
from plainnet.engine.run.schema import Spec, TrainConfig
from plainnet.engine.run.specs import inner_kind, inner_specs
from plainnet.errors import PlainnetError, StructureError, UsageError

__all__ = ["check_names"]

Path = tuple[str | int, ...]


def check_names(config: Config[TrainConfig], *, begun: bool = False) -> list[ConfigProblem]:
    """Every unknown name, unknown argument and wrong structure; where there is none, what the pieces refuse. begun: for a run
    that has trained something.
    """
    try:
        registry = Registry(config.value.imports)
    except PlainnetError as error:
        return [config.problem(("imports",), str(error))]
    problems = [
        problem
        for path, kind, spec, given in _specs(config.value)
        for problem in _check(
            config, registry, path, kind, spec.type, spec.arguments, given=given, known=list(type(spec).model_fields)
        )
    ]
    problems += _groups(config, registry)
    return problems or refusals(config, registry, begun=begun)


def _specs(value: TrainConfig) -> Iterator[tuple[Path, str, Spec, tuple[str, ...]]]:
    """Each spec with its path, its kind and the arguments that the engine adds."""
    yield ("model",), "model", value.model, ()
    teacher = ("teacher", "shape") if value.task.teacher is not None else ()
    yield ("task",), "task", value.task, ("model", "losses", *teacher)
    if value.task.teacher is not None:
        yield ("task", "teacher"), "model", value.task.teacher, ()
    for index, loss in enumerate(value.task.losses):
        yield ("task", "losses", index), "loss", loss, ()
    yield ("data",), "data", value.data, ()
    for name in ("augment", "late_augment"):
        for index, spec in enumerate(getattr(value.data, name)):
            yield ("data", name, index), "transform", spec, ()
    yield ("optim",), "optimizer", value.optim, ("params",)
    yield ("schedule",), "schedule", value.schedule, ("optimizer", "steps", "warmup")
    for index, evaluator in enumerate(value.evaluators):
        yield ("evaluators", index), "evaluator", evaluator, ()
    for index, spec in enumerate(value.hooks):
        yield ("hooks", index), "hook", spec, ()


def _check(
    config: Config[TrainConfig],
    registry: Registry,
    path: Path,
    kind: str,
    name: str,
    arguments: dict[str, Any],
    *,
    given: Iterable[str] = (),
    known: Iterable[str] = (),
) -> Iterator[ConfigProblem]:
    try:
        function = registry.find(kind, name)
    except UnknownNameError as error:
        names = registry.names(kind)
        listed = f"known: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
        hints = ([f"did you mean {error.near}?"] if error.near else []) + [listed]
        yield config.problem((*path, "type"), str(error), hints=hints)
        return
    except PlainnetError as error:
        yield config.problem((*path, "type"), str(error))
        return
    inner = list(inner_specs(kind, function, arguments))
    built = {str(place[0]) for place, _ in inner}
    for problem in check_arguments(function, arguments, given=given, known=known, built=built):
        missing = problem.name not in arguments
        hints = [problem.hint] if problem.hint else []
        if problem.on == "key" and not missing and path in (("optim",), ("schedule",)):
            hints.append("if it comes from a base, _delete_: true in this section forgets it")
        place = path if missing else (*path, problem.name)
        yield config.problem(place, problem.message, hints=hints, on=problem.on)
    if kind in ("model", "part") and name == "PlainNet":
        yield from _structure(config, path, arguments.get("structure"))
    for place, spec in inner:
        rest = {key: value for key, value in spec.items() if key != "type"}
        yield from _check(config, registry, (*path, *place), inner_kind(kind), spec["type"], rest)


def _groups(config: Config[TrainConfig], registry: Registry) -> Iterator[ConfigProblem]:
    try:
        optimizer: Any = registry.find("optimizer", config.value.optim.type)
    except PlainnetError:
        return
    for index, group in enumerate(config.value.optim.groups):
        options = {name: value for name, value in (group.model_extra or {}).items() if name not in MULTIPLES}
        for problem in check_arguments(optimizer, options, given=("params",)):
            if problem.name in options:
                hints = [problem.hint] if problem.hint else []
                place = ("optim", "groups", index, problem.name)
                yield config.problem(place, problem.message, hints=hints, on=problem.on)


def _structure(config: Config[TrainConfig], path: Path, structure: Any) -> Iterator[ConfigProblem]:
    from plainnet.blocks.structure import parse
    from plainnet.network.published import find_published

    if not isinstance(structure, str):  # has been said
        return
    try:
        parse(find_published(structure).text if "(" not in structure else structure)
    except UsageError as error:
        yield config.problem((*path, "structure"), str(error))
    except StructureError as error:
        first, *rest = str(error).splitlines()
        yield config.problem((*path, "structure"), first, hints=[line.strip("\n") for line in rest])
