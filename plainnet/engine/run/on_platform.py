"""A trained network that predicts on another platform: `PLAINNET_PLATFORM=onnxruntime`."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from plainnet.errors import RunError, UsageError
from plainnet.network.plain_net import PlainNet
from plainnet.platforms.networks import OnPlatform, fingerprint_of, from_platform, to_platform
from plainnet.platforms.platform import find_platform

__all__ = ["VARIABLE", "on_chosen_platform"]

VARIABLE = "PLAINNET_PLATFORM"
CONVERSIONS = "conversions"
EAGER = "torch"


class _OnPlatform(nn.Module):
    """What runs there, where a module is expected."""

    def __init__(self, running: OnPlatform, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self._running = (running,)

    def forward(self, images: Tensor) -> Any:
        """What the network puts out."""
        return self._running[0](images)


def on_chosen_platform(model: nn.Module, weights: Path, device: str, platform: str | None) -> nn.Module:
    """The network as it runs on a platform, or on the one that $PLAINNET_PLATFORM names where None is said; as it is where that
    names none, or torch.

    A conversion of just this network beside its weights in a store is taken; otherwise it is converted now. Raises `UsageError`
    for a network or a device that no platform takes.
    """
    name = os.environ.get(VARIABLE) if platform is None else platform
    if not name:
        return model
    adapter = find_platform(name)
    if name == EAGER:
        return model
    if not isinstance(model, PlainNet):
        raise UsageError(f"the platform is {name}, and {weights} holds a {type(model).__name__}; accepted: a PlainNet")
    if device != "cpu":
        raise UsageError(f"the platform is {name}, which runs on the cpu, and the device is {device}")
    kept = weights.parent / CONVERSIONS / name
    running = _kept(kept, fingerprint_of(model, adapter)) if kept.is_dir() else None
    return _OnPlatform(running or _converted(model, name), model.num_classes)


def _kept(folder: Path, fingerprint: str) -> OnPlatform | None:
    """A conversion that was kept, where it is of this network, by this adapter and these versions."""
    try:
        found = from_platform(folder)
    except RunError:
        return None
    return found if found.about.fingerprint == fingerprint else None


def _converted(model: PlainNet, name: str) -> OnPlatform:
    place = Path(tempfile.mkdtemp(prefix="plainnet-"))
    try:
        to_platform(model, name, place / "network")
        found = from_platform(place / "network")
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    weakref.finalize(found, shutil.rmtree, place, ignore_errors=True)  # a runtime may read its file when it needs it
    return found
