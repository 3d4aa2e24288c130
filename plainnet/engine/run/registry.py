"""Names in configurations, and what they are: torch's own, ours, and yours, found without decorators."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from plainnet.blocks.user import why_not_imported
from plainnet.blocks.user_imports import imports_beside, own_imports
from plainnet.errors import RegistrationError, UsageError, nearest
from plainnet.moved import MOVED

USER_MODULES = "plainnet_user_"
"""How the names of modules begin that `plainnet.blocks.user` loads."""

__all__ = [
    "KINDS",
    "CodeInDataError",
    "Registry",
    "UnknownNameError",
    "import_object",
    "load_module",
]

KINDS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "trainer": (
        {
            "EpochBasedTrainer": "plainnet.engine.loop.trainers:EpochBasedTrainer",
            "IterBasedTrainer": "plainnet.engine.loop.trainers:IterBasedTrainer",
        },
        (),
    ),
    "model": (
        {"PlainNet": "plainnet.network.plain_net:PlainNet", "timm": "plainnet.engine.run.timm_networks:timm"},
        (),
    ),
    "part": (
        {"PlainNet": "plainnet.network.plain_net:PlainNet", "timm": "plainnet.engine.run.timm_networks:timm"},
        ("torch.nn",),
    ),
    "task": (
        {
            "Classification": "plainnet.engine.tasks.classification:Classification",
            "Distillation": "plainnet.engine.tasks.distillation:Distillation",
            "Segmentation": "plainnet.engine.tasks.segmentation:Segmentation",
            "SegmentationDistillation": "plainnet.engine.tasks.distillation:SegmentationDistillation",
            "Detection": "plainnet.engine.tasks.detection:Detection",
            "DetectionDistillation": "plainnet.engine.tasks.distillation:DetectionDistillation",
        },
        (),
    ),
    "loss": (
        {},
        ("plainnet.engine.tasks.losses", "plainnet.engine.tasks.dense_losses", "torch.nn.modules.loss"),
    ),
    "data": (
        {
            "digits": "plainnet.engine.data.digits:digits",
            "digits-scenes": "plainnet.engine.data.scenes:digits_scenes",
            "cifar10": "plainnet.engine.data.cifar:cifar10",
            "cifar100": "plainnet.engine.data.cifar:cifar100",
            "folder": "plainnet.engine.data.folder:folder",
            "coco": "plainnet.engine.data.coco:coco",
            "voc": "plainnet.engine.data.voc:voc",
            "masks": "plainnet.engine.data.mask_folders:masks",
            "huggingface": "plainnet.engine.data.huggingface:huggingface",
            "arrays": "plainnet.engine.data.arrays:arrays",
        },
        (),
    ),
    "transform": (
        {
            "AutoAugment": "plainnet.engine.data.auto_augment:AutoAugment",
            **{
                name: f"plainnet.engine.data.transforms:{name}"
                for name in ("RandomCrop", "Flip", "RandAugment", "Lighting", "Kornia", "RandomErasing")
            },
        },
        (),
    ),
    "filter": (
        {name: f"plainnet.engine.data.filters:{name}" for name in ("HasObjects", "OfClasses")},
        (),
    ),
    "sampler": ({name: f"plainnet.engine.data.samplers:{name}" for name in ("ClassBalanced", "Share")}, ()),
    "maker": ({"ObjectCounts": "plainnet.engine.data.target_makers:ObjectCounts"}, ()),
    "optimizer": ({}, ("torch.optim",)),
    "schedule": (
        {"cosine": "plainnet.engine.loop.schedules:cosine", "constant": "plainnet.engine.loop.schedules:constant"},
        ("torch.optim.lr_scheduler",),
    ),
    "evaluator": (
        {
            **{
                name: f"plainnet.engine.evaluators.classification:{name}"
                for name in ("AUC", "Accuracy", "ClassAccuracy", "ConfusionMatrix", "F1")
            },
            "MeanIoU": "plainnet.engine.evaluators.segmentation:MeanIoU",
            "AveragePrecision": "plainnet.engine.evaluators.detection:AveragePrecision",
        },
        (),
    ),
    "writer": (
        {
            "WandB": "plainnet.engine.writers.wandb_writer:WandB",
            "MLflow": "plainnet.engine.writers.mlflow_writer:MLflow",
        },
        (),
    ),
    "hook": (
        {
            "EarlyStopping": "plainnet.engine.hooks.patience:EarlyStopping",
            "ReduceOnPlateau": "plainnet.engine.hooks.patience:ReduceOnPlateau",
            "MomentumSchedule": "plainnet.engine.hooks.momentum:MomentumSchedule",
            "GradientStatistics": "plainnet.engine.hooks.statistics:GradientStatistics",
            "ShowFeatures": "plainnet.engine.hooks.showing:ShowFeatures",
            "ShowPredictions": "plainnet.engine.hooks.showing:ShowPredictions",
            "StepTimer": "plainnet.engine.hooks.timing:StepTimer",
            "Profiler": "plainnet.engine.hooks.timing:Profiler",
        },
        (),
    ),
}
"""Kind -> (the shipped names and where they live, the modules whose public classes are known too). A part is what a network
takes as an argument."""


class UnknownNameError(UsageError):
    """A name that no registry knows; `near` is the nearest that one does."""

    def __init__(self, message: str, near: str | None) -> None:
        self.near = near
        super().__init__(message)


class CodeInDataError(UsageError):
    """A file that is data names code that nobody has asked for."""


@dataclass
class Registry:
    """Finds things by kind and name. `imports` are your files or modules; entry points `plainnet.<kind>` count as well."""

    imports: Iterable[str] = ()
    modules: list[ModuleType] = field(init=False)

    def __post_init__(self) -> None:
        self.modules = [load_module(name) for name in self.imports]

    def find(self, kind: str, name: str) -> Any:
        """The object of that name. Raises `UnknownNameError`, or `RegistrationError` where two answer to it."""
        if _is_path(name):
            return import_object(name)
        return self._known(kind, name)

    def find_from_data(self, kind: str, name: str) -> Any:
        """The object of a name that stands in data (a file of weights, a checkpoint), not in a configuration: one that ships with
        plainnet or torch, that an installed package offers, or that the modules in `imports` hold. Nothing else is imported.
        """
        if not _is_path(name):
            try:
                return self._known(kind, name)
            except UnknownNameError as error:
                raise CodeInDataError(
                    f"{error} that comes with plainnet: if it is in a file of yours, say --import FILE (imports=[...] in Python)"
                ) from None
        home, attribute = _split_path(name)
        home = MOVED.get(home, home)
        for module in self.modules:
            if home.startswith(f"{module.__name__}.") and hasattr(module, "__path__"):  # in a package that was named
                module = _part_of(module, home)
            if _answers_to(module, home) and attribute in _package_names(module):
                return getattr(module, attribute)
        shipped, homes = KINDS[kind]
        if f"{home}:{attribute}" in shipped.values() or (home in homes and attribute in _classes(home)):
            return import_object(f"{home}:{attribute}")
        raise CodeInDataError(
            f"the file names the {kind} {name}, and a file cannot name code: if you know it, say --import {home} "
            "(imports=[...] in Python)"
        )

    def _known(self, kind: str, name: str) -> Any:
        found = [(module.__name__, getattr(module, name)) for module in self.modules if name in _own_names(module)]
        found += [(point.value, point.load()) for point in entry_points(group=f"plainnet.{kind}") if point.name == name]
        shipped, homes = KINDS[kind]
        if name in shipped:
            found.append((shipped[name], import_object(shipped[name])))
        found += [(home, getattr(importlib.import_module(home), name)) for home in homes if name in _classes(home)]
        different = {id(thing): source for source, thing in found}
        if len(different) > 1:
            raise RegistrationError(
                f"the {kind} {name} is in {' and in '.join(different.values())}; give its import path"
            )
        if not found:
            near = nearest(name, self.names(kind))
            raise UnknownNameError(f"there is no {kind} {name}", near)
        return found[0][1]

    def names(self, kind: str) -> list[str]:
        """Every name of the kind."""
        shipped, homes = KINDS[kind]
        own = [name for module in self.modules for name in sorted(_own_names(module))]
        points = [point.name for point in entry_points(group=f"plainnet.{kind}")]
        return [*own, *points, *shipped, *(name for home in homes for name in sorted(_classes(home)))]


def _is_path(name: str) -> bool:
    return ":" in name or "." in name


def _split_path(path: str) -> tuple[str, str]:
    """The module and the name of an import path."""
    module, sign, name = path.rpartition(":")
    if not sign:
        module, _, name = path.rpartition(".")
    return module, name


def _part_of(package: ModuleType, home: str) -> ModuleType:
    """A module of a package, where there is a public one of that name; else the package: `__main__` would run it as a program."""
    names = home.removeprefix(f"{package.__name__}.").split(".")
    if not all(name.isidentifier() and not name.startswith("_") for name in names):
        return package
    try:
        return importlib.import_module(home)
    except ImportError:
        return package


def _answers_to(module: ModuleType, home: str) -> bool:
    """Whether a module is the one of that name or file, wherever that file lay when the name was written."""
    file = getattr(module, "__file__", None)
    return module.__name__ == home or (file is not None and home.endswith(".py") and Path(file).name == Path(home).name)


def _own_names(module: ModuleType) -> set[str]:
    """The classes and functions that a module defines itself."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__
    }


