"""ExecuTorch: `model.pte`, run by its portable kernels; it plans its memory ahead, so that batch and sides have an upper end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.platforms.graphs import exported_program, in_a_row
from plainnet.platforms.platform import Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.pte"
MOST = 4
"""The upper end of batch and sides, in those of the images that the network is followed with."""


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:
    from executorch.exir import to_edge_transform_and_lower

    program = exported_program(in_a_row(module), sample, axes, most=MOST)
    (folder / BINARY).write_bytes(to_edge_transform_and_lower(program).to_executorch().buffer)


def _load(folder: Path) -> Runner:
    import torch
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(str(folder / BINARY))
    method = program.load_method("forward")

    def run(images: Any) -> Any:
        return [each.clone().numpy() for each in method.execute([torch.from_numpy(images)])]

    return run


PLATFORM = Platform(
    "executorch",
    "ExecuTorch on the CPU, its portable kernels",
    BINARY,
    _convert,
    _load,
    needs=("torch", "executorch"),
    runs=("torch", "executorch"),
    packages=("torch", "executorch"),
    extra="executorch",
)
