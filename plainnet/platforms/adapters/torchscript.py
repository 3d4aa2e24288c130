"""TorchScript: `model.ts`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.files.whole_files import write_saved
from plainnet.platforms.graphs import torch_runner, traced
from plainnet.platforms.platform import Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.ts"


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:  # noqa: ARG001 - all are free
    import torch

    jit: Any = torch.jit  # its functions carry no types
    write_saved(folder / BINARY, partial(jit.save, traced(module, sample)))


def _load(folder: Path) -> Runner:
    import torch

    jit: Any = torch.jit
    return torch_runner(jit.load(str(folder / BINARY)))


PLATFORM = Platform("torchscript", "TorchScript on the CPU", BINARY, _convert, _load)