def _package_names(module: ModuleType) -> set[str]:
    """The classes and functions that a module, or another of its package, defines."""
    package = module.__name__.partition(".")[0]
    return {
        name
        for name, value in vars(module).items()
        if callable(value) and str(getattr(value, "__module__", "")).partition(".")[0] == package
    }


def _classes(home: str) -> set[str]:
    module = importlib.import_module(home)
    public = getattr(module, "__all__", None) or dir(module)
    skipped = {"Optimizer", "LRScheduler", "Module", "NamedLoss", "BaseLoss"}
    return {name for name in public if name not in skipped and inspect.isclass(getattr(module, name, None))}


def load_module(name: str) -> ModuleType:
    """A module of yours: a file (`my.py`, `sub/my.py`) or an importable name."""
    if not name.endswith(".py"):
        if not all(name.split(".")):
            raise UsageError(
                f"cannot import {name}: no module has such a name; accepted: package.module, or a file .py"
            )
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise UsageError(f"cannot import {name}: {error}") from error
    path = Path(name).resolve()
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    own = [module for name, module in list(sys.modules.items()) if name.startswith(USER_MODULES)]
    for module in own:  # a file of blocks that a search has loaded
        if getattr(module, "__file__", None) == str(path):
            return module
    if not path.is_file():
        raise UsageError(f"cannot import {name}: there is no such file")
    module_name = path.stem if known is None else f"{path.stem}_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        own_imports(module, path)
        with imports_beside(path):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(module_name, None)
        raise UsageError(f"cannot import {name}: {why_not_imported(error, path)}") from error
    return module


def import_object(path: str) -> Any:
    """The object at an import path: `package.module:Name`, `package.module.Name`, or `file.py:Name`."""
    module_name, attribute = _split_path(path)
    module = load_module(module_name)
    if not hasattr(module, attribute):
        raise UnknownNameError(f"{module_name} has no {attribute}", nearest(attribute, _own_names(module)))
    return getattr(module, attribute)
