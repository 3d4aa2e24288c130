"""The data set that a configuration names, whole or as much of it as is wanted."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from dataclasses import replace
from os.path import isdir
from typing import Any, Literal

from plainnet.engine.data.filters import filtered
from plainnet.engine.data.samplers import Sampler
from plainnet.engine.data.source import THE_PART, DataSource
from plainnet.engine.data.target_makers import TargetMaker
from plainnet.engine.run.config_paths import noted_annotations
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import DataSection, Spec, ValidationSpec
from plainnet.engine.run.typed_values import make
from plainnet.errors import UsageError

__all__ = ["build_data", "given_by_engine", "made_data", "section_named", "target_makers", "train_sampler"]


def given_by_engine(function: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments of a data set's function that the engine gives: `only`, where it is annotated as `Part`."""
    annotation = noted_annotations(function).get("only")
    return ("only",) if THE_PART in typing.get_args(annotation)[1:] else ()


def section_named(data: str, values: Sequence[str]) -> dict[str, Any]:
    """The section of a data set that is named alone, with KEY=VALUE: a folder of images, or a kind. A folder of images has its
    root, so where one is said a kind is meant: in a folder with `coco` in it, `coco root=coco` is no folder of images.
    """
    has_root = any(value.partition("=")[0].strip() == "root" for value in values)
    return {"_delete_": True, **({"type": "folder", "root": data} if isdir(data) and not has_root else {"type": data})}


def build_data(
    section: DataSection,
    registry: Registry,
    *,
    only: Literal["train", "val"] | None = None,
    keep_broken: bool = False,
) -> DataSource:
    """The images. only: "train" or "val" where the others are not needed; they are not read where the data set takes `only`.
    keep_broken: what cannot be read stays in the data sets of ours that know of `on_error` and are not told to skip it.
    """
    function = registry.find("data", section.type)
    given = given_by_engine(function) if only is not None else ()
    if keep_broken and _knows_of_broken(function) and section.arguments.get("on_error") != "skip":
        section = section.model_copy(update={"on_error": "keep"})
    data = made_data(section, registry, where="data", keep_broken=keep_broken, **dict.fromkeys(given, only))
    if section.mean is not None or section.std is not None:
        data = replace(data, mean=tuple(section.mean or data.mean), std=tuple(section.std or data.std))
    rules = [(spec.type, spec.part, _called(spec, registry, "filter")) for spec in section.filters]
    return filtered(data, rules, keep_broken=keep_broken) if rules else data


def made_data(
    spec: DataSection | ValidationSpec, registry: Registry, *, where: str, keep_broken: bool = False, **given: Any
) -> DataSource:
    """What the function of a data set gives. Raises `UsageError`, with the place `where` of the configuration, for anything else,
    and where what is broken would be kept by whoever cannot tell of it.
    """
    keeps = spec.arguments.get("on_error") == "keep" and _knows_of_broken(registry.find("data", spec.type))
    if keeps and not keep_broken:
        raise UsageError(
            f"{where}: on_error is keep, with which `plainnet data check` goes on behind what is broken; accepted: stop, skip"
        )
    data = make(registry, "data", spec, **given)
    if not isinstance(data, DataSource):
        raise UsageError(f"{where}: {spec.type} gave a {type(data).__name__}, not a DataSource")
    return data


def _knows_of_broken(function: Callable[..., Any]) -> bool:
    """Whether a function is one of ours that say what they do about broken files."""
    is_ours = getattr(function, "__module__", "").startswith("plainnet.")
    return is_ours and "on_error" in noted_annotations(function)


def target_makers(section: DataSection, registry: Registry) -> list[TargetMaker]:
    """What makes targets of batches."""
    return [_called(spec, registry, "maker") for spec in section.targets]


def _called(spec: Spec, registry: Registry, kind: str) -> Any:
    made = make(registry, kind, spec)
    if not callable(made):
        key, what = ("filters", "sample") if kind == "filter" else ("targets", "batch")
        raise UsageError(f"data.{key}: {spec.type} gave a {type(made).__name__}, which cannot be called with a {what}")
    return made


def train_sampler(section: DataSection, registry: Registry, data: DataSource) -> Sampler | None:
    """What draws the training samples of an epoch, where that is no permutation of all. Raises `UsageError` for what is none."""
    if section.sampler is None:
        return None
    made = make(registry, "sampler", section.sampler, samples=data.train)
    if not isinstance(made, Sampler):
        raise UsageError(f"data.sampler {section.sampler.type} gave a {type(made).__name__}, not a Sampler")
    return made
