"""torch.compile: `model.safetensors`, and the network made of its string, compiled where it runs."""

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
    import torch

    return torch_runner(torch.compile(rebuilt(folder / BINARY), dynamic=True))


PLATFORM = Platform("torch.compile", "torch.compile on the CPU, with its default compiler", BINARY, _convert, _load)
