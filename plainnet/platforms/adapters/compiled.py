"""torch.compile: `model.safetensors`, and the network made of its string, compiled where it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.platforms.graphs import torch_runner
from plainnet.platforms.platform import Platform, Runner
from plainnet.platforms.rebuilding import BINARY, rebuilt, write_network

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]


def _load(folder: Path) -> Runner:
    import torch

    return torch_runner(torch.compile(rebuilt(folder), dynamic=True))


def _direct(module: nn.Module) -> Callable[[Tensor], Any]:
    import torch

    return torch.compile(module, dynamic=False)


PLATFORM = Platform(
    "torch.compile", "torch.compile on the CPU, with its default compiler", BINARY, write_network, _load, _direct
)
