"""What an adapter is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from plainnet.errors import MissingExtraError, RegistrationError, UsageError, nearest
from plainnet.platforms.own_environment import OwnEnvironment

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

__all__ = ["THREADS", "Axes", "NotHereError", "Platform", "Runner", "find_platform", "known_platforms"]

THREADS = "OMP_NUM_THREADS"
"""The environment variable that says how many threads a platform may have, as it is for torch."""
Axes = Mapping[int, str]
"""The axes of the images that may have any size, by name: {0: "batch", 2: "height", 3: "width"}."""
Runner = Callable[["np.ndarray[Any, Any]"], "np.ndarray[Any, Any] | Sequence[np.ndarray[Any, Any]]"]
"""Images (N, C, H, W) float32 -> what the network puts out, float32: an array, or several in the order of its outputs."""


def _no_reason() -> str | None:
    return None


class NotHereError(UsageError):
    """A platform is installed, and this machine is none that it runs on."""


@dataclass(frozen=True)
class Platform:
    """A thing that networks run on: the `PLATFORM` of a file in `plainnet/platforms/adapters/`, or an entry point of the group
    `plainnet.platform`.

    binary: the file that `convert` writes into a folder. needs: modules without which it cannot convert, and runs: without which
    it cannot run; extra: what brings them. packages: distributions whose versions decide about the outcome. environment: its own,
    where it has one.
    convert: module, sample images, free axes, folder. load: a folder -> what runs it. direct: a module at hand -> what runs it on
    tensors, for platforms that need no file for that. quantize: makes what `convert` wrote compute in int8, ranges as for sample
    images; None for a platform that is not run so.
    not_here: why there is nothing of it on this machine, where it is installed (no GPU). convert_only: why it is converted on
    this machine and not run, so that nothing is compared. Both give None where nothing hinders.
    """

    name: str
    summary: str
    binary: str
    convert: Callable[[nn.Module, Tensor, Axes, Path], None]
    load: Callable[[Path], Runner]
    direct: Callable[[nn.Module], Callable[[Tensor], Any]] | None = None
    quantize: Callable[[Path, Tensor], None] | None = None
    needs: tuple[str, ...] = ("torch",)
    runs: tuple[str, ...] = ("torch",)
    packages: tuple[str, ...] = ("torch",)
    extra: str = ""
    environment: OwnEnvironment | None = None
    not_here: Callable[[], str | None] = _no_reason
    convert_only: Callable[[], str | None] = _no_reason

    def missing(self, *, to_run: bool = False) -> list[str]:
        """The modules that are not installed, or the environment that is not there."""
        if self.environment is not None and not self.environment.is_there():
            return [f"the environment {self.name}"]
        return [name for name in (self.runs if to_run else self.needs) if find_spec(name) is None]

    def check(self, *, to_run: bool = False) -> None:
        """`MissingExtraError` where something is not installed, `NotHereError` where this machine cannot do it."""
        if self.environment is not None:
            self.environment.check()
        missing = self.missing(to_run=to_run)
        if missing:
            raise MissingExtraError(" and ".join(missing), self.extra)
        why = self.not_here() or (self.convert_only() if to_run else None)
        if why is not None:
            raise NotHereError(f"{self.name} is not {'run' if to_run else 'converted'} here: {why}")

    def versions(self) -> dict[str, str | None]:
        """The versions of its packages; None for what is not installed."""
        found: dict[str, str | None] = {}
        if self.environment is not None:
            return self.environment.versions(self.packages)
        for name in self.packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = None
        return found


@cache
def known_platforms() -> dict[str, Platform]:
    """Every platform by name: those that ship, and those of entry points."""
    folder = import_module("plainnet.platforms.adapters")
    modules = [import_module(f"{folder.__name__}.{found.name}") for found in iter_modules(folder.__path__)]
    platforms = [module.PLATFORM for module in modules if hasattr(module, "PLATFORM")]
    platforms += [point.load() for point in entry_points(group="plainnet.platform")]
    found: dict[str, Platform] = {}
    for platform in platforms:
        if not isinstance(platform, Platform):
            raise RegistrationError(
                f"a platform is a plainnet.platforms.platform.Platform, not {type(platform).__name__}"
            )
        if platform.name in found:
            raise RegistrationError(f"there are two platforms of the name {platform.name}")
        found[platform.name] = platform
    return found


def find_platform(name: str) -> Platform:
    """The platform of a name; `UsageError` with the nearest one."""
    platforms = known_platforms()
    if name not in platforms:
        near = nearest(name, platforms)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"there is no platform {name!r}; accepted: {', '.join(platforms)}{hint}")
    return platforms[name]
