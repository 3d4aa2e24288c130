"""torch.export: `model.pt2`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.files.whole_files import write_saved
from plainnet.platforms.graphs import exported_program, read_exported, torch_runner
from plainnet.platforms.platform import Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.pt2"


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:
    import torch

    write_saved(folder / BINARY, partial(torch.export.save, exported_program(module, sample, axes)))


def _load(folder: Path) -> Runner:
    return torch_runner(read_exported(folder / BINARY))


PLATFORM = Platform("torch.export", "torch.export on the CPU", BINARY, _convert, _load)
