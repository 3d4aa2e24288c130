"""What is timed on a platform (`plainnet.platforms`): the network, converted for the inputs that it is measured on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from torch import nn

from plainnet.errors import PlainnetError, UsageError
from plainnet.network.counting.module_inputs import ModuleInputs
from plainnet.platforms.graphs import quiet
from plainnet.platforms.platform import THREADS, Platform, find_platform, known_platforms
from plainnet.profiler.latency_setup import first_line

__all__ = ["PlatformCall", "check_int8", "platform_call"]


@dataclass(frozen=True)
class PlatformCall:
    """A network that is ready on a platform."""

    platform: Platform
    run: Callable[[], float]
    """run it once: seconds"""
    prepare_seconds: float
    """of conversion or compilation, with the first run, in which some platforms do their work"""


@contextmanager
def platform_call(
    name: str, module: nn.Module, given: ModuleInputs, *, channels_last: bool, int8: bool = False
) -> Iterator[PlatformCall]:
    """The module ready on the platform of this name, for images (N, C, H, W) of exactly the given shape, with as many threads
    as torch has now. int8: converted so that it computes in int8, with ranges as for these images.

    `UsageError` for a name that is not known, for a platform that another process runs, for inputs that are no float32 images in
    torch's layout on the CPU, and for a network that the platform does not take; `MissingExtraError` where the platform is not
    installed.
    """
    platform = find_platform(name)
    if platform.environment is not None:
        raise UsageError(
            f"{name} runs in a process of its own, image by image, so a call would take mostly the way there and back; accepted: "
            f"{', '.join(each.name for each in known_platforms().values() if each.environment is None)}"
        )
    platform.check()
    platform.check(to_run=True)
    if int8:
        check_int8(platform)
    if len(given.args) != 1 or given.kwargs or not isinstance(images := given.args[0], torch.Tensor):
        raise UsageError(f"{name} takes images (N, C, H, W); a module with inputs of its own is measured by torch")
    if images.dtype != torch.float32 or images.device.type != "cpu" or channels_last:
        raise UsageError(f"{name} is measured in float32 on the CPU, in its own layout; torch alone takes others")
    with TemporaryDirectory() as folder:
        start = perf_counter()
        try:
            with torch.no_grad(), quiet(), _threads(torch.get_num_threads()):
                call = _ready(platform, module, images, Path(folder), int8=int8)
                call()
        except PlainnetError:
            raise
        except Exception as error:  # whatever a converter raises
            raise UsageError(f"{name} does not take this network: {first_line(error)}") from error
        yield PlatformCall(platform, partial(_timed, call), perf_counter() - start)


def check_int8(platform: Platform) -> None:
    """`UsageError` for a platform that is not run in int8 here."""
    if platform.quantize is None:
        able = [name for name, each in known_platforms().items() if each.quantize is not None]
        raise UsageError(
            f"{platform.name} computes a network of floats in no int8 without a quantisation of the network's own; accepted: "
            f"platform {' or '.join(able)}, or a module that is quantised already, with dtype left out"
        )


def _ready(
    platform: Platform, module: nn.Module, images: torch.Tensor, folder: Path, *, int8: bool
) -> Callable[[], Any]:
    if platform.direct is not None:
        return partial(platform.direct(module), images)
    platform.convert(module, images, {}, folder)
    if int8 and platform.quantize is not None:
        platform.quantize(folder, images)
    return partial(platform.load(folder), images.numpy())


def _timed(call: Callable[[], Any]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = os.environ.get(THREADS)
    os.environ[THREADS] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before
