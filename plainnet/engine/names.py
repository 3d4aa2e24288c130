"""Every name and argument of a configuration checked before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from plainnet.configs import Config, ConfigProblem
from plainnet.engine.arguments import check_arguments
from plainnet.engine.registry import Registry, UnknownNameError
from plainnet.engine.schema import Spec, TrainConfig
from plainnet.errors import PlainnetError, StructureError, UsageError

__all__ = ["check_names"]

Path = tuple[str | int, ...]


def check_names(config: Config[TrainConfig]) -> list[ConfigProblem]:
    """Every unknown name, unknown argument and wrong structure."""
    try:
        registry = Registry(config.value.imports)
    except PlainnetError as error:
        return [config.problem(("imports",), str(error))]
    problems = [problem for item in _specs(config.value) for problem in _check(config, registry, *item)]
    problems += _groups(config, registry)
    return [*problems, *_structures(config)]


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
    config: Config[TrainConfig], registry: Registry, path: Path, kind: str, spec: Spec, given: Iterable[str]
) -> Iterator[ConfigProblem]:
    try:
        function = registry.find(kind, spec.type)
    except UnknownNameError as error:
        names = registry.names(kind)
        known = f"known: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
        hints = ([f"did you mean {error.near}?"] if error.near else []) + [known]
        yield config.problem((*path, "type"), str(error), hints=hints)
        return
    except PlainnetError as error:
        yield config.problem((*path, "type"), str(error))
        return
    own = list(type(spec).model_fields)
    for problem in check_arguments(function, spec.arguments, given=given, known=own):
        missing = problem.name not in spec.arguments
        hints = [problem.hint] if problem.hint else []
        if problem.on == "key" and not missing and path in (("optim",), ("schedule",)):
            hints.append("if it comes from a base, _delete_: true in this section forgets it")
        place = path if missing else (*path, problem.name)
        yield config.problem(place, problem.message, hints=hints, on=problem.on)


def _groups(config: Config[TrainConfig], registry: Registry) -> Iterator[ConfigProblem]:
    try:
        optimizer: Any = registry.find("optimizer", config.value.optim.type)
    except PlainnetError:
        return
    for index, group in enumerate(config.value.optim.groups):
        options = dict(group.model_extra or {})
        for problem in check_arguments(optimizer, options, given=("params",)):
            if problem.name in options:
                hints = [problem.hint] if problem.hint else []
                place = ("optim", "groups", index, problem.name)
                yield config.problem(place, problem.message, hints=hints, on=problem.on)


def _structures(config: Config[TrainConfig]) -> Iterator[ConfigProblem]:
    from plainnet import parse
    from plainnet.published import find_published

    sections = [(("model",), config.value.model), (("task", "teacher"), config.value.task.teacher)]
    for path, section in sections:
        structure = section.arguments.get("structure") if section is not None and section.type == "PlainNet" else None
        if not isinstance(structure, str):  # has been said
            continue
        try:
            parse(find_published(structure).text if "(" not in structure else structure)
        except UsageError as error:
            yield config.problem((*path, "structure"), str(error))
        except StructureError as error:
            first, *rest = str(error).splitlines()
            yield config.problem((*path, "structure"), first, hints=[line.strip("\n") for line in rest])
