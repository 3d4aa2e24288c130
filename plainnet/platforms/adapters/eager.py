"""torch itself: `model.safetensors`, and the network made of its string."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.platforms.graphs import torch_runner
from plainnet.platforms.platform import Axes, Platform, Runner
from plainnet.platforms.rebuilding import rebuilt, write_network

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.safetensors"


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:  # noqa: ARG001 - all are free
    write_network(module, folder / BINARY, sample)


def _load(folder: Path) -> Runner:
    return torch_runner(rebuilt(folder / BINARY))


PLATFORM = Platform("torch", "torch on the CPU, operator by operator", BINARY, _convert, _load)
