"""Every name and argument of a configuration checked before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from plainnet.configs import Config, ConfigProblem
from plainnet.engine.parameters import MULTIPLES
from plainnet.engine.run.arguments import check_arguments
from plainnet.engine.run.build import trainer_kind
from plainnet.engine.run.data_sources import given_by_engine
from plainnet.engine.run.loss_names import own_name
from plainnet.engine.run.refusals import refusals
from plainnet.engine.run.registry import Registry, UnknownNameError
from plainnet.engine.run.scheduling import LENGTHS
from plainnet.engine.run.schema import Spec, TrainConfig
from plainnet.engine.run.typed_values import inner_kind, inner_specs
from plainnet.errors import PlainnetError, StructureError, UsageError, nearest

__all__ = ["check_names", "own_arguments"]

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
        for path, kind, spec, given in _specs(config.value, registry)
        for problem in _check(
            config, registry, path, kind, spec.type, spec.arguments, given=given, known=list(type(spec).model_fields)
        )
    ]
    problems += _groups(config, registry)
    problems += _trainer(config, registry)
    return problems or refusals(config, registry, begun=begun)


def _specs(value: TrainConfig, registry: Registry) -> Iterator[tuple[Path, str, Spec, tuple[str, ...]]]:
    """Each spec with its path, its kind and the arguments that the engine adds."""
    yield ("model",), "model", value.model, ()
    teacher = ("teacher", "shape") if value.task.teacher is not None else ()
    yield ("task",), "task", value.task, ("model", "losses", *teacher)
    if value.task.teacher is not None:
        yield ("task", "teacher"), "model", value.task.teacher, ()
    for index, loss in enumerate(value.task.losses):
        yield ("task", "losses", index), "loss", loss, tuple(own_name(registry, loss))
    yield ("data",), "data", value.data, ()
    for index, further in enumerate(value.validate_also):
        yield ("validate_also", index), "data", further, ()
    for index, rule in enumerate(value.data.filters):
        yield ("data", "filters", index), "filter", rule, ()
    if value.data.sampler is not None:
        yield ("data", "sampler"), "sampler", value.data.sampler, ("samples",)
    for index, maker in enumerate(value.data.targets):
        yield ("data", "targets", index), "maker", maker, ()
    for name in ("augment", "late_augment"):
        for index, spec in enumerate(getattr(value.data, name)):
            yield ("data", name, index), "transform", spec, ()
    yield ("optim",), "optimizer", value.optim, ("params",)
    sequence = ("schedulers", "milestones") if value.schedule.schedulers else ()
    yield ("schedule",), "schedule", value.schedule, ("optimizer", "steps", "warmup", *sequence)
    for index, part in enumerate(value.schedule.schedulers):
        yield ("schedule", "schedulers", index), "schedule", part, ("optimizer", "steps", "warmup")
    for index, evaluator in enumerate(value.evaluators):
        yield ("evaluators", index), "evaluator", evaluator, ()
    for index, spec in enumerate(value.log.writers):
        yield ("log", "writers", index), "writer", spec, ()
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
        yield _unknown(config, (*path, "type"), error, registry.names(kind))
        return
    except PlainnetError as error:
        yield config.problem((*path, "type"), str(error))
        return
    inner = list(inner_specs(kind, function, arguments))
    built = {str(place[0]) for place, _ in inner}
    given = (*given, *given_by_engine(function)) if kind == "data" else given
    for problem in check_arguments(function, arguments, given=given, known=known, built=built):
        missing = problem.name not in arguments
        if missing and problem.name in LENGTHS and path[1:2] == ("schedulers",):  # follow from where it begins and ends
            continue
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


def _unknown(config: Config[TrainConfig], path: Path, error: UnknownNameError, names: Sequence[str]) -> ConfigProblem:
    """A name that nothing has, with the nearest one and those that there are."""
    listed = f"known: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
    return config.problem(path, str(error), hints=[*([f"did you mean {error.near}?"] if error.near else []), listed])


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


def _trainer(config: Config[TrainConfig], registry: Registry) -> Iterator[ConfigProblem]:
    """A trainer of yours, and its arguments: those that it names itself."""
    section = config.value.train
    if section.type is None:
        return
    try:
        kind: Any = trainer_kind(config.value, registry)
    except UnknownNameError as error:
        yield _unknown(config, ("train", "type"), error, registry.names("trainer"))
        return
    except PlainnetError as error:
        yield config.problem(("train", "type"), str(error))
        return
    own = own_arguments(kind)
    place: Path = ("train", "arguments")
    for name in section.arguments:
        if name not in own:
            near = nearest(name, own)
            hint = f"did you mean {near}?" if near else f"accepted: {', '.join(own) or 'nothing'}"
            yield config.problem((*place, name), f"{section.type} names no argument {name} of its own", hints=[hint])
    given = [name for name in inspect.signature(kind).parameters if name not in own]
    for problem in check_arguments(kind, section.arguments, given=given):
        where = (*place, problem.name) if problem.name in section.arguments else ("train", "type")
        yield config.problem(where, problem.message, on=problem.on)


def own_arguments(kind: type) -> list[str]:
    """The arguments that the classes of yours name which a trainer derives from."""
    return [name for each in kind.__mro__ if not each.__module__.startswith("plainnet.") for name in _parameters(each)]


def _parameters(kind: type) -> list[str]:
    """What a class's own `__init__` names."""
    made = vars(kind).get("__init__")
    if made is None or not inspect.isfunction(made):
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, p in inspect.signature(made).parameters.items() if p.kind in named and name != "self"]


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
